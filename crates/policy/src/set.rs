use std::collections::HashMap;
use std::ops::Range;

use strongroom_model::{Ocid, PermissionSet};

use crate::ast::{Action, GroupName, Location, Spanned, Statement, Subject};
use crate::error::ParseError;
use crate::parser::parse;
use crate::resource_type::permissions_of;

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
}

/// Turns names into identifiers, once, when policies are compiled. Names are compared without case.
pub trait Directory {
    /// Returns the tenancy.
    fn tenancy(&self) -> &Ocid;

    /// Finds a group; without a domain in `Default`.
    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid>;

    /// Follows names down from a compartment, child by child; an empty path leads to `from`.
    fn compartment_at(&self, from: &Ocid, path: &[&str]) -> Option<Ocid>;

    /// Returns a compartment's name; the tenancy has none.
    fn compartment_name(&self, id: &Ocid) -> Option<String>;

    /// Tells whether `id` is `ancestor` or below it.
    fn is_within(&self, id: &Ocid, ancestor: &Ocid) -> bool;
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
    /// It is not in the language, or not in the part that is evaluated.
    #[error(transparent)]
    Parse(Box<ParseError>),
    /// A group of this name is not there.
    #[error("the group `{0}` does not exist")]
    UnknownGroup(String),
    /// The compartment is not there or not in reach of the policy; the name, path or identifier.
    #[error(
        "the compartment `{0}` does not exist or is not part of the policy compartment subtree"
    )]
    UnknownCompartment(String),
    /// `tenancy` in a policy that is attached below the root.
    #[error("the tenancy is not part of the policy compartment subtree")]
    TenancyOutOfReach,
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
}

/// What a statement grants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant {
    pub(crate) permissions: PermissionSet,
    /// Index of the statement among all.
    pub(crate) statement: usize,
}

/// What is granted in a compartment, by whom it is for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants {
    pub(crate) everyone: Vec<Grant>,
    pub(crate) by_group: HashMap<Ocid, Vec<Grant>>,
}

/// Who a statement is for.
enum Grantees {
    Everyone,
    Members(Vec<Ocid>),
}

/// All policies of a tenancy, compiled once for each change of them: grants by the compartment they
/// hold in, and there by group.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    pub(crate) tenancy: Option<Ocid>,
    pub(crate) grants: HashMap<Ocid, Grants>,
    pub(crate) statements: Vec<StatementRef>,
}

impl PolicySet {
    /// Compiles the policies of a tenancy.
    ///
    /// # Errors
    /// A [`CompileError`] for the first statement that cannot be compiled.
    pub fn compile(sources: &[Source], directory: &dyn Directory) -> Result<Self, CompileError> {
        let mut set = Self { tenancy: Some(directory.tenancy().clone()), ..Self::default() };
        for source in sources {
            for (index, text) in source.statements.iter().enumerate() {
                let place = Place { source, number: index.saturating_add(1), directory };
                let (at, grantees, permissions) = place.compile(text)?;
                let grant = Grant { permissions, statement: set.statements.len() };
                set.grants.entry(at).or_default().add(grantees, grant);
                set.statements.push(place.reference());
            }
        }
        Ok(set)
    }

    /// Returns a statement by its index in a decision.
    #[must_use]
    pub fn statement(&self, index: usize) -> Option<&StatementRef> {
        self.statements.get(index)
    }
}

impl Grants {
    fn add(&mut self, grantees: Grantees, grant: Grant) {
        match grantees {
            Grantees::Everyone => self.everyone.push(grant),
            Grantees::Members(groups) => {
                for group in groups {
                    self.by_group.entry(group).or_default().push(grant);
                }
            }
        }
    }
}

/// Where a statement stands, and what its names mean there.
struct Place<'a> {
    source: &'a Source,
    number: usize,
    directory: &'a dyn Directory,
}

impl Place<'_> {
    fn reference(&self) -> StatementRef {
        StatementRef {
            policy_id: self.source.policy_id.clone(),
            policy_name: self.source.policy_name.clone(),
            number: self.number,
        }
    }

    fn error(&self, span: Range<usize>, cause: CompileErrorCause) -> CompileError {
        let policy = self.source.policy_name.clone();
        CompileError { policy, number: self.number, span, cause }
    }

    fn compile(&self, text: &str) -> Result<(Ocid, Grantees, PermissionSet), CompileError> {
        let Statement { subject, action, location } = parse(text).map_err(|error| {
            self.error(error.span.clone(), CompileErrorCause::Parse(error.into()))
        })?;
        let permissions = match action.value {
            Action::Verb(verb, resource_type) => permissions_of(resource_type, verb),
            Action::Permissions(permissions) => permissions,
        };
        let grantees = self.grantees(subject.value)?;
        let at = self.location(location)?;
        Ok((at, grantees, permissions))
    }

    fn grantees(&self, subject: Subject) -> Result<Grantees, CompileError> {
        match subject {
            Subject::AnyUser | Subject::AnyGroup => Ok(Grantees::Everyone),
            Subject::Groups(groups) => {
                let ids = groups.into_iter().map(|group| self.group(group));
                ids.collect::<Result<_, _>>().map(Grantees::Members)
            }
        }
    }

    fn group(&self, group: Spanned<GroupName>) -> Result<Ocid, CompileError> {
        match group.value {
            GroupName::Id(id) => Ok(id),
            GroupName::Named { domain, name } => {
                let found = self.directory.group_named(domain.as_deref(), &name);
                found.ok_or_else(|| {
                    let name = domain.map(|domain| domain + "/").unwrap_or_default() + &name;
                    self.error(group.span, CompileErrorCause::UnknownGroup(name))
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
                let cause = CompileErrorCause::UnknownCompartment(id.to_string());
                (Some(id).filter(|id| self.directory.is_within(id, attached_to)), cause)
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
        matches!(path, [name] if own.eq_ignore_ascii_case(name)).then(|| attached_to.clone())
    }
}
