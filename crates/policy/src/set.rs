use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use strongroom_model::{Group, Ocid, Permission, PermissionSet, Principal, PrincipalKind};

use crate::ast::{
    Action, Admit, Allow, Endorse, GroupName, Location, QualifiedName, ResourceName, Spanned,
    Statement, Subject,
};
use crate::clause::{BadTime, Clause, CompartmentFacts, Surroundings};
use crate::error::ParseError;
use crate::parser::parse;
use crate::required::Semantics;
use crate::resource_type::{denied_by, permissions_of};
use crate::text::same;

/// A policy as it is stored.
#[derive(Debug, Clone)]
pub struct Source {
    /// OCID of the policy.
    pub policy_id: Ocid,
    /// Name of the policy.
    pub policy_name: String,
    /// OCID of the compartment or tenancy that it is attached to.
    pub attached_to: Ocid,
    /// Its statements.
    pub statements: Vec<String>,
    /// What the names of each statement meant when it was written, see [`resolve`]; a statement
    /// without is read by what its names mean now.
    pub resolved: Vec<Vec<Ocid>>,
}

/// Turns names into identifiers. Names are compared without case.
pub trait Directory {
    /// Returns the tenancy.
    fn tenancy(&self) -> &Ocid;

    /// Finds a group; without a domain in `Default`.
    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid>;

    /// Finds a dynamic group; without a domain in `Default`.
    fn dynamic_group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid>;

    /// Follows names down from a compartment, child by child; an empty path leads to `from`.
    fn compartment_at(&self, from: &Ocid, path: &[&str]) -> Option<Ocid>;

    /// Returns a compartment's name; the tenancy has none.
    fn compartment_name(&self, id: &Ocid) -> Option<String>;

    /// Tells whether `id` is `ancestor` or below it.
    fn is_within(&self, id: &Ocid, ancestor: &Ocid) -> bool;

    /// Returns what conditions can ask of compartments.
    fn compartments(&self) -> BTreeMap<Ocid, CompartmentFacts>;

    /// Returns the defined tags of groups and dynamic groups, by `namespace.key`.
    fn group_tags(&self) -> BTreeMap<Ocid, Vec<(String, String)>>;

    /// Tells whether the tenancy takes statements that deny.
    fn takes_denials(&self) -> bool;
}

/// Why a policy does not compile, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy `{policy}`, statement {number}: {cause}")]
pub struct CompileError {
    /// Name of the policy.
    pub policy: String,
    /// Number of the statement, from 1.
    pub number: usize,
    /// The offending bytes of the statement.
    pub span: Range<usize>,
    /// What is wrong.
    pub cause: CompileErrorCause,
}

/// What is wrong with a statement that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileErrorCause {
    /// It is not in the language.
    #[error(transparent)]
    Parse(Box<ParseError>),
    /// A group of this name is not there.
    #[error("the group `{0}` does not exist")]
    UnknownGroup(String),
    /// A dynamic group of this name is not there.
    #[error("the dynamic group `{0}` does not exist")]
    UnknownDynamicGroup(String),
    /// The compartment is not there or not in reach of the policy; the name, path or identifier.
    #[error(
        "the compartment `{0}` does not exist or is not part of the policy compartment subtree"
    )]
    UnknownCompartment(String),
    /// `tenancy` in a policy that is attached below the root.
    #[error("the tenancy is not part of the policy compartment subtree")]
    TenancyOutOfReach,
    /// A time that cannot be read.
    #[error("`{0}` is not a time as in ISO 8601, such as 2026-01-01T00:00:00Z")]
    BadTime(String),
    /// A statement that denies, where none are taken.
    #[error("the tenancy does not take statements that deny")]
    DenialsAreOff,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRef {
    /// OCID of the policy.
    pub policy_id: Ocid,
    /// Name of the policy.
    pub policy_name: String,
    /// Number of the statement, from 1.
    pub number: usize,
    /// The statement.
    pub text: String,
}

/// A statement, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) denies: bool,
    pub(crate) subject: Grantees,
    pub(crate) permissions: PermissionSet,
    /// The compartment in which it holds, and below; none if it is no longer there or in reach.
    pub(crate) location: Option<Ocid>,
    pub(crate) condition: Option<Clause>,
    pub(crate) spans: Spans,
    pub(crate) reference: StatementRef,
}

/// Where the parts of a statement stand in its text.
#[derive(Debug, Clone)]
pub(crate) struct Spans {
    pub(crate) subject: Range<usize>,
    pub(crate) action: Range<usize>,
    pub(crate) location: Range<usize>,
}

