use std::sync::Arc;

use strongroom_model::{DynamicGroup, Group, Ocid, Policy, TagNamespace, Tags, User};
use strongroom_policy::{Fact, FactName, types_of};

use super::{Finder, Located};
use crate::ask::IdentityAsk;
use crate::catalog::flat_tags;

type Facts = Vec<(FactName, Fact)>;

impl Finder<'_> {
    /// Finds what is asked of the identity service. What is still to be made has a name only, and
    /// lists have no target.
    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    pub(super) fn identity(&self, ask: &IdentityAsk) -> Located {
        match ask {
            IdentityAsk::ListCompartments(by, filter) => Located {
                is_left_to_items: filter.accessible_only,
                ..self.compartment(&by.compartment_id)
            },
            IdentityAsk::ListUsers { by, .. }
            | IdentityAsk::ListGroups(by, _)
            | IdentityAsk::ListUserGroupMemberships { by, .. }
            | IdentityAsk::ListDynamicGroups(by, _)
            | IdentityAsk::ListPolicies(by, _)
            | IdentityAsk::ListTagNamespaces { by, .. } => self.compartment(&by.compartment_id),
            IdentityAsk::GetCompartment(id)
            | IdentityAsk::UpdateCompartment(id, _)
            | IdentityAsk::DeleteCompartment(id)
            | IdentityAsk::ListAvailabilityDomains(id) => self.known_compartment(id),
            IdentityAsk::MoveCompartment(id, to) => self.moved_compartment(id, to),
            IdentityAsk::CreateCompartment(details) => self.place(&details.compartment_id),
            IdentityAsk::CreateUser(details) => self.new_at(
                &details.named.compartment_id,
                vec![one("target.user.name", &details.named.name)],
            ),
            IdentityAsk::GetUser(id)
            | IdentityAsk::UpdateUser(id, _)
            | IdentityAsk::DeleteUser(id)
            | IdentityAsk::ListApiKeys(id)
            | IdentityAsk::UploadApiKey(id, _)
            | IdentityAsk::DeleteApiKey(id, _) => self.user(id),
            IdentityAsk::CreateGroup(details) => {
                self.new_at(&details.compartment_id, vec![one("target.group.name", &details.name)])
            }
            IdentityAsk::GetGroup(id)
            | IdentityAsk::UpdateGroup(id, _)
            | IdentityAsk::DeleteGroup(id) => self.group(id),
            IdentityAsk::AddUserToGroup(details) => {
                self.membership_of(&details.user_id, &details.group_id)
            }
            IdentityAsk::GetUserGroupMembership(id) | IdentityAsk::RemoveUserFromGroup(id) => {
                match self.catalog.membership(id) {
                    Some((user, group)) => self.membership_of(&user.id, group),
                    None => Located { target_id: Some(id.clone()), ..Located::default() },
                }
            }
            IdentityAsk::CreateDynamicGroup(details) => self.new_at(
                &details.named.compartment_id,
                vec![one("target.dynamicgroup.name", &details.named.name)],
            ),
            IdentityAsk::GetDynamicGroup(id)
            | IdentityAsk::UpdateDynamicGroup(id, _)
            | IdentityAsk::DeleteDynamicGroup(id) => self.dynamic_group(id),
            IdentityAsk::CreatePolicy(details) => self.new_at(
                &details.named.compartment_id,
                vec![
                    one("target.policy.name", &details.named.name),
                    policy_type(&details.statements),
                ],
            ),
            IdentityAsk::GetPolicy(id) | IdentityAsk::DeletePolicy(id) => self.policy(id, &[]),
            IdentityAsk::UpdatePolicy(id, details) => {
                self.policy(id, details.statements.as_deref().unwrap_or_default())
            }
            IdentityAsk::CreateTagNamespace(details) => self.new_at(
                &details.compartment_id,
                vec![one("target.tag-namespace.name", &details.name)],
            ),
            IdentityAsk::GetTagNamespace(id)
            | IdentityAsk::UpdateTagNamespace(id, _)
            | IdentityAsk::DeleteTagNamespace(id)
            | IdentityAsk::ListTags(id, _, _)
            | IdentityAsk::GetTag(id, _)
            | IdentityAsk::DeleteTag(id, _) => self.tag_namespace(id),
            IdentityAsk::CreateTag(id, _) => {
                Located { held_tags: Some(Vec::new()), ..self.tag_namespace(id) }
            }
            IdentityAsk::UpdateTag(id, name, _) => {
                let tag = self.catalog.tag_named(id, name);
                let held_tags = tag.map(|(tag, _)| flat_tags(&tag.tags));
                Located { held_tags: held_tags.or(Some(Vec::new())), ..self.tag_namespace(id) }
            }
            IdentityAsk::GetTenancy(id) | IdentityAsk::ListRegionSubscriptions(id) => {
                self.tenancy(id)
            }
            IdentityAsk::ListRegions => self.compartment(&self.catalog.tenancy.id),
        }
    }

    fn known_compartment(&self, id: &Ocid) -> Located {
        let tags = self.catalog.compartments.get(id).map(|(found, _)| flat_tags(&found.tags));
        Located { own_tags: tags.unwrap_or_default(), ..self.compartment(id) }
    }

    /// What is needed is needed above both places.
    fn moved_compartment(&self, id: &Ocid, to: &Ocid) -> Located {
        let located = self.known_compartment(id);
        let destination = self.place(to).compartment;
        let shared =
            located.compartment.as_ref().zip(destination.as_ref()).and_then(|(from, to)| {
                let below = from.iter().skip(1).position(|ancestor| to.contains(ancestor))?;
                from.get(below.saturating_add(1)..).map(Arc::from)
            });
        Located { shared_parent: shared, destination, ..located }
    }

    fn new_at(&self, compartment_id: &Ocid, more: Facts) -> Located {
        Located { more, ..self.place(compartment_id) }
    }

    fn at(&self, compartment_id: &Ocid, id: &Ocid, more: Facts, tags: &Tags) -> Located {
        Located {
            compartment: self.catalog.path(compartment_id),
            target_id: Some(id.clone()),
            more,
            own_tags: flat_tags(tags),
            ..Located::default()
        }
    }

    fn absent(id: &Ocid) -> Located {
        Located { target_id: Some(id.clone()), ..Located::default() }
    }

    fn user(&self, id: &Ocid) -> Located {
        let Some((user, _)) = self.catalog.users.get(id) else { return Self::absent(id) };
        let located = self.at(&user.compartment_id, id, user_facts(user), &user.tags);
        Located { own: Some(id.clone()), ..located }
    }

    fn group(&self, id: &Ocid) -> Located {
        let Some((group, _)) = self.catalog.groups.get(id) else { return Self::absent(id) };
        self.at(&group.compartment_id, id, group_facts(group), &group.tags)
    }

    fn membership_of(&self, user: &Ocid, group: &Ocid) -> Located {
        let (found, group) = (self.user(user), self.group(group));
        let more = found.more.into_iter().chain(group.more).collect();
        let compartment = found.compartment.filter(|_| group.compartment.is_some());
        Located {
            compartment,
            target_id: found.target_id,
            more,
            own_tags: found.own_tags,
            group_tags: group.own_tags,
            ..Located::default()
        }
    }

    fn dynamic_group(&self, id: &Ocid) -> Located {
        let found = self.catalog.dynamic_groups.get(id).map(|(entry, _)| &entry.group);
        let Some(group) = found else { return Self::absent(id) };
        self.at(&group.compartment_id, id, dynamic_group_facts(group), &group.tags)
    }

    fn policy(&self, id: &Ocid, new_statements: &[String]) -> Located {
        let Some((policy, _)) = self.catalog.policies.get(id) else { return Self::absent(id) };
        self.at(&policy.compartment_id, id, policy_facts(policy, new_statements), &policy.tags)
    }

    fn tag_namespace(&self, id: &Ocid) -> Located {
        let found = self.catalog.tag_namespaces.get(id);
        let Some((namespace, _)) = found else { return Self::absent(id) };
        self.at(&namespace.compartment_id, id, namespace_facts(namespace), &namespace.tags)
    }
}

