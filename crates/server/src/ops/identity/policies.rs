use strongroom_model::{Ocid, OcidKind, Policy};
use strongroom_policy::{CompileErrorCause, resolve};
use strongroom_store::Batch;
use strongroom_wire::bodies::PolicyBody;
use strongroom_wire::{CreatePolicyDetails, ErrorCode, Refusal, UpdatePolicyDetails};

use super::named::{
    self, change, check_limit, conflict, describe, found, kept, named, new_id, remove, shares_name,
};
use crate::ask::{ByCompartment, NameFilter};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::changing::contended;
use crate::reply::Reply;
use crate::rows;

named!(
    Policy,
    "policy",
    rows::policy,
    |_, name| rows::policy_name(name),
    |catalog, id| kept(&catalog.policies, id),
    |policy, catalog| shares_name(policy, &catalog.policies),
    |policy, _| Reply::of(&PolicyBody::from(policy))
);

/// `ListPolicies`: those that are attached to the compartment itself.
pub(super) fn list(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &NameFilter,
) -> Result<Reply, Failure> {
    let policies = context.catalog.policies.values().map(|(policy, _)| (&**policy, "ACTIVE"));
    let attached = policies.filter(|(policy, _)| policy.compartment_id == by.compartment_id);
    named::list(attached, by, filter, PolicyBody::from)
}

/// `GetPolicy`.
pub(super) fn get(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    named::get::<Policy>(context.catalog, id)
}

/// `CreatePolicy`: in force for the next request.
pub(super) async fn create(
    context: Context<'_>,
    details: CreatePolicyDetails,
) -> Result<Reply, Failure> {
    named::create(context, |context| {
        let CreatePolicyDetails { named, statements, version_date } = details;
        let limits = context.shared.limits;
        check_limit("policies", context.catalog.policies.len(), limits.policies)?;
        let attached_to = &named.compartment_id;
        let resolved = meanings(&statements, attached_to, context.catalog, limits.statements)?;
        Ok(Policy {
            id: new_id(context, OcidKind::Policy),
            compartment_id: named.compartment_id,
            name: named.name,
            description: named.description,
            statements,
            resolved,
            version_date,
            time_created: context.record.time,
            tags: named.tags,
        })
    })
    .await
}

/// What the names of each statement mean now.
fn meanings(
    statements: &[String],
    attached_to: &Ocid,
    catalog: &Catalog,
    most: usize,
) -> Result<Vec<Vec<Ocid>>, Failure> {
    if statements.len() > most {
        let message = format!("statements: a policy may hold {most}");
        return Err(Refusal::new(ErrorCode::LimitExceeded, message).into());
    }
    let meaning = |(index, text): (usize, &String)| {
        resolve(text, attached_to, catalog).map_err(|error| {
            let field = format!("statements[{index}]");
            let said = match &error.cause {
                CompileErrorCause::Parse(error) => error.advice(),
                cause => format!("{cause} at character {}", error.span.start),
            };
            Failure::from(Refusal::invalid(&field, &said))
        })
    };
    statements.iter().enumerate().map(meaning).collect()
}

/// `UpdatePolicy`: in force for the next request.
pub(super) async fn update(
    context: &Context<'_>,
    id: &Ocid,
    details: &UpdatePolicyDetails,
) -> Result<Reply, Failure> {
    change(context, id, |policy: &Policy, catalog| {
        check_not_first(policy, catalog)?;
        check_statements(policy, context)?;
        let mut next = policy.clone();
        describe(&details.named, &mut next.description, &mut next.tags);
        if let Some(statements) = &details.statements {
            let most = context.shared.limits.statements;
            next.resolved = meanings(statements, &policy.compartment_id, catalog, most)?;
            next.statements.clone_from(statements);
        }
        if let Some(date) = &details.version_date {
            next.version_date = Some(date.clone());
        }
        Ok((next, Batch::new()))
    })
    .await
}

/// `DeletePolicy`: in force for the next request.
pub(super) async fn delete(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    remove(context, id, |policy: &Policy, catalog| {
        check_not_first(policy, catalog)?;
        check_statements(policy, context)?;
        Ok(Batch::new())
    })
    .await
}

/// Refuses what was judged for other statements: who may change policies may depend on what these do.
fn check_statements(policy: &Policy, context: &Context<'_>) -> Result<(), Failure> {
    let (seen, _) = found::<Policy>(context.catalog, &policy.id)?;
    if seen.statements == policy.statements { Ok(()) } else { Err(contended()) }
}

fn check_not_first(policy: &Policy, catalog: &Catalog) -> Result<(), Failure> {
    if policy.name == Policy::TENANT_ADMIN && policy.compartment_id == catalog.tenancy.id {
        return Err(conflict("The policy that lets administrators administer stays as it is."));
    }
    Ok(())
}