/// Who a statement is for.
#[derive(Debug, Clone)]
pub(crate) enum Grantees {
    Everyone,
    /// Everyone but services.
    Members,
    Groups(Vec<Ocid>),
    DynamicGroups(Vec<Ocid>),
    Services(Vec<String>),
    ResourceTypes(Vec<String>),
}

impl Grantees {
    pub(crate) fn include(&self, principal: &Principal) -> bool {
        let member = |ids: &[Ocid]| principal.group_ids.iter().any(|id| ids.contains(id));
        match (self, &principal.kind) {
            (Self::Everyone, _)
            | (Self::Members, PrincipalKind::User { .. } | PrincipalKind::Resource(_)) => true,
            (Self::Groups(ids), PrincipalKind::User { .. })
            | (Self::DynamicGroups(ids), PrincipalKind::Resource(_)) => member(ids),
            (Self::Services(names), PrincipalKind::Service { name }) => {
                names.iter().any(|known| same(known, name))
            }
            (Self::ResourceTypes(types), PrincipalKind::Resource(resource)) => {
                types.iter().any(|known| same(known, &resource.resource_type))
            }
            _ => false,
        }
    }
}

/// Statements of one compartment and one effect, by whom they are for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    pub(crate) everyone: Vec<usize>,
    /// Groups and dynamic groups: their identifiers differ.
    pub(crate) by_group: HashMap<Ocid, Vec<usize>>,
    /// Services and types of resources, which are rare.
    pub(crate) others: Vec<usize>,
}

impl Index {
    fn add(&mut self, grantees: &Grantees, number: usize) {
        match grantees {
            Grantees::Everyone | Grantees::Members => self.everyone.push(number),
            Grantees::Groups(ids) | Grantees::DynamicGroups(ids) => {
                for id in ids {
                    self.by_group.entry(id.clone()).or_default().push(number);
                }
            }
            Grantees::Services(_) | Grantees::ResourceTypes(_) => self.others.push(number),
        }
    }
}

/// All policies of a tenancy, compiled once for each change of them: statements by the compartment
/// they hold in, and there by group.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    pub(crate) tenancy: Option<Ocid>,
    pub(crate) allows: HashMap<Ocid, Index>,
    pub(crate) denies: HashMap<Ocid, Index>,
    pub(crate) statements: Vec<Compiled>,
    pub(crate) around: Surroundings,
    /// Whom nothing is denied.
    pub(crate) administrators: Option<Ocid>,
}

impl PolicySet {
    /// Compiles the policies of a tenancy.
    ///
    /// # Errors
    /// A [`CompileError`] for the first statement that cannot be compiled.
    pub fn compile(
        sources: &[Source],
        directory: &dyn Directory,
        semantics: Semantics,
    ) -> Result<Self, CompileError> {
        let mut set = Self {
            tenancy: Some(directory.tenancy().clone()),
            around: Surroundings {
                compartments: directory.compartments(),
                group_tags: directory.group_tags(),
            },
            administrators: directory.group_named(None, Group::ADMINISTRATORS),
            ..Self::default()
        };
        for source in sources {
            for (index, text) in source.statements.iter().enumerate() {
                let place = Place { source, index, directory, semantics };
                if let Some(compiled) = place.compile(text)? {
                    set.add(compiled);
                }
            }
        }
        Ok(set)
    }

    fn add(&mut self, compiled: Compiled) {
        if let Some(location) = &compiled.location {
            let effect = if compiled.denies { &mut self.denies } else { &mut self.allows };
            let index = effect.entry(location.clone()).or_default();
            index.add(&compiled.subject, self.statements.len());
        }
        self.statements.push(compiled);
    }

    /// Tells whether a principal is of the tenancy that the policies are of.
    pub(crate) fn is_own(&self, principal: &Principal) -> bool {
        self.tenancy.as_ref() == Some(&principal.tenancy_id)
    }

    /// Returns a statement by its index in a decision.
    #[must_use]
    pub fn statement(&self, index: usize) -> Option<&StatementRef> {
        self.statements.get(index).map(|compiled| &compiled.reference)
    }
}

