//! Prints the endpoints of each region that is named, as JSON by region and service.

#![expect(clippy::print_stdout, reason = "a program that tells what it did")]

use std::collections::BTreeMap;

use strongroom_client::Endpoints;

fn main() {
    let found = std::env::args().skip(1).filter_map(|name| {
        let endpoints = Endpoints::named(&name, &[], None)?;
        Some((name, endpoints.urls().into_iter().collect::<BTreeMap<_, _>>()))
    });
    let all: BTreeMap<String, BTreeMap<&str, String>> = found.collect();
    println!("{}", serde_json::json!(all));
}
