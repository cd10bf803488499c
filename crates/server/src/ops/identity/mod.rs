//! The identity service: compartments, users, groups, policies and tags.

mod compartments;
mod groups;
mod memberships;
pub(in crate::ops) mod named;
mod policies;
mod tags;
mod tenancy;
mod users;

use super::Context;
use crate::ask::IdentityAsk as Ask;
use crate::authz::Permit;
use crate::failure::Failure;
use crate::reply::Reply;

/// Runs the operation that `ask` names.
#[expect(clippy::cognitive_complexity, reason = "one arm for each operation")]
pub(super) async fn run(context: Context<'_>, permit: &Permit, ask: Ask) -> Result<Reply, Failure> {
    match ask {
        Ask::ListCompartments(by, filter) => compartments::list(&context, &by, &filter),
        Ask::GetCompartment(id) => compartments::get(&context, &id),
        Ask::CreateCompartment(details) => compartments::create(context, permit, details).await,
        Ask::UpdateCompartment(id, details) => compartments::update(&context, &id, &details).await,
        Ask::DeleteCompartment(id) => compartments::delete(&context, &id).await,
        Ask::MoveCompartment(id, to) => compartments::move_to(&context, &id, &to).await,
        Ask::ListUsers { by, filter, federated } => users::list(&context, &by, &filter, federated),
        Ask::GetUser(id) => users::get(&context, &id),
        Ask::CreateUser(details) => users::create(context, details).await,
        Ask::UpdateUser(id, details) => users::update(&context, &id, &details).await,
        Ask::DeleteUser(id) => users::delete(&context, &id).await,
        Ask::ListApiKeys(id) => users::list_keys(&context, &id),
        Ask::UploadApiKey(id, pem) => users::upload_key(&context, &id, &pem).await,
        Ask::DeleteApiKey(id, fingerprint) => users::delete_key(&context, &id, &fingerprint).await,
        Ask::ListGroups(by, filter) => groups::list(&context, &by, &filter),
        Ask::GetGroup(id) => groups::get(&context, &id),
        Ask::CreateGroup(details) => groups::create(context, details).await,
        Ask::UpdateGroup(id, details) => groups::update(&context, &id, &details).await,
        Ask::DeleteGroup(id) => groups::delete(&context, &id).await,
        Ask::ListUserGroupMemberships { by, user_id, group_id } => {
            memberships::list(&context, &by, user_id.as_ref(), group_id.as_ref())
        }
        Ask::GetUserGroupMembership(id) => memberships::get(&context, &id),
        Ask::AddUserToGroup(details) => memberships::add(&context, &details).await,
        Ask::RemoveUserFromGroup(id) => memberships::remove(&context, &id).await,
        Ask::ListDynamicGroups(by, filter) => groups::list_dynamic(&context, &by, &filter),
        Ask::GetDynamicGroup(id) => groups::get_dynamic(&context, &id),
        Ask::CreateDynamicGroup(details) => groups::create_dynamic(context, details).await,
        Ask::UpdateDynamicGroup(id, details) => {
            groups::update_dynamic(&context, &id, &details).await
        }
        Ask::DeleteDynamicGroup(id) => groups::delete_dynamic(&context, &id).await,
        Ask::ListPolicies(by, filter) => policies::list(&context, &by, &filter),
        Ask::GetPolicy(id) => policies::get(&context, &id),
        Ask::CreatePolicy(details) => policies::create(context, details).await,
        Ask::UpdatePolicy(id, details) => policies::update(&context, &id, &details).await,
        Ask::DeletePolicy(id) => policies::delete(&context, &id).await,
        Ask::ListTagNamespaces { by, below, filter } => {
            tags::list_namespaces(&context, &by, below, &filter)
        }
        Ask::GetTagNamespace(id) => tags::get_namespace(&context, &id),
        Ask::CreateTagNamespace(details) => tags::create_namespace(context, details).await,
        Ask::UpdateTagNamespace(id, details) => {
            tags::update_namespace(&context, &id, &details).await
        }
        Ask::DeleteTagNamespace(id) => tags::delete_namespace(&context, &id).await,
        Ask::ListTags(id, listing, filter) => tags::list(&context, &id, &listing, &filter),
        Ask::GetTag(id, name) => tags::get(&context, &id, &name),
        Ask::CreateTag(id, details) => tags::create(context, id, details).await,
        Ask::UpdateTag(id, name, details) => tags::update(&context, &id, &name, &details).await,
        Ask::DeleteTag(id, name) => tags::delete(&context, &id, &name).await,
        Ask::GetTenancy(id) => tenancy::get(&context, &id),
        Ask::ListRegions => tenancy::list_regions(),
        Ask::ListRegionSubscriptions(id) => tenancy::list_region_subscriptions(&context, &id),
        Ask::ListAvailabilityDomains(_) => tenancy::list_availability_domains(&context),
    }
}
