//! Few secrets beside many: what a read and a page of a list cost as a vault fills.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use strongroom_model::{Clock, SystemClock};

use crate::Outcome;
use crate::answer::Recorded;
use crate::load::Load;
use crate::ours::Ours;
use crate::plan::Plan;
use crate::report::{Figures, Journal, row, spread};
use crate::requests::{Requests, repeated, signed_for};

const MAKERS: usize = 32;
/// Different secrets that the connections of a round read together, or all there are.
const READ: usize = 32 * 1024;
/// Rounds that find secrets nobody has read yet, in the largest vault.
const FIRST_ROUNDS: usize = 3;
/// Rows of a page: the small vault has four of them.
const PAGE: usize = 25;
const CONNECTIONS: usize = 8;

/// A server with so many secrets.
struct Filled {
    name: String,
    ours: Ours,
    ids: Vec<String>,
}

/// Measures `GetSecretBundle` of random secrets, and `ListSecrets` at its beginning and middle,
/// in a vault of few secrets and in one of many.
pub(crate) async fn beside_few(
    plan: &Plan,
    journal: &mut Journal,
    directory: &Path,
) -> Outcome<()> {
    let few = Filled::start(&directory.join("few"), plan.few.min(plan.secrets)).await?;
    let many = Filled::start(&directory.join("many"), plan.secrets).await?;
    let vaults = [few, many];
    reads(plan, journal, &vaults).await?;
    lists(plan, journal, &vaults).await
}

async fn reads(plan: &Plan, journal: &mut Journal, vaults: &[Filled]) -> Outcome<()> {
    for (what, measure) in [("for the first time", "many-first"), ("again", "many-again")] {
        println!("\nGetSecretBundle of any of the secrets, {what}, {CONNECTIONS} connections:\n");
        heading();
        let mut rounds = vec![Vec::new(); vaults.len()];
        let again = measure == "many-again";
        for round in 0..if again { plan.rounds } else { plan.rounds.min(FIRST_ROUNDS) } {
            for (vault, figures) in vaults.iter().zip(&mut rounds) {
                let part = if again { 0 } else { round };
                let lists = vault.reads(part).await?;
                figures.push(vault.measure(plan, lists, journal, (measure, round)).await?);
            }
        }
        table(vaults, &rounds);
    }
    Ok(())
}

async fn lists(plan: &Plan, journal: &mut Journal, vaults: &[Filled]) -> Outcome<()> {
    for (place, part) in [("at the beginning", 0.0), ("in the middle", 0.5)] {
        println!("\nListSecrets by name, a page of {PAGE} {place}, {CONNECTIONS} connections:\n");
        heading();
        let mut rounds = vec![Vec::new(); vaults.len()];
        let mut targets = Vec::new();
        for vault in vaults {
            targets.push(vault.page_at(part).await?);
        }
        for round in 0..plan.rounds {
            for ((vault, target), figures) in vaults.iter().zip(&targets).zip(&mut rounds) {
                let port = vault.ours.place.port;
                let list = repeated(&vault.ours.identity, "GET", (target, None), port).await?;
                let lists = vec![list; CONNECTIONS];
                figures.push(vault.measure(plan, lists, journal, ("many-list", round)).await?);
            }
        }
        table(vaults, &rounds);
    }
    Ok(())
}

fn heading() {
    println!("| vault | requests/s (min–max) | CPU µs/request | p50 µs | p99 µs |");
    println!("| --- | --- | --- | --- | --- |");
}

fn table(vaults: &[Filled], rounds: &[Vec<Figures>]) {
    for (vault, figures) in vaults.iter().zip(rounds) {
        row(&vault.name, figures);
    }
    if let [few, many] = rounds {
        let of = |field: fn(&Figures) -> f64| {
            let ratios = many.iter().zip(few).map(|(many, few)| field(many) / field(few));
            let (median, low, high) = spread(ratios);
            format!("**{median:.2}** ({low:.2}–{high:.2})")
        };
        let (cpu, p50, p99) = (of(|f| f.cpu_us), of(|f| f.p50_us), of(|f| f.p99_us));
        println!("| many / few | {} | {cpu} | {p50} | {p99} |", of(|f| f.rate));
    }
}

/// What the files of a directory hold, those of directories in it too.
fn bytes_below(directory: &Path) -> Outcome<u64> {
    let mut all = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_directory = entry.file_type()?.is_dir();
        all += if is_directory { bytes_below(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(all)
}

impl Filled {
    async fn start(directory: &Path, count: usize) -> Outcome<Self> {
        let began = SystemClock.now();
        let ours = Ours::start(directory, None).await?;
        let ours = Arc::new(ours);
        let makers: Vec<_> = (0..MAKERS)
            .map(|maker| {
                let ours = Arc::clone(&ours);
                tokio::spawn(async move { ours.secrets((maker..count).step_by(MAKERS)).await })
            })
            .collect();
        let mut ids = Vec::with_capacity(count);
        for maker in makers {
            ids.extend(maker.await??);
        }
        let ours = Arc::into_inner(ours).ok_or("the server is still in use")?;
        let secs = SystemClock.now().duration_since(began).as_secs_f64();
        let mib = bytes_below(directory)? / (1 << 20);
        println!("{count} secrets were made in {secs:.1} s, {mib} MiB on the disk.");
        Ok(Self { name: format!("{count} secrets"), ours, ids })
    }

    /// Signs reads of secrets all over the vault, other ones for every part.
    async fn reads(&self, part: usize) -> Outcome<Vec<Requests>> {
        let count = READ.min(self.ids.len().max(512));
        // A step that shares no divisor with any number of secrets in use here: a prime.
        let step = 7_919;
        let first = part * READ;
        let ids = (first..first + count).map(|n| n * step % self.ids.len());
        let ids = ids.filter_map(|n| self.ids.get(n));
        let targets = ids.map(|id| format!("/20190301/secretbundles/{id}")).collect();
        let signed = signed_for(&self.ours.identity, targets, self.ours.place.port).await?;
        let each = signed.len().div_ceil(CONNECTIONS);
        Ok(signed.chunks(each).map(|list| Arc::new(list.to_vec())).collect())
    }

    /// Returns the target of the page that begins after this part of the list.
    async fn page_at(&self, part: f64) -> Outcome<String> {
        let compartment = self.ours.tenancy();
        let limit = PAGE.min((self.ids.len() / 4).max(1));
        let first =
            format!("/20180608/secrets?compartmentId={compartment}&sortBy=NAME&limit={limit}");
        let pages = (self.ids.len() as f64 * part) as usize / limit;
        let mut target = first.clone();
        for _ in 0..pages {
            let place = &self.ours.place;
            let request = self.ours.identity.request("GET", &target, place.port, None)?;
            let answer = Recorded::read(&place.once(&request).await?)?;
            let next = answer.headers.iter().find(|(name, _)| name == "opc-next-page");
            let (_, next) = next.ok_or("the list ended early")?;
            target = format!("{first}&page={next}");
        }
        Ok(target)
    }

    async fn measure(
        &self,
        plan: &Plan,
        lists: Vec<Requests>,
        journal: &mut Journal,
        (measure, round): (&str, usize),
    ) -> Outcome<Figures> {
        let load = Load::connect(&self.ours.place, &lists).await?;
        let before = self.ours.process.cpu_secs()?;
        let served = load.run(plan.duration()).await?.checked(&self.name)?;
        let figures = Figures::of(&served, self.ours.process.cpu_secs()? - before);
        let what = json!({"measure": measure, "secrets": self.ids.len(), "round": round});
        journal.round(what, &figures)?;
        Ok(figures)
    }
}
