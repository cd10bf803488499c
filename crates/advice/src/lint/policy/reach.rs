//! What a statement reaches in a tenancy: who has it, which secrets it gives, and when it was last used.

use std::collections::BTreeMap;

use strongroom_model::{
    Group, Ocid, Permission, Principal, PrincipalKind, ResourcePrincipal, Timestamp, rfc3339,
};
use strongroom_policy::ast::{Allow, Subject};
use strongroom_policy::{
    Asked, Fact, FactName, PolicySet, Question, Request, Semantics, Source, Verdict, decide,
};

use super::piece::Piece;
use super::stated::{Stated, grants};
use crate::events::AuditEvent;
use crate::lint::catalogue::{BLAST_RADIUS, UNUSED_GRANT};
use crate::lint::finding::Finding;
use crate::suggest::{StatementKey, Use, uses};
use crate::tenancy_file::TenancyFile;
use crate::world::World;

/// A secret that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSecret {
    /// OCID.
    pub id: String,
    /// Name.
    pub name: String,
    /// OCID of its vault.
    pub vault_id: String,
    /// OCID of its compartment.
    pub compartment_id: String,
}

/// What was seen of a tenancy beside its policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its secrets; none if they were not listed.
    pub secrets: Option<Vec<SeenSecret>>,
    /// Its audit events; none if they were not read.
    pub events: Option<Vec<AuditEvent>>,
    /// From when on these are; none if that is not known.
    pub since: Option<Timestamp>,
    /// When it was looked at.
    pub now: Timestamp,
}

/// Names that are told one by one.
const NAMES_MAX: usize = 5;

/// Looks at the statements of a tenancy, which are those of one file.
pub(super) fn check(
    all: &[Stated<'_>],
    file: &TenancyFile,
    seen: Option<&Seen>,
    semantics: Semantics,
) -> Vec<Finding> {
    let Some(reach) = Reach::of(file, seen, semantics) else { return Vec::new() };
    all.iter().flat_map(|stated| reach.check(stated)).collect()
}

struct Reach<'a> {
    world: World,
    seen: Option<&'a Seen>,
    semantics: Semantics,
    /// All that is in force.
    set: PolicySet,
    uses: Option<BTreeMap<StatementKey, Use>>,
}

impl<'a> Reach<'a> {
    fn of(file: &TenancyFile, seen: Option<&'a Seen>, semantics: Semantics) -> Option<Self> {
        let world = World::new(file.world.clone()).ok()?;
        let (held, _refused) = world.held(world.sources(&file.policies).ok()?, semantics);
        let set = PolicySet::compile(&held, &world, semantics).ok()?;
        let events = seen.and_then(|seen| Some((seen.events.as_deref()?, seen.now)));
        let uses = events.and_then(|(events, now)| uses(file, events, semantics, now).ok());
        Some(Self { world, seen, semantics, set, uses })
    }

    fn check(&self, stated: &Stated<'_>) -> Vec<Finding> {
        let Some(allow) = stated.grant().filter(|_| !stated.piece.has_holes()) else {
            return Vec::new();
        };
        let Some(place) = self.attachment(stated.piece) else { return Vec::new() };
        let key = (place.clone(), stated.piece.text.clone());
        let used = self.uses.as_ref().map(|uses| uses.get(&key).cloned().unwrap_or_default());
        let radius = self.radius(stated, allow, &key, used.as_ref());
        let unused = used.filter(|used| used.calls == 0).and_then(|_| self.unused(stated, allow));
        radius.into_iter().chain(unused).collect()
    }

    fn attachment(&self, piece: &Piece) -> Option<&Ocid> {
        self.world.compartment(piece.home.attachment.as_deref()?).ok()
    }

    /// Who reads secrets by a statement, and which.
    fn radius(
        &self,
        stated: &Stated<'_>,
        allow: &Allow,
        key: &StatementKey,
        used: Option<&Use>,
    ) -> Option<Finding> {
        if !grants(allow, Permission::SecretBundleRead) {
            return None;
        }
        let alone = self.alone(key)?;
        let (members, tried) = self.holders(allow, &alone);
        let secrets = self.seen.and_then(|seen| seen.secrets.as_deref());
        let read = secrets.map(|secrets| {
            let is_read =
                |secret: &&SeenSecret| tried.iter().any(|one| self.reads(one, secret, &alone));
            secrets.iter().filter(is_read).map(|secret| secret.name.as_str()).collect::<Vec<_>>()
        });
        let who = match (members.len(), &allow.subject.value) {
            (0, Subject::DynamicGroups(_)) => "machines, which identity does not list,".to_owned(),
            (count, _) => counted(count, "known principal"),
        };
        let what = read.as_ref().map_or_else(
            || format!("the secrets that it names in {}", allow.location.value),
            |read| counted(read.len(), "secret"),
        );
        let verb = if members.len() == 1 { "reads" } else { "read" };
        let message = format!("{who} {verb} {what} by the statement");
        let mut why = Vec::new();
        why.extend(listed("principals", &members.iter().map(String::as_str).collect::<Vec<_>>()));
        why.extend(read.and_then(|read| listed("secrets", &read)));
        why.extend(used.map(|used| match used.last {
            Some(last) => format!(
                "last used at {}, {} in the log",
                rfc3339(last),
                counted_u64(used.calls, "call")
            ),
            None => format!("{} in the log", counted_u64(used.calls, "call")),
        }));
        let why =
            if why.is_empty() { "nobody is known to have it".to_owned() } else { why.join("\n") };
        Some(
            stated
                .finding(&BLAST_RADIUS, &allow.action.span, &message, &why)
                .labelled("how far it reaches"),
        )
    }

