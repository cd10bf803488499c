use clap::Args;
use strongroom_advice::lint::{rule_named, rules};

use crate::failure::{Exit, Failure};
use crate::hand::output::write;
use crate::hand::similar::nearest;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code, such as hard-coded-ocid, or the number of a rule, such as C01; all are listed without
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Prints the page of a code, or the list of all.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<(), Failure> {
    let Some(code) = &arguments.code else {
        let line = |rule: &&strongroom_advice::lint::Rule| {
            format!("{}  {:<7}  {:<30}  {}\n", rule.id, rule.level.name(), rule.code, rule.title)
        };
        return write(rules().iter().map(line).collect::<String>().as_bytes());
    };
    if let Some(rule) = rule_named(code) {
        return write(rule.page.as_bytes());
    }
    let failure = Failure::new(Exit::Usage, "no-page", format!("cannot explain `{code}`"));
    Err(match nearest(code, rules().iter().map(|rule| rule.code)) {
        Some(near) => failure.fix(format!("strongroom explain {near}")),
        None => failure.fix("strongroom explain"),
    })
}
