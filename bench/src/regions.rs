//! Two regions with a link between them that takes its time: what a read from the other region
//! costs beside one of the replica, and how far the replica is behind.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::Outcome;
use crate::histogram::Histogram;
use crate::load::{Load, Place, Served};
use crate::ours::Ours;
use crate::plan::Plan;
use crate::report::Journal;
use crate::requests::{reads, value};

/// Round trips of the link, in milliseconds.
const LINKS: [u64; 3] = [10, 25, 50];
const REGION: &str = "eu-frankfurt-1";
const CHUNK_BYTES: usize = 64 * 1024;
const COME_SECS_MAX: u64 = 30;
/// Updates whose way to the replica is timed, for each second of a round.
const UPDATES_PER_SEC: f64 = 10.0;

/// A link to a port: whatever goes through arrives half a round trip later, in either direction.
struct Link {
    port: u16,
    round_trip_ms: Arc<AtomicU64>,
}

impl Link {
    async fn open(upstream: u16) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let round_trip_ms = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&round_trip_ms);
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let Ok(there) = TcpStream::connect(("127.0.0.1", upstream)).await else { continue };
                if here.set_nodelay(true).is_err() || there.set_nodelay(true).is_err() {
                    continue;
                }
                let ((from, to), (back_from, back_to)) = (here.into_split(), there.into_split());
                carry(from, back_to, Arc::clone(&delay));
                carry(back_from, to, Arc::clone(&delay));
            }
        });
        Ok(Self { port, round_trip_ms })
    }

    fn slow(&self, round_trip_ms: u64) {
        self.round_trip_ms.store(round_trip_ms, Ordering::Relaxed);
    }
}

/// Carries bytes one way. Those that are under way do not hold up those behind them.
fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Arc<AtomicU64>) {
    let (sender, mut under_way) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let half = Duration::from_micros(delay.load(Ordering::Relaxed) * 500);
            let chunk = buffer.get(..count).unwrap_or_default().to_vec();
            if sender.send((tokio::time::Instant::now() + half, chunk)).is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((at, chunk)) = under_way.recv().await {
            sleep_until(at).await;
            if to.write_all(&chunk).await.is_err() {
                break;
            }
        }
    });
}

/// Measures both, for each link.
pub(crate) async fn across(plan: &Plan, journal: &mut Journal, directory: &Path) -> Outcome<()> {
    let home = Ours::start(&directory.join("home"), None).await?;
    let link = Link::open(home.place.port).await?;
    let url = format!("http://127.0.0.1:{}", link.port);
    let second = home.region(&directory.join("second"), REGION, &url).await?;
    let id = home.replicated("replicated", &value(0), (REGION, &second)).await?;
    let target = format!("/20190301/secretbundles/{id}");
    comes(&second, &target).await?;
    println!(
        "\nGetSecretBundle of a replica in the caller's region, and of its source in the other,"
    );
    println!(
        "1 connection that is kept alive; then an update at the source, until the replica has it:\n"
    );
    println!(
        "| link, round trip ms | replica p50 ms | source p50 ms | added p50 ms | added p99 ms | behind p50 ms | behind p99 ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut version = 1;
    for round_trip in LINKS {
        link.slow(round_trip);
        let (mut near, mut far) = (Served::default(), Served::default());
        let mut behind = Histogram::default();
        for _ in 0..plan.rounds {
            let there = Place::new(link.port, None)?;
            let (one, two) = (
                served(plan, &second, &second.place, &target).await?,
                served(plan, &home, &there, &target).await?,
            );
            near.latencies.merge(&one.latencies);
            far.latencies.merge(&two.latencies);
            let seen = (&mut version, &mut behind);
            follow(plan, (&home, &second), (&id, &target), seen).await?;
        }
        let ms = |of: &Histogram, part: f64| of.quantile_us(part) / 1000.0;
        let (near, far) = (&near.latencies, &far.latencies);
        let added = |part| ms(far, part) - ms(near, part);
        println!(
            "| {round_trip} | {:.2} | {:.2} | **{:.2}** | {:.2} | {:.0} | {:.0} |",
            ms(near, 0.5),
            ms(far, 0.5),
            added(0.5),
            added(0.99),
            ms(&behind, 0.5),
            ms(&behind, 0.99),
        );
        journal.line(&json!({
            "measure": "regions", "round_trip_ms": round_trip, "replica_p50_ms": ms(near, 0.5),
            "source_p50_ms": ms(far, 0.5), "added_p50_ms": added(0.5), "added_p99_ms": added(0.99),
            "reads": far.count(), "behind_p50_ms": ms(&behind, 0.5),
            "behind_p99_ms": ms(&behind, 0.99), "updates": behind.count(),
        }))?;
    }
    second.end()?;
    home.end().map(|_counts| ())
}

/// Waits until a secret can be read.
async fn comes(region: &Ours, target: &str) -> Outcome<()> {
    let began = Instant::now();
    loop {
        let request = region.identity.request("GET", target, region.place.port, None)?;
        match region.place.status(&request).await? {
            200 => return Ok(()),
            _ if began.elapsed().as_secs() < COME_SECS_MAX => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            status => return Err(format!("{target} is not there: {status}").into()),
        }
    }
}

async fn served(plan: &Plan, signer: &Ours, place: &Place, target: &str) -> Outcome<Served> {
    let list = reads(&signer.identity, target, place.port).await?;
    Load::connect(place, &[list]).await?.run(plan.duration()).await?.checked("region")
}

/// Updates the source and times how long the replica takes to have each new version.
async fn follow(
    plan: &Plan,
    (home, second): (&Ours, &Ours),
    (id, target): (&str, &str),
    (version, behind): (&mut u64, &mut Histogram),
) -> Outcome<()> {
    let count = (plan.secs * UPDATES_PER_SEC).max(3.0) as usize;
    let secret = format!("/20180608/secrets/{id}");
    for _ in 0..count {
        *version += 1;
        let content = json!({"contentType": "BASE64", "content": value(*version)});
        let body = json!({ "secretContent": content }).to_string();
        let port = home.place.port;
        let request = home.identity.request("PUT", &secret, port, Some(body.as_bytes()))?;
        home.place.once(&request).await?;
        let began = Instant::now();
        comes(second, &format!("{target}?versionNumber={version}")).await?;
        behind.add(u64::try_from(began.elapsed().as_nanos())?);
    }
    Ok(())
}
