use clap::Args;
use serde_json::json;
use strongroom_client::{ClientError, Denial, DeniedNeed, DeniedPrincipal, DeniedStatement};

use super::output::{refused, write, write_json};
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::{Exit, Failure, printable};

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The `opc-request-id` of the answer
    #[arg(value_name = "REQUEST-ID")]
    request_id: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Explains why a request was refused, and which statement would allow it.
pub(crate) async fn run(
    arguments: &WhyArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let session = arguments.connection.open(environment).await?;
    let denial = session.client.denial(&arguments.request_id).await;
    let denial = denial.map_err(|error| unexplained(&error, &arguments.request_id))?;
    if arguments.json {
        return write_json(&json!(denial));
    }
    write(told(&denial).as_bytes())
}

fn unexplained(error: &ClientError, request_id: &str) -> Failure {
    let what = format!("explain request `{request_id}`");
    match error {
        ClientError::Service(service) if service.status == 404 => {
            Failure::new(Exit::Failed, "missing-or-hidden", format!("cannot {what}"))
                .because(
                    "404: nothing was refused under this opc-request-id in the last 30 days, or no \
                     policy lets this user read it",
                )
                .fix("Allow group <your group> to read denials in tenancy")
        }
        _ => refused(error, &what),
    }
}

fn told(denial: &Denial) -> String {
    let operation = denial.operation.as_deref().unwrap_or("no operation");
    let mut lines = vec![
        format!("request {}", denial.request_id),
        format!("  said:  {} {} to {operation} at {}", denial.status, denial.code, denial.time),
        format!("  why:   {}", denial.reason),
    ];
    lines.extend(denial.principal.iter().flat_map(who));
    if let Some(id) = &denial.target_id {
        let place = denial.compartment.as_ref().map(|place| format!(" in {place}"));
        lines.push(format!("  what:  {id}{}", place.unwrap_or_default()));
    }
    lines.extend(denial.required.iter().flat_map(need));
    lines.extend(denial.suggestions.iter().map(|statement| format!("  fix:   {statement}")));
    if denial.is_allowed_now {
        lines.push("  now:   the same request would be allowed".to_owned());
    }
    lines.iter().map(|line| printable(line) + "\n").collect()
}

fn who(principal: &DeniedPrincipal) -> Vec<String> {
    let DeniedPrincipal { kind, id, name, groups, other_dynamic_groups } = principal;
    let known = name.as_ref().map_or_else(|| id.clone(), |name| format!("`{name}` ({id})"));
    let within = match groups.as_slice() {
        [] => "in no group".to_owned(),
        groups => format!("in {}", groups.join(", ")),
    };
    let mut lines = vec![format!("  who:   {kind} {known}, {within}")];
    lines.extend(other_dynamic_groups.iter().map(|group| {
        format!("         not in dynamic group {}: `{}` does not hold", group.name, group.failing)
    }));
    lines
}

fn need(need: &DeniedNeed) -> Vec<String> {
    let by = |statement: &DeniedStatement| {
        format!(" by policy `{}`, statement {}", statement.policy, statement.number)
    };
    let decided = need.decided_by.as_ref().map(by).unwrap_or_default();
    let verdict = match need.verdict.as_str() {
        "absent" => "there is nothing to need it on".to_owned(),
        verdict => format!("{verdict}{decided}"),
    };
    let mut lines = vec![format!("  needs: {} in {}: {verdict}", need.permission, need.place)];
    lines.extend(need.considered.iter().flat_map(considered));
    if need.verdict == "not granted" && need.others > 0 {
        lines.push(format!("         {} other statements are for others, or deny", need.others));
    }
    lines
}

fn considered(statement: &DeniedStatement) -> [String; 2] {
    let failing = match (statement.failing.as_deref(), statement.failing_text.as_deref()) {
        (Some("action"), Some(text)) => format!("`{text}` does not grant it"),
        (Some("location"), Some(text)) => format!("`{text}` is another place"),
        (Some(what), Some(text)) => format!("the {what} `{text}` does not hold"),
        _ => "it holds".to_owned(),
    };
    [
        format!(
            "         policy `{}`, statement {}: {failing}",
            statement.policy, statement.number
        ),
        format!("           {}", statement.text),
    ]
}