/// Returns what the names of a statement mean, in order, for a policy that is attached to a
/// compartment: groups first, then the compartment. Checks all else that a policy is refused for.
///
/// # Errors
/// A [`CompileError`].
pub fn resolve(
    text: &str,
    attached_to: &Ocid,
    directory: &dyn Directory,
) -> Result<Vec<Ocid>, CompileError> {
    let source = Source {
        policy_id: attached_to.clone(),
        policy_name: String::new(),
        attached_to: attached_to.clone(),
        statements: Vec::new(),
        resolved: Vec::new(),
    };
    let place = Place { source: &source, index: 0, directory, semantics: Semantics::Oracle };
    let Some(compiled) = place.compile(text)? else { return Ok(Vec::new()) };
    let groups = match compiled.subject {
        Grantees::Groups(ids) | Grantees::DynamicGroups(ids) => ids,
        _ => Vec::new(),
    };
    Ok(groups.into_iter().chain(compiled.location).collect())
}

/// Returns what statements do, for `target.policy.type`: `allow`, `deny`, or both. Those that admit or
/// endorse allow, unless `deny` stands before them. Definitions, and what cannot be read, do nothing.
///
/// Source: OCI documentation, "Deny Policies", policy syntax.
#[must_use]
pub fn types_of(statements: &[String]) -> Vec<String> {
    let denies = |text: &String| match parse(text) {
        Ok(
            Statement::Allow(Allow { denies, .. })
            | Statement::Admit(Admit { denies, .. })
            | Statement::Endorse(Endorse { denies, .. }),
        ) => Some(denies),
        Ok(Statement::Define(_)) | Err(_) => None,
    };
    let kinds: Vec<bool> = statements.iter().filter_map(denies).collect();
    let named = [(false, "allow"), (true, "deny")];
    let held = named.into_iter().filter(|(denies, _)| kinds.contains(denies));
    held.map(|(_, name)| name.to_owned()).collect()
}

/// Where a statement stands, and what its names mean there.
struct Place<'a> {
    source: &'a Source,
    index: usize,
    directory: &'a dyn Directory,
    semantics: Semantics,
}

