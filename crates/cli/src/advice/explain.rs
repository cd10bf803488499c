use clap::Args;
use strongroom_advice::doctor::Fault;
use strongroom_advice::lint::{rule_named, rules};

use crate::failure::{Exit, Failure};
use crate::hand::output::write;
use crate::hand::similar::nearest;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code of a finding, such as hard-coded-ocid, the number of its rule, such as C01, or the word
    /// of a fault of `doctor`; all rules are listed without
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
    if let Some(fault) = Fault::named(code) {
        let page = format!(
            "{code}: {}\n\nA fault that `strongroom doctor` finds; run it where the secret cannot be read, \
             and it says what it saw and what repairs it.\n",
            fault.says()
        );
        return write(page.as_bytes());
    }
    let failure = Failure::new(Exit::Usage, "no-page", format!("cannot explain `{code}`"));
    let faults = Fault::ALL.iter().map(|fault| fault.code());
    Err(match nearest(code, rules().iter().map(|rule| rule.code).chain(faults)) {
        Some(near) => failure.fix(format!("strongroom explain {near}")),
        None => failure.fix("strongroom explain"),
    })
}
