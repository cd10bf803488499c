//! Signs the requests on standard input, a JSON object a line, and prints the headers.

#![expect(clippy::print_stdout, reason = "an example that is read by a test")]

use std::io::BufRead;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use strongroom_model::Timestamp;
use strongroom_signing::{Outgoing, PrivateKey, sign};

#[derive(Deserialize)]
struct Asked {
    method: String,
    target: String,
    host: String,
    body: Option<String>,
    second: i64,
    key_id: String,
    pem: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let asked: Asked = serde_json::from_str(&line?)?;
        let body = asked.body.map(|body| STANDARD.decode(body)).transpose()?;
        let outgoing = Outgoing {
            method: &asked.method,
            target: &asked.target,
            host: &asked.host,
            body: body.as_deref().map(|body| ("application/json", body)),
        };
        let key = PrivateKey::from_pem(&asked.pem)?;
        let headers = sign(&outgoing, &asked.key_id, &key, Timestamp::from_second(asked.second)?)?;
        println!("{}", serde_json::to_string(&headers)?);
    }
    Ok(())
}