impl Place<'_> {
    fn error(&self, span: Range<usize>, cause: CompileErrorCause) -> CompileError {
        let policy = self.source.policy_name.clone();
        CompileError { policy, number: self.index.saturating_add(1), span, cause }
    }

    /// Between tenancies nothing is granted: this server has one.
    fn compile(&self, text: &str) -> Result<Option<Compiled>, CompileError> {
        let statement = parse(text).map_err(|error| {
            self.error(error.span.clone(), CompileErrorCause::Parse(error.into()))
        })?;
        let Statement::Allow(allow) = statement else { return Ok(None) };
        let Allow { denies, subject, action, location, condition } = allow;
        if denies && !self.directory.takes_denials() {
            return Err(self.error(0..subject.span.start, CompileErrorCause::DenialsAreOff));
        }
        let compile = |condition| Clause::compile(condition, self.semantics);
        let condition = condition.as_ref().map(compile).transpose();
        let condition = condition.map_err(|BadTime(span)| {
            let given = text.get(span.clone()).unwrap_or_default().trim_matches('\'').to_owned();
            self.error(span, CompileErrorCause::BadTime(given))
        })?;
        let spans = Spans {
            subject: subject.span.clone(),
            action: action.span.clone(),
            location: location.span.clone(),
        };
        let permissions = permissions(&action.value, denies);
        let (subject, location) = match self.resolved() {
            Some(resolved) => self.remembered(subject.value, &location.value, resolved),
            None => (self.grantees(subject.value)?, Some(self.location(location)?)),
        };
        let reference = StatementRef {
            policy_id: self.source.policy_id.clone(),
            policy_name: self.source.policy_name.clone(),
            number: self.index.saturating_add(1),
            text: text.to_owned(),
        };
        Ok(Some(Compiled { denies, subject, permissions, location, condition, spans, reference }))
    }

    /// What the names of this statement meant when it was written.
    fn resolved(&self) -> Option<&[Ocid]> {
        let resolved = self.source.resolved.get(self.index)?;
        (!resolved.is_empty()).then_some(resolved.as_slice())
    }

    /// A compartment that has left the subtree of the attachment is out of reach until it comes back.
    fn remembered(
        &self,
        subject: Subject,
        location: &Location,
        resolved: &[Ocid],
    ) -> (Grantees, Option<Ocid>) {
        let (place, groups) = resolved
            .split_last()
            .map_or((None, &[][..]), |(last, groups)| (Some(last.clone()), groups));
        let subject = match subject {
            Subject::Groups(_) => Grantees::Groups(groups.to_vec()),
            Subject::DynamicGroups(_) => Grantees::DynamicGroups(groups.to_vec()),
            other => without_groups(other),
        };
        let place = match location {
            Location::Tenancy => Some(self.directory.tenancy().clone()),
            Location::Path(_) | Location::Id(_) => {
                place.filter(|id| self.directory.is_within(id, &self.source.attached_to))
            }
        };
        (subject, place)
    }

    fn grantees(&self, subject: Subject) -> Result<Grantees, CompileError> {
        let dynamic = matches!(subject, Subject::DynamicGroups(_));
        match subject {
            Subject::Groups(groups) | Subject::DynamicGroups(groups) => {
                let ids = groups.iter().map(|group| self.group(group, dynamic));
                let ids = ids.collect::<Result<_, _>>()?;
                Ok(if dynamic { Grantees::DynamicGroups(ids) } else { Grantees::Groups(ids) })
            }
            other => Ok(without_groups(other)),
        }
    }

    fn group(&self, group: &Spanned<GroupName>, dynamic: bool) -> Result<Ocid, CompileError> {
        let unknown = |name: String| {
            let cause = if dynamic {
                CompileErrorCause::UnknownDynamicGroup(name)
            } else {
                CompileErrorCause::UnknownGroup(name)
            };
            self.error(group.span.clone(), cause)
        };
        match &group.value {
            GroupName::Id(id) => id.parse().map_err(|_not_an_ocid| unknown(id.clone())),
            GroupName::Named(QualifiedName { domain, name }) => {
                let found = if dynamic {
                    self.directory.dynamic_group_named(domain.as_deref(), name)
                } else {
                    self.directory.group_named(domain.as_deref(), name)
                };
                found.ok_or_else(|| {
                    let domain = domain.as_ref().map(|domain| format!("{domain}/"));
                    unknown(domain.unwrap_or_default() + name)
                })
            }
        }
    }

    /// Finds the compartment, which must be in the subtree of the attachment. `compartment NAME` is
    /// a child of the attachment, or else the attachment itself.
    fn location(&self, location: Spanned<Location>) -> Result<Ocid, CompileError> {
        let attached_to = &self.source.attached_to;
        let (found, cause) = match location.value {
            Location::Tenancy => {
                let root = (attached_to == self.directory.tenancy()).then(|| attached_to.clone());
                (root, CompileErrorCause::TenancyOutOfReach)
            }
            Location::Id(id) => {
                let parsed = id.parse().ok();
                let found = parsed.filter(|id| self.directory.is_within(id, attached_to));
                (found, CompileErrorCause::UnknownCompartment(id))
            }
            Location::Path(path) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let below = self.directory.compartment_at(attached_to, &names);
                let found = below.or_else(|| self.attachment_called(&names));
                (found, CompileErrorCause::UnknownCompartment(path.join(":")))
            }
        };
        found.ok_or_else(|| self.error(location.span, cause))
    }

    /// Returns the attachment if `path` is its name.
    fn attachment_called(&self, path: &[&str]) -> Option<Ocid> {
        let attached_to = &self.source.attached_to;
        let own = self.directory.compartment_name(attached_to)?;
        matches!(path, [name] if same(&own, name)).then(|| attached_to.clone())
    }
}

fn without_groups(subject: Subject) -> Grantees {
    let texts = |names: Vec<Spanned<String>>| names.into_iter().map(|name| name.value).collect();
    match subject {
        Subject::AnyUser => Grantees::Everyone,
        Subject::AnyGroup => Grantees::Members,
        Subject::Services(names) => Grantees::Services(texts(names)),
        // The first name is the service's.
        Subject::Resources(mut names) => Grantees::ResourceTypes(texts(names.split_off(1))),
        Subject::Groups(_) => Grantees::Groups(Vec::new()),
        Subject::DynamicGroups(_) => Grantees::DynamicGroups(Vec::new()),
    }
}

/// What a statement grants, or denies: a verb denies its own level and all above it.
fn permissions(action: &Action, denies: bool) -> PermissionSet {
    match action {
        Action::Verb(verb, ResourceName::Known(known)) if denies => denied_by(*known, *verb),
        Action::Verb(verb, ResourceName::Known(known)) => permissions_of(*known, *verb),
        Action::Verb(_, ResourceName::Other(_)) | Action::Associate(_) => PermissionSet::EMPTY,
        Action::Permissions(names, _) => {
            names.iter().filter_map(|name| Permission::named(&name.value)).collect()
        }
    }
}
