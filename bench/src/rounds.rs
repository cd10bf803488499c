use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Outcome;
use crate::disk::fdatasync_rate;
use crate::load::{self, Identity, Place, request};
use crate::ours::{self, Ours};
use crate::process::Process;
use crate::report::{Figures, ratio, row, spread};

const SIGNED: usize = 128;
const WRITES_SIGNED: usize = 48;
const VALUE_BYTES: usize = 1024;

/// What to measure.
#[derive(Debug)]
pub(crate) struct Plan {
    rounds: usize,
    secs: f64,
    connections: Vec<usize>,
    tls: bool,
    starts: usize,
}

impl Plan {
    pub(crate) fn read(words: &[&str]) -> Outcome<Self> {
        let whole =
            Self { rounds: 5, secs: 2.0, connections: vec![1, 8, 64], tls: true, starts: 10 };
        match words {
            [] => Ok(whole),
            ["--smoke"] => {
                Ok(Self { rounds: 1, secs: 0.3, connections: vec![8], tls: false, starts: 1 })
            }
            ["--rounds", rounds, "--secs", secs] => {
                Ok(Self { rounds: rounds.parse()?, secs: secs.parse()?, ..whole })
            }
            ["--reads", connections] => {
                let connections = vec![connections.parse()?];
                Ok(Self { rounds: 2, secs: 1.5, connections, tls: false, starts: 1 })
            }
            _ => Err("usage: [--smoke | --reads CONNECTIONS | --rounds N --secs S]".into()),
        }
    }
}