pub(super) fn one(name: &'static str, text: &str) -> (FactName, Fact) {
    (FactName::Borrowed(name), Fact::One(text.to_owned()))
}

fn user_facts(user: &User) -> Facts {
    vec![one("target.user.id", user.id.as_str()), one("target.user.name", &user.name)]
}

fn group_facts(group: &Group) -> Facts {
    vec![one("target.group.id", group.id.as_str()), one("target.group.name", &group.name)]
}

fn dynamic_group_facts(group: &DynamicGroup) -> Facts {
    vec![
        one("target.dynamicgroup.id", group.id.as_str()),
        one("target.dynamicgroup.name", &group.name),
    ]
}

fn policy_facts(policy: &Policy, new_statements: &[String]) -> Facts {
    let statements: Vec<String> =
        policy.statements.iter().chain(new_statements).map(String::clone).collect();
    vec![
        one("target.policy.id", policy.id.as_str()),
        one("target.policy.name", &policy.name),
        policy_type(&statements),
    ]
}

fn policy_type(statements: &[String]) -> (FactName, Fact) {
    (FactName::Borrowed("target.policy.type"), Fact::Set(types_of(statements)))
}

pub(super) fn namespace_facts(namespace: &TagNamespace) -> Facts {
    vec![
        one("target.tag-namespace.id", namespace.id.as_str()),
        one("target.tag-namespace.name", &namespace.name),
    ]
}
