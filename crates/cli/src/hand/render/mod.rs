//! `render`: a file made of a template and secrets.

pub(crate) mod owner;
mod references;
mod template;

use std::path::{Path, PathBuf};

use clap::Args;
use strongroom_keyring::SystemRandom;
use strongroom_model::Sensitive;
use strongroom_model::private_file::{self, Access, PublishError, Standing};

use self::references::references;
use self::template::Known;
use super::output::write;
use super::settings::Connection;
use super::values::{Mention, Plan};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};

const TEMPLATE_BYTES_MAX: u64 = 1 << 20;

/// Arguments of `render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArguments {
    /// The template
    #[arg(value_name = "TEMPLATE")]
    template: PathBuf,
    /// The file to make, or to put a new one in place of
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What owner and group may do with the file, octal; others may do nothing
    #[arg(long, value_name = "MODE", value_parser = mode, default_value = "0600")]
    mode: u32,
    /// Whose the file is, by name or number [default: whoever runs this]
    #[arg(long, value_name = "USER:GROUP", value_parser = owner::parse)]
    owner: Option<(Option<u32>, Option<u32>)>,
    /// Say whether the file would change, and make nothing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Reads a file's mode.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    let is_octal =
        (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
    let mode = mode.ok_or("must be three or four octal digits, such as 0600")?;
    Access::new(mode, None, None).map(|_| mode).map_err(str::to_owned)
}

/// Renders, then writes; a failure leaves the old file as it is.
pub(crate) async fn run(
    arguments: &RenderArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let (owner, group) = arguments.owner.unwrap_or_default();
    let access = Access::new(arguments.mode, owner, group)
        .map_err(|why| Failure::new(Exit::Usage, "bad-mode", "cannot use the mode").because(why))?;
    let content = rendered(arguments, environment).await?;
    let path = &arguments.output;
    // The directory in use is known to the kernel without symbolic links.
    let absolute = std::env::current_dir().map(|directory| directory.join(path));
    let absolute = absolute.map_err(|error| no_output(path, &error.into()))?;
    if arguments.check {
        let standing = private_file::standing(&absolute, content.expose(), access)
            .map_err(|error| no_output(path, &error))?;
        let is_same = standing == Standing::Same;
        let says = if is_same { "is as it should be" } else { "would change" };
        write(format!("{} {says}\n", path.display()).as_bytes())?;
        return if is_same { Ok(()) } else { Err(Failure::findings()) };
    }
    private_file::publish(&absolute, content.expose(), access, &SystemRandom)
        .map_err(|error| no_output(path, &error))
}

async fn rendered(
    arguments: &RenderArguments,
    environment: &Environment,
) -> Result<Sensitive, Failure> {
    let template = Template::read(&arguments.template)?;
    let mentions = template.mentions();
    if mentions.is_empty() {
        return template.fill(Vec::new());
    }
    let session = arguments.connection.open(environment).await?;
    let plan = Plan::of(&session, mentions)?;
    template.fill(plan.values(&plan.read(&session).await?)?)
}

/// A template, and the references in it.
#[derive(Debug)]
pub(crate) struct Template {
    path: PathBuf,
    text: String,
    /// Each once, with its line.
    references: Vec<(usize, String)>,
}

impl Template {
    /// Reads a template.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |why: String| refuse(path, Exit::Configuration, why);
        let text = private_file::read_at_most(path, TEMPLATE_BYTES_MAX)
            .map_err(|error| refuse(error.to_string()))?;
        let text =
            String::from_utf8(text).map_err(|_error| refuse("it is not UTF-8".to_owned()))?;
        Ok(Self { path: path.to_owned(), references: references(&text), text })
    }

    /// Tells whether it can be rendered, as far as that can be told without values.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let checked = template::check(&self.text);
        checked.map_err(|why| refuse(&self.path, Exit::Configuration, why))
    }

    /// Returns the references, each once.
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        self.references.iter().map(|(_, text)| text.as_str())
    }

    fn mentions(&self) -> Vec<Mention> {
        let mention = |(line, text): &(usize, String)| Mention {
            place: format!("line {line} of `{}`", self.path.display()),
            text: text.clone(),
        };
        self.references.iter().map(mention).collect()
    }

    /// Renders it with the value of each reference, in their order.
    pub(crate) fn fill(&self, values: Vec<Sensitive>) -> Result<Sensitive, Failure> {
        let names = self.references().map(str::to_owned);
        let known: Known = names.zip(values).collect();
        template::render(&self.text, known).map_err(|why| refuse(&self.path, Exit::Failed, why))
    }
}

fn refuse(path: &Path, exit: Exit, why: String) -> Failure {
    Failure::new(exit, "bad-template", format!("cannot render `{}`", path.display())).because(why)
}

fn no_output(path: &Path, error: &PublishError) -> Failure {
    let code = match error {
        PublishError::Unsafe(_) => "unsafe-place",
        PublishError::Io(_) => "no-output",
    };
    let failure = Failure::new(Exit::Failed, code, format!("cannot write `{}`", path.display()));
    let failure = failure.because(error.to_string());
    match error {
        PublishError::Unsafe(_) => failure.fix(
            "name a file, by a path without links, in a directory that only you or root may change",
        ),
        PublishError::Io(_) => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_private() {
        assert_eq!(mode("0600"), Ok(0o600));
        assert_eq!(mode("640"), Ok(0o640));
        for text in ["", "6", "0644", "0o600", "rw", "00600", "0606", "4600", "0089", "+600"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
