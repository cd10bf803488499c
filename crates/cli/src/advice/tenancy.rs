use std::collections::BTreeMap;

use strongroom_advice::{
    CompartmentEntry, DynamicGroupEntry, GroupEntry, PolicyEntry, PrincipalEntry, TenancyFile,
    WorldFile,
};
use strongroom_client::{
    Client, ClientError, CompartmentSummary, DefinedTagValues, GroupMembership, NamedSummary,
};
use strongroom_model::Ocid;

use crate::failure::{Exit, Failure, warn};
use crate::hand::output::{is_refusal, refused};

/// Key of the tenancy in the file.
const ROOT: &str = "root";

const DOMAIN: &str = "Default";

/// Reads the tenancy whose user signs: compartments, groups with their members, and policies. Warns of
/// compartments whose policies the caller may not list, and leaves those out.
pub(super) async fn tenancy(client: &Client) -> Result<TenancyFile, Failure> {
    let cannot = |error: ClientError| refused(&error, "read the tenancy and its policies");
    let root = client.tenancy().await.map_err(cannot)?;
    let mut listing = Listing::new(ocid(&root.id)?, root.name);
    listing.take_compartments(client.compartments().await.map_err(cannot)?)?;
    listing.take_users(client.users().await.map_err(cannot)?)?;
    for group in client.groups().await.map_err(cannot)? {
        let members = client.members(&group.id).await.map_err(cannot)?;
        listing.take_group(group, &members)?;
    }
    for group in client.dynamic_groups().await.map_err(cannot)? {
        listing.take_dynamic_group(group)?;
    }
    let (mut policies, mut policies_left_out) = (Vec::new(), Vec::new());
    for (key, compartment) in &listing.world.compartments {
        let attached = match client.policies(compartment.id.as_str()).await {
            Ok(attached) => attached,
            Err(error) if is_refusal(&error) => {
                policies_left_out.push(key.clone());
                if policies_left_out.len() == listing.world.compartments.len() {
                    return Err(cannot(error));
                }
                continue;
            }
            Err(error) => return Err(cannot(error)),
        };
        policies.extend(attached.into_iter().map(|policy| PolicyEntry {
            name: Some(policy.name),
            attach: key.clone(),
            statements: policy.statements,
        }));
    }
    let (region, world) = (root.home_region_key, listing.world);
    let file = TenancyFile { region, world, policies, policies_left_out };
    warn_of_left_out(&file);
    Ok(file)
}

/// Warns that policies are not in a description of a tenancy, if any are not.
pub(super) fn warn_of_left_out(file: &TenancyFile) {
    if let Some(left_out) = file.left_out() {
        let why =
            "whoever read the tenancy may not list them; what they allow or deny is not known";
        warn("policies-left-out", &format!("the {left_out} are left out"), why);
    }
}

fn ocid(text: &str) -> Result<Ocid, Failure> {
    text.parse().map_err(|_not_an_ocid| {
        Failure::new(Exit::Failed, "bad-answer", "cannot read the tenancy and its policies")
            .because(format!("the service says that `{text}` is an OCID"))
    })
}

fn flat(tags: DefinedTagValues) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for (namespace, keys) in tags {
        for (key, value) in keys {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            flat.insert(format!("{namespace}.{key}"), text);
        }
    }
    flat
}

struct Listing {
    world: WorldFile,
    /// Keys of users, by OCID.
    users: BTreeMap<String, String>,
}

impl Listing {
    fn new(tenancy_id: Ocid, name: String) -> Self {
        let root =
            CompartmentEntry { id: tenancy_id.clone(), name, parent: None, tags: BTreeMap::new() };
        let world = WorldFile {
            tenancy_id,
            compartments: BTreeMap::from([(ROOT.to_owned(), root)]),
            groups: Vec::new(),
            dynamic_groups: Vec::new(),
            principals: BTreeMap::new(),
        };
        Self { world, users: BTreeMap::new() }
    }

    /// Keys are the names that lead from the tenancy to a compartment, with slashes between.
    fn take_compartments(&mut self, listed: Vec<CompartmentSummary>) -> Result<(), Failure> {
        let mut keys = BTreeMap::from([(self.world.tenancy_id.to_string(), ROOT.to_owned())]);
        let mut rest: Vec<CompartmentSummary> =
            listed.into_iter().filter(|one| one.lifecycle_state != "DELETED").collect();
        loop {
            let before = rest.len();
            let (ready, later): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|one| keys.contains_key(&one.compartment_id));
            for one in ready {
                let parent = keys.get(&one.compartment_id).cloned().unwrap_or_default();
                let above = if parent == ROOT { String::new() } else { format!("{parent}/") };
                let mut key = format!("{above}{}", one.name);
                if self.world.compartments.contains_key(&key) {
                    key.clone_from(&one.id);
                }
                keys.insert(one.id.clone(), key.clone());
                let entry = CompartmentEntry {
                    id: ocid(&one.id)?,
                    name: one.name,
                    parent: Some(parent),
                    tags: flat(one.defined_tags),
                };
                self.world.compartments.insert(key, entry);
            }
            rest = later;
            if rest.is_empty() || rest.len() == before {
                return Ok(());
            }
        }
    }

    fn take_users(&mut self, listed: Vec<NamedSummary>) -> Result<(), Failure> {
        for user in listed {
            let taken = self.world.principals.contains_key(&user.name);
            let key = if taken { user.id.clone() } else { user.name.clone() };
            self.users.insert(user.id.clone(), key.clone());
            let entry = PrincipalEntry::User { id: ocid(&user.id)?, name: user.name };
            self.world.principals.insert(key, entry);
        }
        Ok(())
    }

    fn take_group(
        &mut self,
        group: NamedSummary,
        members: &[GroupMembership],
    ) -> Result<(), Failure> {
        let (domain, name) = qualified(group.name);
        let keys = members.iter().filter_map(|member| self.users.get(&member.user_id).cloned());
        self.world.groups.push(GroupEntry {
            id: ocid(&group.id)?,
            name,
            domain,
            members: keys.collect(),
            tags: flat(group.defined_tags),
        });
        Ok(())
    }

    fn take_dynamic_group(&mut self, group: NamedSummary) -> Result<(), Failure> {
        let (domain, name) = qualified(group.name);
        self.world.dynamic_groups.push(DynamicGroupEntry {
            id: ocid(&group.id)?,
            name,
            domain,
            rule: group.matching_rule,
            tags: flat(group.defined_tags),
        });
        Ok(())
    }
}

/// Tenancies with identity domains put the domain before the name.
fn qualified(name: String) -> (String, String) {
    match name.split_once('/') {
        Some((domain, own)) => (domain.to_owned(), own.to_owned()),
        None => (DOMAIN.to_owned(), name),
    }
}
