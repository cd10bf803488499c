use std::io::Write;

use strongroom_client::{ClientError, ServiceError};

use crate::failure::{Exit, Failure, printable};

/// Writes to standard output.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
        Failure::new(Exit::Failed, "no-output", "cannot write to standard output")
            .because(error.to_string())
    })
}

/// Writes a JSON document and a line break.
pub(crate) fn write_json(document: &serde_json::Value) -> Result<(), Failure> {
    write(format!("{document:#}\n").as_bytes())
}

/// Writes rows under headings, columns aligned.
pub(crate) fn write_table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let width = |column: usize, heading: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count());
        widths.chain([heading.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..).zip(headings).map(|(n, heading)| width(n, heading)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            widths.iter().zip(cells).map(|(&width, cell)| pad(cell, width)).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    write(text.as_bytes())
}

fn pad(cell: &str, width: usize) -> String {
    format!("{:width$}", printable(cell))
}

/// Says why a call did not do what it should, such as "read secret `x`".
pub(crate) fn refused(error: &ClientError, what: &str) -> Failure {
    let message = format!("cannot {what}");
    let failure = |code| Failure::new(Exit::Failed, code, message.clone());
    match error {
        ClientError::Unreachable { host, why, .. } => {
            Failure::new(Exit::Unreachable, "unreachable", message.clone())
                .because(format!("no answer from {host}: {why}"))
                .fix(way_to_answer(why))
        }
        ClientError::Service(service) => explain(service, failure),
        ClientError::Endpoint(_) | ClientError::Authorities(_) => {
            Failure::configuration("bad-endpoint", message.clone()).because(error.to_string())
        }
        ClientError::LeftAlone { .. } | ClientError::Proxy { .. } => {
            Failure::new(Exit::Unreachable, "unreachable", message.clone())
                .because(error.to_string())
        }
        ClientError::Credentials { .. } => failure("no-credentials").because(error.to_string()),
        ClientError::Signing(_) | ClientError::Answer(_) => {
            failure("bad-answer").because(error.to_string())
        }
    }
}

/// Tells whether the service hides something from this caller, or has it not.
pub(crate) fn is_refusal(error: &ClientError) -> bool {
    matches!(error, ClientError::Service(refused) if matches!(refused.status, 403 | 404))
}

/// Says what helps when no answer came. What rustls refuses names the certificate.
fn way_to_answer(why: &str) -> &'static str {
    if why.contains("certificate") {
        "name the authority that issued it (--cert-bundle FILE), or ask `strongroom doctor`"
    } else {
        "start `strongroom dev`, or give --endpoint URL"
    }
}

fn explain(service: &ServiceError, failure: impl Fn(&'static str) -> Failure) -> Failure {
    let said = match service.code.as_str() {
        "" => format!("{} with no error of OCI's", service.status),
        code => format!("{} {code}: {}", service.status, service.message),
    };
    let failure = match service.status {
        401 => failure("not-authenticated").because(format!(
            "{said} (perhaps the API key is not registered, or this machine's clock is off)"
        )),
        403 => failure("missing-key-permission").because(format!(
            "{said} (the secret may be seen, but perhaps its key may not be used)"
        )),
        404 => failure("missing-or-hidden").because(format!(
            "{said} (it does not exist here, or no policy lets the caller see it)"
        )),
        429 => failure("throttled").because(said),
        status if status >= 500 => failure("server-failed").because(said),
        _ => failure("refused").because(said),
    };
    failure.of_request(service.request_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(status: u16, code: &str) -> ClientError {
        ClientError::Service(ServiceError {
            status,
            code: code.to_owned(),
            message: "said so".to_owned(),
            request_id: Some("R1".to_owned()),
            retry_after_secs: None,
        })
    }

    #[test]
    fn every_refusal_has_its_word_and_its_exit() {
        let unreachable = ClientError::Unreachable {
            host: "127.0.0.1:1".to_owned(),
            why: "refused".to_owned(),
            perhaps_arrived: false,
        };
        for (error, code, exit) in [
            (service(401, "NotAuthenticated"), "not-authenticated", Exit::Failed),
            (service(403, "NotAuthorized"), "missing-key-permission", Exit::Failed),
            (service(404, "NotAuthorizedOrNotFound"), "missing-or-hidden", Exit::Failed),
            (service(409, "IncorrectState"), "refused", Exit::Failed),
            (service(429, "TooManyRequests"), "throttled", Exit::Failed),
            (service(503, "ServiceUnavailable"), "server-failed", Exit::Failed),
            (unreachable, "unreachable", Exit::Unreachable),
            (ClientError::Endpoint("it is no URL"), "bad-endpoint", Exit::Configuration),
            (ClientError::Answer("ListSecrets"), "bad-answer", Exit::Failed),
        ] {
            let failure = refused(&error, "read secret `x`");
            let expected = format!("error[{code}]: cannot read secret `x`\n");
            assert!(failure.to_string().starts_with(&expected), "{failure}");
            assert_eq!(failure.exit, exit);
        }
    }

    #[test]
    fn who_trusts_no_certificate_is_not_told_to_start_a_vault() {
        for (why, fix) in [
            ("refused", "start `strongroom dev`"),
            (
                "client error (Connect): invalid peer certificate: UnknownIssuer",
                "--cert-bundle FILE",
            ),
        ] {
            let (host, why) = ("v:1".to_owned(), why.to_owned());
            let error = ClientError::Unreachable { host, why, perhaps_arrived: false };
            let told = refused(&error, "read secret `x`").to_string();
            assert!(told.contains(fix), "{told}");
        }
    }

    #[test]
    fn a_denial_tells_what_the_server_said() {
        let failure = refused(&service(404, "NotAuthorizedOrNotFound"), "read secret `x`");
        assert_eq!(
            failure.to_string(),
            "error[missing-or-hidden]: cannot read secret `x`\n  \
             why: 404 NotAuthorizedOrNotFound: said so \
             (it does not exist here, or no policy lets the caller see it)\n  \
             request: R1"
        );
        let failure = refused(&service(502, ""), "read secret `x`").to_string();
        assert!(failure.contains("why: 502 with no error of OCI's\n"), "{failure}");
    }
}
