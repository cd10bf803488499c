//! A right is taken through one node; reads through the others that begin after the answer are
//! refused, every one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;

use serde_json::json;

use super::clients::statements;
use crate::Outcome;
use crate::cluster::Cluster;
use crate::http::Request;

const ROUNDS: usize = 10;
const READERS: usize = 16;

/// Returns how many of the reads were allowed.
pub(crate) fn run(cluster: &Cluster, seed: u64, reads: usize) -> Outcome<usize> {
    let tenant = &cluster.tenant;
    let (first, others) = cluster.nodes.split_first().ok_or("there is no node")?;
    let mut client = first.client();
    let secret = tenant.secret(&mut client, &format!("revoked-{seed}"), 1)?;
    let name = format!("revoked-{seed}");
    let reader = tenant.user(&mut client, &name)?;
    let policy = tenant.policy(&mut client, &name, &statements(&name, false))?;
    let policy = format!("/20160918/policies/{policy}");
    let target = format!("/20190301/secretbundles/{secret}");
    let (allowed, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let each = reads.div_ceil(ROUNDS * READERS);
    for _ in 0..ROUNDS {
        let give = json!({"statements": statements(&name, true)});
        client.success(&tenant.admin, Request::with("PUT", &policy, &give))?;
        for node in others {
            node.client().success(&reader, Request::get(&target))?;
        }
        let take = json!({"statements": statements(&name, false)});
        client.success(&tenant.admin, Request::with("PUT", &policy, &take))?;
        scope(|readers| {
            for node in others.iter().cycle().take(READERS) {
                let (reader, target, allowed, refused) = (&reader, &target, &allowed, &refused);
                readers.spawn(move || {
                    let mut client = node.client();
                    for _ in 0..each {
                        let said = client.ask(reader, Request::get(target));
                        match said.map(|answer| answer.status) {
                            Ok(200) => allowed.fetch_add(1, Ordering::Relaxed),
                            Ok(404) => refused.fetch_add(1, Ordering::Relaxed),
                            _ => 0,
                        };
                    }
                });
            }
        });
    }
    let refused = refused.into_inner();
    if refused + allowed.load(Ordering::Relaxed) < reads {
        return Err(format!("only {refused} of {reads} reads were answered").into());
    }
    Ok(allowed.into_inner())
}
