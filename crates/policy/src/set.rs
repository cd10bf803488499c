use std::collections::HashMap;

use strongroom_model::{Ocid, PermissionSet};

use crate::ast::{Action, GroupName, Location, Statement, Subject};
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

/// Turns names into identifiers, once, when policies are compiled.
pub trait Directory {
    /// Returns the tenancy.
    fn tenancy(&self) -> &Ocid;

    /// Finds a group; without a domain in `Default`.
    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid>;

    /// Follows names down from a compartment.
    fn compartment_at(&self, from: &Ocid, path: &[&str]) -> Option<Ocid>;

    /// Returns a compartment's name; the tenancy has none.
    fn compartment_name(&self, id: &Ocid) -> Option<String>;

    /// Tells whether `id` is `ancestor` or below it.
    fn is_within(&self, id: &Ocid, ancestor: &Ocid) -> bool;
}

/// Why a policy does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A statement is not in the language.
    #[error("policy `{policy}`, statement {number}: {error}")]
    Parse {
        /// Name of the policy.
        policy: String,
        /// Number of the statement, from 1.
        number: usize,
        /// What is wrong.
        error: ParseError,
    },
    /// A group is not there.
    #[error("policy `{policy}`, statement {number}: the group does not exist")]
    UnknownGroup {
        /// Name of the policy.
        policy: String,
        /// Number of the statement, from 1.
        number: usize,
    },
    /// A compartment is not there or not in reach of the policy.
    #[error(
        "policy `{policy}`, statement {number}: the compartment does not exist or is not part of \
         the policy compartment subtree"
    )]
    UnknownCompartment {
        /// Name of the policy.
        policy: String,
        /// Number of the statement, from 1.
        number: usize,
    },
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

/// Who a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grantees {
    Everyone,
    Members(Vec<Ocid>),
}

/// A compiled statement.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) grantees: Grantees,
    pub(crate) permissions: PermissionSet,
    /// Index of the statement among all.
    pub(crate) statement: usize,
}

/// All policies of a tenancy, compiled once for each change of them: grants by the compartment they
/// hold in.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    pub(crate) tenancy: Option<Ocid>,
    pub(crate) grants: HashMap<Ocid, Vec<Grant>>,
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
                let (at, grant) = place.compile(text, set.statements.len())?;
                set.grants.entry(at).or_default().push(grant);
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

    fn compile(&self, text: &str, statement: usize) -> Result<(Ocid, Grant), CompileError> {
        let (policy, number) = (self.source.policy_name.clone(), self.number);
        let Statement { subject, action, location } =
            parse(text).map_err(|error| CompileError::Parse { policy, number, error })?;
        let permissions = match action.value {
            Action::Verb(verb, resource_type) => permissions_of(resource_type, verb),
            Action::Permissions(permissions) => permissions,
        };
        let grantees = self.grantees(subject.value)?;
        let at = self.location(&location.value).ok_or_else(|| {
            CompileError::UnknownCompartment { policy: self.source.policy_name.clone(), number }
        })?;
        Ok((at, Grant { grantees, permissions, statement }))
    }

    fn grantees(&self, subject: Subject) -> Result<Grantees, CompileError> {
        let groups = match subject {
            Subject::AnyUser | Subject::AnyGroup => return Ok(Grantees::Everyone),
            Subject::Groups(groups) => groups,
        };
        let find = |group: GroupName| match group {
            GroupName::Id(id) => Some(id),
            GroupName::Named { domain, name } => {
                self.directory.group_named(domain.as_deref(), &name)
            }
        };
        let unknown = || CompileError::UnknownGroup {
            policy: self.source.policy_name.clone(),
            number: self.number,
        };
        let ids = groups.into_iter().map(|group| find(group.value).ok_or_else(unknown));
        Ok(Grantees::Members(ids.collect::<Result<_, _>>()?))
    }

    /// `compartment NAME` is a child of the attachment, or the attachment itself; what lies outside
    /// the attachment's subtree is not in reach.
    fn location(&self, location: &Location) -> Option<Ocid> {
        let attached_to = &self.source.attached_to;
        match location {
            Location::Tenancy => {
                Some(attached_to.clone()).filter(|at| at == self.directory.tenancy())
            }
            Location::Id(id) => {
                Some(id.clone()).filter(|id| self.directory.is_within(id, attached_to))
            }
            Location::Path(path) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let below = self.directory.compartment_at(attached_to, &names);
                below.or_else(|| {
                    let own = self.directory.compartment_name(attached_to)?;
                    let (first, rest) = names.split_first()?;
                    let same = own.eq_ignore_ascii_case(first);
                    self.directory.compartment_at(attached_to, rest).filter(|_| same)
                })
            }
        }
    }
}