/// Measures everything in one run and prints tables.
pub(crate) fn run(plan: &Plan) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let directory = std::env::temp_dir().join(format!("strongroom-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let outcome = runtime.block_on(measure(plan, &directory));
    std::fs::remove_dir_all(&directory)?;
    outcome
}

async fn measure(plan: &Plan, directory: &Path) -> Outcome<()> {
    reads(plan, &directory.join("plain"), None).await?;
    if plan.tls {
        let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
        let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
        std::fs::write(&certificate, signed.cert.pem())?;
        std::fs::write(&key, signed.signing_key.serialize_pem())?;
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        reads(plan, &directory.join("tls"), Some((&certificate, &key))).await?;
    }
    writes(plan, &directory.join("writes")).await?;
    let starts = (0..plan.starts).map(|n| ours::start_secs(&directory.join(format!("start-{n}"))));
    let (median, low, high) = spread(starts.collect::<Outcome<Vec<_>>>()?.into_iter());
    println!("\n`dev` in an empty directory is ready after {median:.3} s ({low:.3}–{high:.3}).");
    Ok(())
}

fn value(seed: usize) -> String {
    let bytes: Vec<u8> = (0..VALUE_BYTES).map(|n| ((n * 31 + seed * 17) % 251) as u8).collect();
    STANDARD.encode(bytes)
}

async fn reads(plan: &Plan, directory: &Path, tls: Option<(&Path, &Path)>) -> Outcome<()> {
    let ours = Ours::start(directory, tls).await?;
    let secret = ours.secret("read", &value(0)).await?;
    let target = format!("/20190301/secretbundles/{secret}");
    let first = request(&ours.identity, "GET", &target, ours.place.port, None)?;
    let answer = directory.join("answer");
    std::fs::write(&answer, ours.place.once(&first).await?)?;
    let key = directory.join("key.pem");
    std::fs::write(&key, &ours.public_key_pem)?;
    let (floor_a, place_a) = floor(&answer, None, tls)?;
    let (floor_b, place_b) = floor(&answer, Some(&key), tls)?;
    let servers = [
        ("floor (a): hyper", &floor_a, &place_a),
        ("floor (b): (a) + signature", &floor_b, &place_b),
        ("strongroom", &ours.process, &ours.place),
    ];
    let over = if tls.is_some() { "TLS 1.3" } else { "plain HTTP" };
    for connections in &plan.connections {
        println!("\nGetSecretBundle, {connections} connections, {over}:\n");
        println!("| server | requests/s (min–max) | CPU µs/request | p50 µs | p99 µs |");
        println!("| --- | --- | --- | --- | --- |");
        let mut rounds: [Vec<Figures>; 3] = Default::default();
        for _ in 0..plan.rounds {
            for ((_, process, place), figures) in servers.iter().zip(&mut rounds) {
                let requests = signed(&ours.identity, &target, place.port)?;
                let lists = vec![requests; *connections];
                let before = process.cpu_secs()?;
                let served = load::run(place, &lists, Duration::from_secs_f64(plan.secs)).await?;
                figures.push(Figures::of(&served, process.cpu_secs()? - before));
            }
        }
        for ((name, ..), figures) in servers.iter().zip(&rounds) {
            row(name, figures);
        }
        let [a, b, own] = &rounds;
        ratio("strongroom / floor (a)", own, a);
        ratio("strongroom / floor (b)", own, b);
    }
    let (now, most) = ours.process.memory_kib()?;
    println!("\nMemory of strongroom after this: {now} KiB resident, {most} KiB at most.");
    Ok(())
}

fn floor(
    answer: &Path,
    key: Option<&Path>,
    tls: Option<(&Path, &Path)>,
) -> Outcome<(Process, Place)> {
    let none = Path::new("-");
    let (certificate, private_key) = tls.unwrap_or((none, none));
    let (process, port) = Process::start_with_port(
        Command::new(std::env::current_exe()?)
            .arg("floor")
            .arg(answer)
            .arg(key.unwrap_or(none))
            .arg(certificate)
            .arg(private_key),
    )?;
    let trusted = tls.map(|(certificate, _)| std::fs::read(certificate)).transpose()?;
    Ok((process, Place::new(port, trusted.as_deref())?))
}

/// Signing costs ten times what verifying does, so it is done before the clock runs.
fn signed(identity: &Identity, target: &str, port: u16) -> Outcome<Arc<Vec<Vec<u8>>>> {
    let sign = |_| request(identity, "GET", target, port, None);
    Ok(Arc::new((0..SIGNED).map(sign).collect::<Outcome<_>>()?))
}

async fn writes(plan: &Plan, directory: &Path) -> Outcome<()> {
    println!("\nUpdateSecret with {VALUE_BYTES} bytes, each client its own secret:\n");
    println!(
        "| clients | commits/s (min–max) | commits per sync of the server | fdatasync/s alone | \
         commits/s ÷ fdatasync/s | CPU µs/commit | p50 µs | p99 µs |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for clients in [1, 16] {
        let directory = directory.join(clients.to_string());
        let ours = Ours::start(&directory, None).await?;
        let mut lists = Vec::new();
        for client in 0..clients {
            let secret = ours.secret(&format!("write-{client}"), &value(client)).await?;
            lists.push((format!("/20180608/secrets/{secret}"), client));
        }
        let mut rounds = Vec::new();
        for _ in 0..plan.rounds {
            let duration = Duration::from_secs_f64(plan.secs);
            let sign = |(target, client): &(String, usize)| updates(&ours, target, *client);
            let requests: Vec<_> = lists.iter().map(sign).collect::<Outcome<_>>()?;
            let syncs = fdatasync_rate(&directory, duration / 2)?;
            let before = ours.process.cpu_secs()?;
            let served = load::run(&ours.place, &requests, duration).await?;
            let figures = Figures::of(&served, ours.process.cpu_secs()? - before);
            rounds.push((figures, syncs));
        }
        let (commits, syncs) = ours.end()?;
        write_row(clients, &rounds, commits / syncs);
    }
    Ok(())
}

fn write_row(clients: usize, rounds: &[(Figures, f64)], per_sync: f64) {
    let (rate, low, high) = spread(rounds.iter().map(|(f, _)| f.rate));
    let (syncs, ..) = spread(rounds.iter().map(|(_, syncs)| *syncs));
    let (per, worst, best) = spread(rounds.iter().map(|(f, syncs)| f.rate / syncs));
    let (cpu, ..) = spread(rounds.iter().map(|(f, _)| f.cpu_us));
    let (p50, ..) = spread(rounds.iter().map(|(f, _)| f.p50_us));
    let (p99, ..) = spread(rounds.iter().map(|(f, _)| f.p99_us));
    println!(
        "| {clients} | {rate:.0} ({low:.0}–{high:.0}) | **{per_sync:.1}** | {syncs:.0} | \
         {per:.2} ({worst:.2}–{best:.2}) | {cpu:.0} | {p50:.0} | {p99:.0} |"
    );
}

fn updates(ours: &Ours, target: &str, client: usize) -> Outcome<Arc<Vec<Vec<u8>>>> {
    let sign = |number: usize| {
        let content = value(client * WRITES_SIGNED + number);
        let body = format!(
            "{{\"secretContent\":{{\"contentType\":\"BASE64\",\"content\":\"{content}\"}}}}"
        );
        request(&ours.identity, "PUT", target, ours.place.port, Some(body.as_bytes()))
    };
    Ok(Arc::new((0..WRITES_SIGNED).map(sign).collect::<Outcome<_>>()?))
}
