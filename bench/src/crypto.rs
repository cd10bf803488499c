use std::path::Path;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use crate::load::Load;
use crate::ours::Ours;
use crate::plan::Plan;
use crate::process::Process;
use crate::report::{Figures, Journal, ratio, row};
use crate::requests::{repeated, value};
use crate::{Outcome, floor};

/// A key operation, asked for again and again.
struct Asking {
    name: &'static str,
    target: &'static str,
    body: String,
}

/// Measures Encrypt, Decrypt and Sign beside the floor that verifies the same requests and repeats
/// the same answers.
pub(crate) async fn against_floor(
    plan: &Plan,
    journal: &mut Journal,
    directory: &Path,
) -> Outcome<()> {
    let ours = Ours::start(directory, None).await?;
    let connections = plan.connections.iter().copied().max().unwrap_or(8);
    for asking in askings(&ours).await? {
        let (target, body) = (asking.target, asking.body.as_str());
        let port = ours.keys.port;
        let first = ours.identity.request("POST", target, port, Some(body.as_bytes()))?;
        let answer = ours.keys.once(&first).await?;
        let (recorded, key) = (directory.join("answer"), directory.join("key.pem"));
        std::fs::write(&recorded, &answer)?;
        std::fs::write(&key, ours.identity.key.public()?.to_pem())?;
        let floor = floor::start(&recorded, Some(&key), None)?;
        let servers = [
            ("floor (b): hyper + signature", &floor.0, &floor.1),
            ("strongroom", &ours.process, &ours.keys),
        ];
        println!("\n{}, {connections} connections, plain HTTP:\n", asking.name);
        println!("| server | requests/s (min–max) | CPU µs/request | p50 µs | p99 µs |");
        println!("| --- | --- | --- | --- | --- |");
        let mut rounds = vec![Vec::new(); servers.len()];
        for round in 0..plan.rounds {
            for ((name, process, place), figures) in servers.iter().zip(&mut rounds) {
                let once = repeated(&ours.identity, "POST", (target, Some(body)), place.port);
                let lists = vec![once.await?; connections];
                let load = Load::connect(place, &lists);
                let measured = measure(plan, load.await?, process, name).await?;
                let what = json!({"measure": asking.name, "server": name, "round": round});
                journal.round(what, &measured)?;
                figures.push(measured);
            }
        }
        for ((name, ..), figures) in servers.iter().zip(&rounds) {
            row(name, figures);
        }
        if let [floor, own] = rounds.as_slice() {
            ratio("strongroom / floor (b)", own, floor);
        }
    }
    raw_rates()
}

async fn measure(plan: &Plan, load: Load, process: &Process, name: &str) -> Outcome<Figures> {
    let before = process.cpu_secs()?;
    let served = load.run(plan.duration()).await?.checked(name)?;
    Ok(Figures::of(&served, process.cpu_secs()? - before))
}

async fn askings(ours: &Ours) -> Outcome<Vec<Asking>> {
    let aes = ours.key(&json!({"algorithm": "AES", "length": 32})).await?;
    let curve = ours.key(&json!({"algorithm": "ECDSA", "length": 32})).await?;
    let rsa = ours.key(&json!({"algorithm": "RSA", "length": 256})).await?;
    let encrypt = json!({"keyId": aes, "plaintext": value(1)});
    let ciphertext = ours.crypto("/20180608/encrypt", &encrypt, "ciphertext").await?;
    let decrypt = json!({"keyId": aes, "ciphertext": ciphertext});
    let sign = |key: &str, algorithm: &str| json!({"keyId": key, "message": value(2), "signingAlgorithm": algorithm});
    let asking = |name, target, body: Value| Asking { name, target, body: body.to_string() };
    Ok(vec![
        asking("Encrypt, AES-256, 1 KiB", "/20180608/encrypt", encrypt),
        asking("Decrypt, AES-256, 1 KiB", "/20180608/decrypt", decrypt),
        asking("Sign, P-256", "/20180608/sign", sign(&curve, "ECDSA_SHA_256")),
        asking("Sign, RSA-2048 PSS", "/20180608/sign", sign(&rsa, "SHA_256_RSA_PKCS_PSS")),
    ])
}

/// Prints how many signatures one thread of the cryptographic library makes in a second.
fn raw_rates() -> Outcome<()> {
    let message = value(2);
    let random = SystemRandom::new();
    let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let p256 = rate(|| Ok(curve.sign(&random, message.as_bytes()).map(drop)?))?;
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let mut signature = vec![0; rsa.public_modulus_len()];
    let pss =
        rate(|| Ok(rsa.sign(&RSA_PSS_SHA256, &random, message.as_bytes(), &mut signature)?))?;
    println!(
        "\naws-lc-rs alone, one thread, parsed keys: {p256:.0} P-256 and {pss:.0} RSA-2048 PSS \
         signatures/s."
    );
    Ok(())
}

fn rate(mut act: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed().as_secs_f64() < 1.0 {
        act()?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