    fn unused(&self, stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
        let keeps = super::stated::are_administrators(&allow.subject.value);
        let known = super::stated::permissions(&allow.action.value, false);
        if keeps || known.is_empty() {
            return None;
        }
        let since = self.seen?.since;
        let since =
            since.map_or_else(|| "in the log".to_owned(), |at| format!("since {}", rfc3339(at)));
        let message = format!("no request needed the statement {since}");
        let why = "of the requests that were answered none needed a permission that it grants to whoever asked, there";
        let finding = stated
            .finding(&UNUSED_GRANT, &(0..stated.piece.text.len()), &message, why)
            .labelled("not used");
        Some(finding.advise("drop it, if the log is long enough to have seen what is rare"))
    }

    /// A set of a statement by itself.
    fn alone(&self, (place, text): &StatementKey) -> Option<PolicySet> {
        let source = Source {
            policy_id: place.clone(),
            policy_name: String::new(),
            attached_to: place.clone(),
            statements: vec![text.clone()],
            resolved: Vec::new(),
        };
        PolicySet::compile(&[source], &self.world, self.semantics).ok()
    }

    /// The keys of the principals that have a statement, and who is tried on secrets: those, or one
    /// who would have it.
    fn holders(&self, allow: &Allow, alone: &PolicySet) -> (Vec<String>, Vec<Principal>) {
        let place = alone.parts(0).and_then(|parts| parts.location.cloned());
        let Some(place) = place else { return (Vec::new(), Vec::new()) };
        let path = std::slice::from_ref(&place);
        let mut members = Vec::new();
        let mut tried = Vec::new();
        for key in self.world.file.principals.keys() {
            let Ok(principal) = self.world.principal(key) else { continue };
            if !alone.reaching(&principal, path).is_empty() {
                members.push(key.clone());
                tried.push(principal);
            }
        }
        if tried.is_empty() {
            tried.extend(self.imagined(allow, alone));
        }
        (members, tried)
    }

    /// One who would have the statement.
    fn imagined(&self, allow: &Allow, alone: &PolicySet) -> Option<Principal> {
        let tenancy_id = self.world.file.tenancy_id.clone();
        let group_ids = alone.parts(0).map(|parts| parts.groups.to_vec()).unwrap_or_default();
        let kind = match &allow.subject.value {
            Subject::Services(names) => {
                PrincipalKind::Service { name: names.first()?.value.clone() }
            }
            Subject::DynamicGroups(_) | Subject::Resources(_) => {
                PrincipalKind::Resource(ResourcePrincipal {
                    id: "ocid1.instance.oc1..imagined".parse().ok()?,
                    resource_type: "instance".to_owned(),
                    compartment_id: tenancy_id.clone(),
                    tags: BTreeMap::new(),
                    attributes: BTreeMap::new(),
                })
            }
            _ => PrincipalKind::User {
                id: "ocid1.user.oc1..imagined".parse().ok()?,
                name: Group::ADMINISTRATORS.to_lowercase(),
            },
        };
        Some(Principal { tenancy_id, kind, group_ids })
    }

    /// Tells whether a principal reads a secret by the statement, and nothing denies it.
    fn reads(&self, principal: &Principal, secret: &SeenSecret, alone: &PolicySet) -> bool {
        let key = secret.compartment_id.parse().ok().and_then(|id| self.world.key_of(&id).cloned());
        let Some(path) = key.and_then(|key| self.world.path(&key).ok().map(<[Ocid]>::to_vec))
        else {
            return false;
        };
        let fact =
            |name: &'static str, text: &str| (FactName::Borrowed(name), Fact::One(text.to_owned()));
        let target = [
            fact("target.secret.id", &secret.id),
            fact("target.secret.name", &secret.name),
            fact("target.vault.id", &secret.vault_id),
        ];
        let needs = [Asked { target: &target, ..Asked::at(Permission::SecretBundleRead, &path) }];
        let request = Request {
            operation: "GetSecretBundle",
            region: None,
            time: self.seen.map(|seen| seen.now),
            facts: &[],
        };
        let question = Question { principal, request, needs: &needs };
        let granted = |set: &PolicySet| {
            decide(set, &question)
                .reasons()
                .all(|(_, verdict)| matches!(verdict, Verdict::Granted(_)))
        };
        granted(alone) && granted(&self.set)
    }
}

fn counted(count: usize, noun: &str) -> String {
    counted_u64(u64::try_from(count).unwrap_or(u64::MAX), noun)
}

fn counted_u64(count: u64, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

fn listed(what: &str, names: &[&str]) -> Option<String> {
    let shown = names.get(..names.len().min(NAMES_MAX))?.join(", ");
    let more = names.len().saturating_sub(NAMES_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!names.is_empty()).then(|| format!("{what}: {shown}{more}"))
}

#[cfg(test)]
mod tests;
