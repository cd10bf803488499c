use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression,
};

use crate::tenancy::Tenancy;
use crate::{Outcome, Side};

/// What `read secret-family` grants.
const READ_FAMILY: [&str; 6] = [
    "SECRET_INSPECT",
    "SECRET_READ",
    "SECRET_VERSION_INSPECT",
    "SECRET_VERSION_READ",
    "SECRET_BUNDLE_INSPECT",
    "SECRET_BUNDLE_READ",
];

/// The same policies and requests, entities and requests made once.
pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<Request>,
}

impl Cedar {
    pub(crate) fn new(tenancy: &Tenancy) -> Outcome<Self> {
        let mut text = String::new();
        for grant in &tenancy.grants {
            write!(
                text,
                "permit(principal in Group::\"{}\", action in Action::\"read secret-family\", \
                 resource in Compartment::\"{}\") when {{ resource.name like \"{}*\" }};",
                grant.group, grant.compartment, grant.begins
            )?;
        }
        let mut entities = Vec::new();
        for permission in READ_FAMILY {
            entities.push(entity("Action", permission, &["Action::read secret-family"])?);
        }
        entities.push(entity("Action", "read secret-family", &[])?);
        for group in 0..=tenancy.groups {
            entities.push(entity("Group", &group.to_string(), &[])?);
        }
        for place in 0..tenancy.compartments {
            let above = match place % 3 {
                0 => "Compartment::root".to_owned(),
                _ => format!("Compartment::{}", place - 1),
            };
            entities.push(entity("Compartment", &place.to_string(), &[&above])?);
        }
        entities.push(entity("Compartment", "root", &[])?);
        let mut requests = Vec::new();
        for (number, request) in tenancy.requests.iter().enumerate() {
            let number = number.to_string();
            let groups: Vec<String> =
                request.groups.iter().map(|group| format!("Group::{group}")).collect();
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            entities.push(entity("User", &number, &groups)?);
            let name = RestrictedExpression::new_string(request.secret.clone());
            let place = uid("Compartment", &request.compartment.to_string())?;
            entities.push(Entity::new(
                uid("Secret", &number)?,
                HashMap::from([("name".to_owned(), name)]),
                HashSet::from([place]),
            )?);
            requests.push(Request::new(
                uid("User", &number)?,
                uid("Action", "SECRET_BUNDLE_READ")?,
                uid("Secret", &number)?,
                Context::empty(),
                None,
            )?);
        }
        let entities = Entities::from_entities(entities, None)?;
        Ok(Self { authorizer: Authorizer::new(), policies: text.parse()?, entities, requests })
    }
}

impl Side for Cedar {
    fn allows(&self, request: usize) -> bool {
        let Some(request) = self.requests.get(request) else { return false };
        let response = self.authorizer.is_authorized(request, &self.policies, &self.entities);
        response.decision() == Decision::Allow
    }
}

fn uid(kind: &str, id: &str) -> Outcome<EntityUid> {
    let kind: EntityTypeName = kind.parse()?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// An entity and its parents, each as `Type::id`.
fn entity(kind: &str, id: &str, parents: &[&str]) -> Outcome<Entity> {
    let parent = |parent: &&str| {
        let (kind, id) = parent.split_once("::").unwrap_or((parent, ""));
        uid(kind, id)
    };
    let parents = parents.iter().map(parent).collect::<Outcome<HashSet<_>>>()?;
    Ok(Entity::new_no_attrs(uid(kind, id)?, parents))
}
