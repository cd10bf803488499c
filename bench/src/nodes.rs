//! Several nodes at one PostgreSQL database, all on one machine: what a read costs with one, two and
//! four of them, and updates beside plain inserts.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use strongroom_rig::{Node, SingleDatabase, Tenant};
use strongroom_signing::PrivateKey;

use crate::Outcome;
use crate::load::{Load, Place};
use crate::plan::Plan;
use crate::process::cpu_secs;
use crate::report::{Figures, Journal, row, spread};
use crate::requests::{Identity, reads, updates, value};

const NODES: u8 = 4;
/// Connections that read.
const CONNECTIONS: usize = 16;
/// Clients that write at a time.
const CLIENTS: [usize; 2] = [16, 64];
/// One row of as many bytes as a version's content, in a transaction of its own.
const INSERT: &str =
    "INSERT INTO plain (v) VALUES (decode(repeat(md5(random()::text), 64), 'hex'));";
const TABLE: &str = "CREATE TABLE plain (k bigserial PRIMARY KEY, v bytea)";

struct Scene {
    database: SingleDatabase,
    nodes: Vec<Node>,
    tenant: Tenant,
    identity: Arc<Identity>,
}

/// Measures reads through more and more of the nodes, then writes through one.
pub(crate) async fn side_by_side(
    plan: &Plan,
    journal: &mut Journal,
    directory: &Path,
) -> Outcome<()> {
    let mut scene = Scene::start(directory)?;
    println!(
        "\nAll on this machine: PostgreSQL, every node and the load, {CONNECTIONS} connections."
    );
    scene.reads(plan, journal).await?;
    // The others would have to be told of every write, on the same cores.
    for node in scene.nodes.iter_mut().skip(1) {
        node.kill()?;
    }
    for clients in CLIENTS {
        scene.writes(clients, plan, journal).await?;
    }
    Ok(())
}

impl Scene {
    fn start(directory: &Path) -> Outcome<Self> {
        let database = SingleDatabase::start(true)?;
        database.server().sql("vault", TABLE)?;
        let mut nodes = Vec::new();
        for number in 1..=NODES {
            nodes.push(database.node(&directory.join(format!("node-{number}")), number)?);
        }
        let (first, others) = nodes.split_first_mut().ok_or("there is no node")?;
        let printed = first.init()?;
        first.start()?;
        let tenant = Tenant::furnish(&mut first.client(), &printed)?;
        for node in others {
            node.share_root_key(first)?;
            node.start()?;
        }
        let key = PrivateKey::from_pem(&printed)?;
        let identity = Arc::new(Identity { key_id: tenant.admin.key_id.clone(), key });
        Ok(Self { database, nodes, tenant, identity })
    }

    fn secret(&self, name: &str) -> Outcome<String> {
        let content = json!({"contentType": "BASE64", "content": value(0)});
        let body = self.tenant.new_secret(name, &content);
        let mut client = self.nodes.first().ok_or("there is no node")?.client();
        self.tenant.made(&mut client, "/20180608/secrets", &body)
    }

    fn cpu_secs(&self) -> Outcome<f64> {
        let pids = self.nodes.iter().filter_map(Node::pid);
        pids.map(cpu_secs).sum()
    }

    async fn reads(&self, plan: &Plan, journal: &mut Journal) -> Outcome<()> {
        let target = format!("/20190301/secretbundles/{}", self.secret("read")?);
        println!("\nGetSecretBundle:\n");
        println!(
            "| nodes | requests/s (min–max) | CPU µs/request of all nodes | p50 µs | p99 µs |"
        );
        println!("| --- | --- | --- | --- | --- |");
        let counts = [1, 2, usize::from(NODES)];
        let mut rounds = vec![Vec::new(); counts.len()];
        for round in 0..plan.rounds {
            for (count, figures) in counts.iter().zip(&mut rounds) {
                let mut load: Option<Load> = None;
                for node in self.nodes.iter().take(*count) {
                    let place = Place::at(node.address());
                    let list = reads(&self.identity, &target, place.port).await?;
                    let lists = vec![list; CONNECTIONS / count];
                    let more = Load::connect(&place, &lists).await?;
                    load = Some(match load {
                        Some(load) => load.with(more),
                        None => more,
                    });
                }
                let before = self.cpu_secs()?;
                let load = load.ok_or("there is no node")?;
                let served = load.run(plan.duration()).await?.checked("strongroom")?;
                let measured = Figures::of(&served, self.cpu_secs()? - before);
                let what = json!({"measure": "nodes-read", "nodes": count, "round": round});
                journal.round(what, &measured)?;
                figures.push(measured);
            }
        }
        for (count, figures) in counts.iter().zip(&rounds) {
            row(&count.to_string(), figures);
        }
        Ok(())
    }

    /// Plain inserts by `pgbench` and updates of ours in turn, as many clients each.
    async fn writes(&self, clients: usize, plan: &Plan, journal: &mut Journal) -> Outcome<()> {
        let node = self.nodes.first().ok_or("there is no node")?;
        let place = Place::at(node.address());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..plan.rounds {
            // New ones for each round: a secret has 1,000 active versions at most.
            let mut targets = Vec::with_capacity(clients);
            for client in 0..clients {
                let id = self.secret(&format!("write-{clients}-{round}-{client}"))?;
                targets.push(format!("/20180608/secrets/{id}"));
            }
            let lists = updates(&self.identity, &targets, place.port, round).await?;
            let secs = plan.duration().as_secs().max(1);
            let told = self.database.server().pgbench(INSERT, clients, secs)?;
            let load = Load::connect(&place, &lists).await?;
            let before = self.cpu_secs()?;
            let served = load.run(plan.duration()).await?.checked("strongroom")?;
            let figures = Figures::of(&served, self.cpu_secs()? - before);
            let inserts = rate_in(&told)?;
            let what = json!({"measure": "nodes-write", "clients": clients, "round": round, "inserts": inserts});
            journal.round(what, &figures)?;
            ours.push(figures);
            theirs.push(inserts);
        }
        let (rate, low, high) = spread(theirs.iter().copied());
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.rate / theirs);
        let (median, worst, best) = spread(ratios);
        println!(
            "\nUpdateSecret with 1 KiB, {clients} clients, each its own secret, one node, the others stopped:\n"
        );
        println!("| writes | per second (min–max) | CPU µs/request | p50 µs | p99 µs |");
        println!("| --- | --- | --- | --- | --- |");
        println!(
            "| `pgbench`: one plain insert a transaction | {rate:.0} ({low:.0}–{high:.0}) | | | |"
        );
        row("strongroom", &ours);
        println!("| strongroom / `pgbench` | **{median:.2}** ({worst:.2}–{best:.2}) | | | |");
        Ok(())
    }
}

/// Reads the transactions per second that `pgbench` tells.
fn rate_in(told: &str) -> Outcome<f64> {
    let line = told.lines().find_map(|line| line.strip_prefix("tps = "));
    let number = line.and_then(|line| line.split(' ').next()).ok_or("pgbench told no rate")?;
    Ok(number.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read() {
        let told = "latency average = 1 ms\ntps = 812.5 (without initial connection time)\n";
        assert!((rate_in(told).unwrap() - 812.5).abs() < 1e-9);
        assert!(rate_in("").is_err());
    }
}
