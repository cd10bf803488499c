use std::collections::BTreeMap;

use crate::profile::ProfileError;

/// The settings of one section, by name in lower case.
pub(crate) type Settings = BTreeMap<String, String>;

/// Sections of an INI file, by name.
pub(crate) type Sections = BTreeMap<String, Settings>;

/// The section from which every other inherits; the only one that may stand twice.
pub(crate) const DEFAULT: &str = "DEFAULT";

/// Reads an INI file as Oracle's SDK for Python does: comments fill a line, a line that is indented
/// deeper continues the value above, nothing is interpolated, a repetition is an error.
///
/// Source: `configparser` of Python 3.11, which `oci.config.from_file` calls.
pub(crate) fn sections(text: &str) -> Result<Sections, ProfileError> {
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        reader.take(line).map_err(|fault| match fault {
            Fault::Unreadable => ProfileError::Line(number),
            Fault::Repeated => ProfileError::Repeated(number),
        })?;
    }
    Ok(reader.sections)
}

enum Fault {
    Unreadable,
    Repeated,
}

#[derive(Default)]
struct Reader {
    sections: Sections,
    section: Option<String>,
    /// The setting that a deeper line continues.
    setting: Option<String>,
    indent: usize,
}

impl Reader {
    fn take(&mut self, raw: &str) -> Result<(), Fault> {
        let line = raw.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = raw.len().saturating_sub(raw.trim_start().len());
        let deeper = indent > self.indent;
        if let Some(value) = self.value().filter(|_| deeper) {
            value.push('\n');
            value.push_str(line);
            return Ok(());
        }
        self.indent = indent;
        match header(line) {
            Some(name) => self.enter(name),
            None => self.set(line),
        }
    }

    fn value(&mut self) -> Option<&mut String> {
        let (section, setting) = (self.section.as_ref()?, self.setting.as_ref()?);
        self.sections.get_mut(section)?.get_mut(setting)
    }

    fn enter(&mut self, name: &str) -> Result<(), Fault> {
        let known = self.sections.insert(name.to_owned(), Settings::new());
        if let Some(settings) = known {
            if name != DEFAULT {
                return Err(Fault::Repeated);
            }
            self.sections.insert(name.to_owned(), settings);
        }
        (self.section, self.setting) = (Some(name.to_owned()), None);
        Ok(())
    }

    fn set(&mut self, line: &str) -> Result<(), Fault> {
        let (name, value) = line.split_once(['=', ':']).ok_or(Fault::Unreadable)?;
        let name = name.trim().to_lowercase();
        let settings = self.section.as_ref().and_then(|name| self.sections.get_mut(name));
        let settings = settings.filter(|_| !name.is_empty()).ok_or(Fault::Unreadable)?;
        if settings.insert(name.clone(), value.trim().to_owned()).is_some() {
            return Err(Fault::Repeated);
        }
        self.setting = Some(name);
        Ok(())
    }
}

/// Returns what is between the first and the last bracket; blanks there belong to the name.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11.7 answers for `dict(parser["prod"])` without what `DEFAULT` adds.
    #[test]
    fn reads_as_python_does() {
        for (text, expected) in [
            ("[prod] # trailing\nuser=p=1:2\n", "p=1:2"),
            ("[prod]\nUSER = x\n", "x"),
            ("[prod]\nuser=a ; not a comment\n", "a ; not a comment"),
            ("[prod]\nuser: a=b\n", "a=b"),
            ("[prod]\nuser=a\n# c\n ; c\n  b\nregion=r\n", "a\nb"),
            ("[prod]\n  user=a\n  region=r\n", "a"),
            ("[prod]\nuser=%(home)s\n", "%(home)s"),
            ("[prod]\nuser=\n", ""),
            ("[prod]\nuser=a\n [other]\n", "a\n[other]"),
            ("\r\n[prod]\r\nuser=a\r\n", "a"),
            ("[prod]\nuser : ~/a b/c.pem  \n", "~/a b/c.pem"),
        ] {
            let read = sections(text).unwrap();
            assert_eq!(read["prod"]["user"], expected, "{text:?}");
        }
        let twice = "[DEFAULT]\nuser=a\n[DEFAULT]\nregion=r\n";
        assert_eq!(sections(twice).unwrap()[DEFAULT].len(), 2);
        assert!(!sections("[ prod ]\nuser=x\n").unwrap().contains_key("prod"));
    }

    #[test]
    fn refuses_what_python_refuses() {
        for (text, expected) in [
            ("[prod]\nuser=a\nuser=b\n", ProfileError::Repeated(3)),
            ("[prod]\nuser=a\n[prod]\nregion=b\n", ProfileError::Repeated(3)),
            ("[DEFAULT]\nuser=a\n[DEFAULT]\nuser=r\n", ProfileError::Repeated(4)),
            ("user=a\n[prod]\n", ProfileError::Line(1)),
            ("[prod]\nuser\n", ProfileError::Line(2)),
            ("[prod]\n=a\n", ProfileError::Line(2)),
            ("[]\nuser=a\n", ProfileError::Line(1)),
            ("[prod\nuser=a\n", ProfileError::Line(1)),
            ("\u{feff}[prod]\nuser=a\n", ProfileError::Line(1)),
        ] {
            assert_eq!(sections(text), Err(expected), "{text:?}");
        }
    }
}
