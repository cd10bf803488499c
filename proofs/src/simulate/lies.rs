//! Stores that do not do what they say: a world over one of them must be found out, or the checks show
//! nothing.

use std::sync::Arc;

use strongroom_store::{Batch, Change, Delta};

use super::world::People;
use super::{OPS, world};
use crate::Outcome;

/// Worlds within which each is found out.
const WORLDS: u64 = 60;

/// What a store says that is not so, while the weather is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A commit now and then is acknowledged, and did not happen.
    Commits,
    /// Commits happen whatever their conditions say.
    Conditions,
    /// Now and then a node does not learn of changed policies.
    Policies,
    /// Now and then a node does not learn of changed secrets.
    Secrets,
    /// What only goes on record now and then does not, and is acknowledged.
    Records,
}

impl Lie {
    const ALL: [Self; 5] =
        [Self::Commits, Self::Conditions, Self::Policies, Self::Secrets, Self::Records];

    /// What becomes of a commit; `is_now` is true now and then.
    pub(crate) fn commit(self, batch: Batch, is_now: bool) -> Batch {
        match self {
            Self::Commits if is_now => Batch::new(),
            Self::Records if is_now && batch.changes().all(|(key, _)| is_record(key)) => {
                Batch::new()
            }
            Self::Conditions => batch.changes().fold(Batch::new(), |all, (key, value)| {
                let key = key.to_vec();
                match value {
                    Some(value) => all.put(key, value.to_vec()),
                    None => all.delete(key),
                }
            }),
            _ => batch,
        }
    }

    /// What is told of what changed.
    pub(crate) fn tell(self, delta: Delta, is_now: bool) -> Delta {
        let hidden: &[u8] = match self {
            Self::Policies if is_now => b"p/",
            Self::Secrets if is_now => b"s/",
            _ => return delta,
        };
        let is_told = |change: &Change| !change.key.starts_with(hidden);
        match delta {
            Delta::Changes(changes) => {
                Delta::Changes(changes.into_iter().filter(is_told).collect())
            }
            Delta::Reset => Delta::Reset,
        }
    }
}

fn is_record(key: &[u8]) -> bool {
    key.starts_with(b"audit/")
}

/// Runs worlds from a seed on, over a store that lies in each way, until it is found out.
pub(crate) fn run(first: u64, ops: Option<usize>) -> Outcome<()> {
    let people = Arc::new(People::generate()?);
    let mut missed = 0;
    for lie in Lie::ALL {
        if let Some((worlds, what)) = found_out(lie, first, ops.unwrap_or(OPS), &people)? {
            println!("{lie:?}: found in world {worlds} from seed {first}: {what}");
        } else {
            println!("FAILED: {lie:?}: not found in {WORLDS} worlds from seed {first}");
            missed += 1;
        }
    }
    println!("simulate: {} stores that lie, {missed} not found out", Lie::ALL.len());
    if missed == 0 { Ok(()) } else { Err("a lie was not found out".into()) }
}

/// How many worlds it took, and what was wrong in the last.
fn found_out(
    lie: Lie,
    first: u64,
    ops: usize,
    people: &Arc<People>,
) -> Outcome<Option<(u64, String)>> {
    for number in 0..WORLDS {
        let went = world(first + number, ops, people, Some(lie))?;
        if let Some(what) = went.wrong.into_iter().next() {
            return Ok(Some((number + 1, what)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_lies_is_found_out() {
        let people = Arc::new(People::generate().unwrap());
        for lie in Lie::ALL {
            let found = found_out(lie, 1, OPS, &people).unwrap();
            assert!(found.is_some(), "{lie:?}: not found in {WORLDS} worlds");
        }
    }
}
