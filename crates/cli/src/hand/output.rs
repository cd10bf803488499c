use std::io::Write;

use strongroom_client::{ClientError, ServiceError};

use crate::failure::{Exit, Failure};

/// Writes to standard output.
pub(super) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
        Failure::new(Exit::Failed, "no-output", "cannot write to standard output")
            .because(error.to_string())
    })
}

/// Writes a JSON document and a line break.
pub(super) fn write_json(document: &serde_json::Value) -> Result<(), Failure> {
    write(format!("{document:#}\n").as_bytes())
}

/// Writes rows under headings, columns aligned.
pub(super) fn write_table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let width = |column: usize, heading: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
        cells.chain([heading.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..).zip(headings).map(|(n, heading)| width(n, heading)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            widths.iter().zip(cells).map(|(width, cell)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    write(text.as_bytes())
}

/// Says why a call did not `verb` the secret `name`.
pub(super) fn refused(error: &ClientError, verb: &str, name: &str) -> Failure {
    let message = format!("cannot {verb} secret `{name}`");
    let failure = |code| Failure::new(Exit::Failed, code, message.clone());
    match error {
        ClientError::Unreachable { host, why } => {
            Failure::new(Exit::Unreachable, "unreachable", message.clone())
                .because(format!("no answer from {host}: {why}"))
        }
        ClientError::Service(service) => explain(service, failure),
        ClientError::Endpoint(_) => {
            Failure::configuration("bad-endpoint", message.clone()).because(error.to_string())
        }
        ClientError::Signing(_) | ClientError::Answer(_) => {
            failure("bad-answer").because(error.to_string())
        }
    }
}

fn explain(service: &ServiceError, failure: impl Fn(&'static str) -> Failure) -> Failure {
    let said = format!("{} {}: {}", service.status, service.code, service.message);
    let failure = match service.status {
        401 => failure("not-authenticated").because(format!(
            "{said} (perhaps the API key is not registered, or this machine's clock is off)"
        )),
        403 => failure("missing-key-permission").because(format!(
            "{said} (the secret may be read, but perhaps its key may not be used)"
        )),
        404 => failure("missing-or-hidden").because(format!(
            "{said} (it does not exist here, or no policy lets this user see it)"
        )),
        429 => failure("throttled").because(said),
        status if status >= 500 => failure("server-failed").because(said),
        _ => failure("refused").because(said),
    };
    failure.of_request(service.request_id.clone())
}
