use std::collections::{BTreeMap, BTreeSet};

use strongroom_model::{Ocid, Principal, PrincipalKind, ResourcePrincipal, Timestamp};
use strongroom_policy::{Failing, Semantics, explain};

use super::observed::Observed;
use super::{Matter, SuggestAsk};
use crate::ask::{AskError, Who, compiled};
use crate::events::AuditEvent;
use crate::tenancy_file::TenancyFile;
use crate::world::World;

/// A statement, by the compartment that its policy is attached to and its text.
pub(crate) type StatementKey = (Ocid, String);

/// How a statement was used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Use {
    /// Calls that it allowed, or took part in allowing.
    pub(crate) calls: u64,
    /// The last of them.
    pub(crate) last: Option<Timestamp>,
}

/// Finds which statements calls of the audit log needed. Of a caller that the file does not know, such
/// as an instance, each dynamic group is taken for its own: what may have been used counts as used.
///
/// # Errors
/// An [`AskError`] if the file contradicts itself.
pub(crate) fn uses(
    file: &TenancyFile,
    events: &[AuditEvent],
    semantics: Semantics,
    now: Timestamp,
) -> Result<BTreeMap<StatementKey, Use>, AskError> {
    let world = World::new(file.world.clone())?;
    let (sources, _refused) = world.held(world.sources(&file.policies)?, semantics);
    let set = compiled(&world, &sources, semantics)?;
    let callers: BTreeSet<&str> =
        events.iter().filter_map(|event| event.principal_id.as_deref()).collect();
    let mut uses: BTreeMap<StatementKey, Use> = BTreeMap::new();
    for caller in callers {
        let ask = SuggestAsk {
            who: caller.to_owned(),
            who_in: None,
            who_tags: Vec::new(),
            semantics,
            exact: false,
            patterns: false,
            now,
        };
        let who = Who::read(&world, &ask.question()).ok().or_else(|| stranger(&world, caller));
        let Some(who) = who else { continue };
        let matter = Matter { file, world: &world, set: &set, ask: &ask };
        let observed = Observed::gather(&matter, &who, events);
        for call in &observed.calls {
            let reasons =
                call.asked(&matter, &who.principal, |question| explain(matter.set, question));
            for one in reasons.iter().flat_map(|reason| &reason.considered) {
                // A condition about which the log says nothing may have held.
                let may_hold = matches!(one.failing, None | Some(Failing::Condition(_)));
                if one.denies || !may_hold {
                    continue;
                }
                let key = (one.statement.policy_id.clone(), one.statement.text.clone());
                let held = uses.entry(key).or_default();
                held.calls = held.calls.saturating_add(call.count);
                held.last = held.last.max(call.time);
            }
        }
    }
    Ok(uses)
}

/// A resource that no file describes: in every dynamic group.
fn stranger(world: &World, id: &str) -> Option<Who> {
    let parsed: Ocid = id.parse().ok()?;
    let resource = ResourcePrincipal {
        id: parsed,
        resource_type: id.split('.').nth(1).unwrap_or_default().to_owned(),
        compartment_id: world.file.tenancy_id.clone(),
        tags: BTreeMap::new(),
        attributes: BTreeMap::new(),
    };
    let groups = world.file.dynamic_groups.iter().map(|group| group.id.clone());
    let principal = Principal {
        tenancy_id: world.file.tenancy_id.clone(),
        kind: PrincipalKind::Resource(resource),
        group_ids: groups.collect(),
    };
    Some(Who::of(principal, id))
}
