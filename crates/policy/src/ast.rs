//! A statement as it was written, every part with its place in the text.

use std::ops::Range;

use strongroom_model::{Ocid, PermissionSet};

use crate::resource_type::{ResourceType, Verb};

/// A value and the bytes of the statement that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands, in bytes from the start of the statement.
    pub span: Range<usize>,
}

/// `Allow <subject> to <action> in <location>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Who.
    pub subject: Spanned<Subject>,
    /// What.
    pub action: Spanned<Action>,
    /// Where.
    pub location: Spanned<Location>,
}

/// Who a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// `any-user`: users and resource principals.
    AnyUser,
    /// `any-group`: the same without services.
    AnyGroup,
    /// `group …`: the members of any of these.
    Groups(Vec<Spanned<GroupName>>),
}

/// A group, as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupName {
    /// `[domain/]name`.
    Named {
        /// Identity domain; absent is `Default`.
        domain: Option<String>,
        /// Name.
        name: String,
    },
    /// `id <ocid>`.
    Id(Ocid),
}

/// What a statement grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A verb on a resource-type.
    Verb(Verb, ResourceType),
    /// A permission set, exactly.
    Permissions(PermissionSet),
}

/// Where a statement grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `tenancy`.
    Tenancy,
    /// `compartment A:B`, from the compartment that the policy is attached to.
    Path(Vec<String>),
    /// `compartment id <ocid>`.
    Id(Ocid),
}
