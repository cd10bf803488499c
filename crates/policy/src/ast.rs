//! A statement as it was written, every part with its place in the text.

use std::ops::Range;

use crate::resource_type::{ResourceType, Verb};

/// A value and the bytes of the statement that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands, in bytes from the start of the statement.
    pub span: Range<usize>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `allow …`, or `deny …` in its place.
    Allow(Allow),
    /// `admit …`: what principals of other tenancies may do here.
    Admit(Admit),
    /// `endorse …`: what principals of this tenancy may do in others.
    Endorse(Endorse),
    /// `define …`: a name for something of another tenancy.
    Define(Define),
}

/// `allow <subject> to <action> in <location> [where <condition>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// Whether it denies.
    pub denies: bool,
    /// Who.
    pub subject: Spanned<Subject>,
    /// What.
    pub action: Spanned<Action>,
    /// Where.
    pub location: Spanned<Location>,
    /// When.
    pub condition: Option<Spanned<Condition>>,
}

/// `admit <subject> [of <tenancy>] to <action> in <location> [with …] [where …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admit {
    /// Whether it denies.
    pub denies: bool,
    /// Who.
    pub subject: Spanned<Subject>,
    /// Of which tenancy.
    pub tenancy: Option<Spanned<Tenancy>>,
    /// What.
    pub action: Spanned<Action>,
    /// Where.
    pub location: Spanned<Location>,
    /// The other half of what is associated.
    pub with: Option<With>,
    /// When.
    pub condition: Option<Spanned<Condition>>,
}

/// `endorse <subject> to <action> in <scope> [with …] [where …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorse {
    /// Whether it denies.
    pub denies: bool,
    /// Who.
    pub subject: Spanned<Subject>,
    /// What.
    pub action: Spanned<Action>,
    /// Where.
    pub scope: Spanned<Scope>,
    /// The other half of what is associated.
    pub with: Option<With>,
    /// When.
    pub condition: Option<Spanned<Condition>>,
}

/// `with <resource-type> in <scope>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct With {
    /// The resource-type.
    pub resource_type: Spanned<ResourceName>,
    /// Where it is.
    pub scope: Spanned<Scope>,
}

/// `define <kind> <name> as <ocid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Define {
    /// What is named.
    pub kind: Spanned<DefineKind>,
    /// The name.
    pub name: Spanned<QualifiedName>,
    /// Its OCID, as it was written.
    pub id: Spanned<String>,
}

/// What a `define` statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefineKind {
    /// A tenancy.
    Tenancy,
    /// A group.
    Group,
    /// A dynamic group.
    DynamicGroup,
    /// A compartment.
    Compartment,
}

/// `[domain/]name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    /// Identity domain; absent is `Default`.
    pub domain: Option<String>,
    /// Name.
    pub name: String,
}

/// Who a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// `any-user`: users, resources and services.
    AnyUser,
    /// `any-group`: the same without services.
    AnyGroup,
    /// `group …`: the members of any of these.
    Groups(Vec<Spanned<GroupName>>),
    /// `dynamic-group …`: the resources in any of these.
    DynamicGroups(Vec<Spanned<GroupName>>),
    /// `service …`: any of these services.
    Services(Vec<Spanned<String>>),
    /// `resource <service> <type> …`: resources of these types.
    Resources(Vec<Spanned<String>>),
}

/// A group or dynamic group, as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupName {
    /// By name.
    Named(QualifiedName),
    /// `id <ocid>`, as it was written.
    Id(String),
}

/// What a statement grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A verb on a resource-type.
    Verb(Verb, ResourceName),
    /// A permission set, exactly; a resource-type may follow it.
    Permissions(Vec<Spanned<String>>, Option<ResourceName>),
    /// `associate <resource-type>`, between two tenancies.
    Associate(ResourceName),
}

/// A resource-type, as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceName {
    /// One that this server has.
    Known(ResourceType),
    /// One of another service, in lower case: what it grants is not there.
    Other(String),
}

/// Where a statement grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `tenancy`.
    Tenancy,
    /// `compartment A:B`, from the compartment that the policy is attached to.
    Path(Vec<String>),
    /// `compartment id <ocid>`, as it was written.
    Id(String),
}

/// Tenancies that an `admit` statement lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenancy {
    /// `any-tenancy`.
    Any,
    /// `tenancy <name>`, defined in the same policy.
    Named(String),
}

/// Where an `endorse` statement reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `any-tenancy`.
    AnyTenancy,
    /// `tenancy [name]`; without a name this one.
    Tenancy(Option<String>),
    /// `compartment … [of tenancy <name>]`.
    Compartment(Location, Option<String>),
}

/// When a statement holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `all {…}`.
    All(Vec<Spanned<Condition>>),
    /// `any {…}`.
    Any(Vec<Spanned<Condition>>),
    /// `variable = value`, or `!=`.
    Compare {
        /// Left side.
        variable: Spanned<String>,
        /// Whether it is `!=`.
        differs: bool,
        /// Right side.
        value: Spanned<Value>,
    },
    /// `variable [not] in (…)`.
    In {
        /// Left side.
        variable: Spanned<String>,
        /// Whether it is `not in`.
        negated: bool,
        /// The list.
        values: Vec<Spanned<Value>>,
    },
    /// `variable before 'time'`.
    Before(Spanned<String>, Spanned<String>),
    /// `variable after 'time'`.
    After(Spanned<String>, Spanned<String>),
    /// `variable between 'a' and 'b'`.
    Between(Spanned<String>, Spanned<String>, Spanned<String>),
    /// `sets-intersect (variable, (…))`.
    SetsIntersect(Spanned<String>, Vec<Spanned<Value>>),
    /// `sets-equal (variable, (…))`.
    SetsEqual(Spanned<String>, Vec<Spanned<Value>>),
    /// `!variable`: the request does not carry it.
    Absent(Spanned<String>),
    /// `variable`: the request carries it.
    Present(Spanned<String>),
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `'text'`.
    Text(String),
    /// `/pattern/`.
    Pattern(String),
    /// An OCID without quotes.
    Id(String),
    /// Another variable, as it was written.
    Variable(String),
}
