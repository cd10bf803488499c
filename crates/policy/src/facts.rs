use std::borrow::Cow;

use jiff::Timestamp;
use strongroom_model::{Ocid, Permission, Principal};

/// What a request carries under a name: one text, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// One.
    One(String),
    /// A set.
    Set(Vec<String>),
}

/// Name of a variable, in lower case.
pub type FactName = Cow<'static, str>;

/// A permission asked for, and on what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The permission.
    pub permission: Permission,
    /// The compartment that the target is in, then its ancestors, the tenancy last.
    pub path: &'a [Ocid],
    /// What is known of the target: `target.secret.name` and the like.
    pub target: &'a [(FactName, Fact)],
    /// The target's defined tags, by `namespace.key`; absent if there is no target yet.
    pub tags: &'a [(String, String)],
}

impl<'a> Asked<'a> {
    /// Asks for a permission on something of which only the place is known.
    #[must_use]
    pub const fn at(permission: Permission, path: &'a [Ocid]) -> Self {
        Self { permission, path, target: &[], tags: &[] }
    }
}

/// What is known of a request besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Name of the operation.
    pub operation: &'a str,
    /// Key of the region, such as `IAD`.
    pub region: Option<&'a str>,
    /// When it is made.
    pub time: Option<Timestamp>,
    /// What else: `request.networkSource.name` and the like, by name in lower case.
    pub facts: &'a [(FactName, Fact)],
}

/// May this principal have all of this?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// The request.
    pub request: Request<'a>,
    /// What for.
    pub needs: &'a [Asked<'a>],
}
