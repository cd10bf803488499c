//! Secrets by reference, many at once: each distinct one is read once, several at the same time.

use std::sync::Arc;

use strongroom_client::{Client, ClientError, SecretBundle, Selector};
use strongroom_model::Sensitive;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::output::refused;
use super::pointer::select;
use super::reference::{Place, Reference, SCHEME};
use super::session::Session;
use super::similar::nearest;
use crate::failure::{Exit, Failure};

const READS_AT_ONCE: usize = 8;

/// A reference where it stands.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    /// Such as "variable `DB`".
    pub(super) place: String,
    pub(super) text: String,
}

/// A version of a secret that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    place: Place,
    /// OCID of the vault of a secret that is named.
    vault_id: String,
    selector: Selector,
}

#[derive(Debug)]
struct Use {
    mention: Mention,
    pointer: Option<String>,
    source: usize,
}

/// What is to be read, and where it goes.
#[derive(Debug)]
pub(super) struct Plan {
    uses: Vec<Use>,
    pub(super) sources: Vec<Source>,
}

/// What came of reading each source.
pub(super) type Outcomes = Vec<Result<SecretBundle, ClientError>>;

impl Plan {
    /// Reads the references; nothing is called yet.
    pub(super) fn of(session: &Session<'_>, mentions: Vec<Mention>) -> Result<Self, Failure> {
        let mut plan = Self { uses: Vec::new(), sources: Vec::new() };
        let mut failures = Vec::new();
        for mention in mentions {
            match source(session, &mention.text) {
                Ok((source, pointer)) => plan.add(mention, source, pointer),
                Err(failure) => failures.push(failure.at(&mention.place())),
            }
        }
        Failure::all(failures).map_or(Ok(plan), Err)
    }

    fn add(&mut self, mention: Mention, source: Source, pointer: Option<String>) {
        let known = self.sources.iter().position(|known| *known == source);
        let index = known.unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        });
        self.uses.push(Use { mention, pointer, source: index });
    }

    /// Reads every source, or says of each reference that cannot be read why.
    pub(super) async fn read(&self, session: &Session<'_>) -> Result<Vec<SecretBundle>, Failure> {
        let outcomes = read(&session.client, &self.sources).await;
        let mut failures = Vec::new();
        for one in &self.uses {
            if let (Some(Err(error)), Some(source)) =
                (outcomes.get(one.source), self.sources.get(one.source))
            {
                failures.push(explain(session, error, source, &one.mention).await);
            }
        }
        match Failure::all(failures) {
            Some(failure) => Err(failure),
            None => Ok(outcomes.into_iter().filter_map(Result::ok).collect()),
        }
    }

    /// Returns the value of every mention, in their order.
    pub(super) fn values(&self, bundles: &[SecretBundle]) -> Result<Vec<Sensitive>, Failure> {
        let mut values = Vec::new();
        let mut failures = Vec::new();
        for one in &self.uses {
            let content = bundles.get(one.source).map(|bundle| &bundle.content);
            let value = match (content, &one.pointer) {
                (Some(content), Some(pointer)) => select(content, pointer),
                (Some(content), None) => Ok(content.clone()),
                (None, _) => {
                    Err(Failure::new(Exit::Defect, "not-read", "cannot find what was read"))
                }
            };
            match value {
                Ok(value) => values.push(value),
                Err(failure) => failures.push(failure.at(&one.mention.place())),
            }
        }
        Failure::all(failures).map_or(Ok(values), Err)
    }

    /// Returns the place of every mention, in their order.
    pub(super) fn places(&self) -> impl Iterator<Item = &str> {
        self.uses.iter().map(|one| one.mention.place.as_str())
    }
}

impl Mention {
    fn place(&self) -> String {
        format!("in `{}` of {}", self.text, self.place)
    }
}

fn source(session: &Session<'_>, text: &str) -> Result<(Source, Option<String>), Failure> {
    let Reference { place, selector, pointer } = text.parse()?;
    let vault_id = match &place {
        Place::Id(_) => String::new(),
        Place::Named { vault, .. } => session.vault_id(vault)?,
    };
    Ok((Source { place, vault_id, selector }, pointer))
}

/// Reads every source once, and gives the outcomes in their order.
pub(super) async fn read(client: &Client, sources: &[Source]) -> Outcomes {
    let turns = Arc::new(Semaphore::new(READS_AT_ONCE));
    let mut reads = JoinSet::new();
    for (index, source) in sources.iter().cloned().enumerate() {
        let (client, turns) = (client.clone(), Arc::clone(&turns));
        reads.spawn(async move {
            let _turn = turns.acquire().await;
            (index, source.read(&client).await)
        });
    }
    let mut outcomes = reads.join_all().await;
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

impl Source {
    async fn read(&self, client: &Client) -> Result<SecretBundle, ClientError> {
        match &self.place {
            Place::Named { name, .. } => {
                client.secret_bundle_by_name(&self.vault_id, name, &self.selector).await
            }
            Place::Id(id) => client.secret_bundle(id.as_str(), &self.selector).await,
        }
    }
}

async fn explain(
    session: &Session<'_>,
    error: &ClientError,
    source: &Source,
    mention: &Mention,
) -> Failure {
    let failure = refused(error, &format!("read `{}` for {}", mention.text, mention.place));
    hinted(session, error, &source.place, failure).await
}

/// Adds what helps: the name that is perhaps meant, if this user may list the names, or the command
/// that explains a denial.
pub(super) async fn hinted(
    session: &Session<'_>,
    error: &ClientError,
    place: &Place,
    failure: Failure,
) -> Failure {
    let ClientError::Service(service) = error else { return failure };
    let hint = match (service.status, place, &service.request_id) {
        (404, Place::Named { vault, name }, _) => similar(session, vault, name).await,
        (403, _, Some(request_id)) => Some(format!("strongroom why {request_id}")),
        _ => None,
    };
    match hint {
        Some(hint) => failure.fix(hint),
        None => failure,
    }
}

async fn similar(session: &Session<'_>, alias: &str, name: &str) -> Option<String> {
    let vault_id = session.vault_id(alias).ok()?;
    let compartment_id = session.compartment_id(None).ok()?;
    let listed = session.client.secrets(&compartment_id, &vault_id, None).await.ok()?;
    let mut names = listed.iter().map(|secret| secret.secret_name.as_str());
    // It is there, and has no such version, or not for this user.
    if names.clone().any(|other| other == name) {
        return Some(format!("strongroom doctor {SCHEME}{alias}/{name}"));
    }
    Some(match nearest(name, &mut names) {
        Some(near) => format!("did you mean {SCHEME}{alias}/{near}"),
        None => format!("strongroom ls {SCHEME}{alias}"),
    })
}
