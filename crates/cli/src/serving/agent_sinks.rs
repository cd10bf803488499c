use strongroom_agent::{Contents, FileSink, References, Resolved, Sink};
use strongroom_client::{CachedSecret, SecretKey};
use strongroom_model::Sensitive;

use super::agent_file::{AgentFile, CommandTable, FileTable};
use crate::failure::Failure;
use crate::hand::pointer::select;
use crate::hand::reference::Reference;
use crate::hand::render::Template;

/// What a file is made of: a value after the other, or a template that they are filled in.
#[derive(Debug)]
struct Made {
    template: Option<Template>,
    /// What is taken out of each secret.
    pointers: Vec<Option<String>>,
}

impl Contents for Made {
    fn make(&self, found: &[CachedSecret]) -> Result<Sensitive, String> {
        let value = |(found, pointer): (&CachedSecret, &Option<String>)| match pointer {
            Some(pointer) => select(found.content(), pointer),
            None => Ok(found.content().clone()),
        };
        let values = found.iter().zip(&self.pointers).map(value).collect::<Result<Vec<_>, _>>();
        let made = values.and_then(|mut values| match &self.template {
            Some(template) => template.fill(values),
            None => Ok(values.pop().unwrap_or_else(|| Sensitive::new(Vec::new()))),
        });
        made.map_err(|failure| failure.in_a_line())
    }
}

/// Checks what can be checked without a vault.
pub(super) fn check(file: &AgentFile) -> Result<(), Failure> {
    for path in file.file.iter().filter_map(|table| table.template.as_deref()) {
        let template = Template::read(path)?;
        template.check()?;
        for reference in template.references() {
            reference.parse::<Reference>()?;
        }
    }
    Ok(())
}

/// Makes the sinks that a configuration names. Templates are read now.
pub(super) fn sinks(file: &AgentFile, references: &dyn References) -> Result<Vec<Sink>, Failure> {
    let files = file.file.iter().map(|table| of_file(table, references));
    let commands = file.command.iter().map(|table| of_command(table, references));
    files.chain(commands).collect()
}

fn refused(title: &str, why: String) -> Failure {
    Failure::configuration("bad-sink", format!("cannot keep `{title}`")).because(why)
}

fn of_file(table: &FileTable, references: &dyn References) -> Result<Sink, Failure> {
    let title = table.path.display().to_string();
    let refused = |why| refused(&title, why);
    let template = table.template.as_deref().map(Template::read).transpose()?;
    let names: Vec<&str> = match &template {
        Some(template) => template.references().collect(),
        None => table.reference.as_deref().into_iter().collect(),
    };
    let resolved = resolve(&names, references).map_err(refused)?;
    let (keys, pointers) = resolved.into_iter().map(|one| (one.key, one.pointer)).unzip();
    let file = FileSink {
        path: table.path.clone(),
        access: table.access().map_err(refused)?,
        contents: Box::new(Made { template, pointers }),
        when_refused: table.when_refused(),
    };
    let command = table.command().map_err(refused)?;
    Ok(Sink { keys, file: Some(file), command, title })
}

fn of_command(table: &CommandTable, references: &dyn References) -> Result<Sink, Failure> {
    let command = table.command().map_err(|why| refused("command", why))?;
    let title = command.program.display().to_string();
    let names: Vec<&str> = table.references.iter().map(String::as_str).collect();
    let resolved = resolve(&names, references).map_err(|why| refused(&title, why))?;
    let keys: Vec<SecretKey> = resolved.into_iter().map(|one| one.key).collect();
    Ok(Sink { keys, file: None, command: Some(command), title })
}

fn resolve(names: &[&str], references: &dyn References) -> Result<Vec<Resolved>, String> {
    let resolve = |name: &&str| {
        references.resolve(name).map_err(|why| format!("`{name}` cannot be read: {why}"))
    };
    names.iter().map(resolve).collect()
}
