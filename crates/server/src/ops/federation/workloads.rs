use strongroom_model::{Ocid, Workload};
use strongroom_signing::PublicKey;
use strongroom_store::Batch;
use strongroom_wire::bodies::{CertificateBody, WorkloadBody};
use strongroom_wire::{ChangedNamed, CreateWorkloadDetails};

use crate::ask::{ByCompartment, NameFilter};
use crate::authority;
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::identity::named::{
    self, change, check_limit, conflict, describe, found, kept, named, remove,
};
use crate::reply::Reply;
use crate::rows;

named!(
    Workload,
    "workload of this compartment",
    rows::workload,
    |workload, name| rows::workload_name(&workload.compartment_id, name),
    |catalog, id| kept(&catalog.workloads, id),
    |workload, catalog| {
        catalog.workloads.values().any(|(other, _)| {
            other.id != workload.id
                && other.compartment_id == workload.compartment_id
                && other.name.eq_ignore_ascii_case(&workload.name)
        })
    },
    |workload, _| Reply::of(&WorkloadBody::from(workload))
);

/// `CreateWorkload`: enrolls it. It authenticates as soon as a certificate was issued for it.
pub(super) async fn create(
    context: Context<'_>,
    details: CreateWorkloadDetails,
) -> Result<Reply, Failure> {
    named::create(context, |context| {
        let CreateWorkloadDetails { named, resource_type } = details;
        let (count, most) = (context.catalog.workloads.len(), context.shared.limits.workloads);
        check_limit("workloads", count, most)?;
        let resource_type = resource_type.unwrap_or_else(|| Workload::INSTANCE.to_owned());
        let (region, random) = (context.shared.region, &*context.shared.random);
        Ok(Workload {
            id: Ocid::of_resource(&resource_type, region, random),
            compartment_id: named.compartment_id,
            name: named.name,
            description: named.description,
            resource_type,
            time_created: context.record.time,
            tags: named.tags,
        })
    })
    .await
}

/// `GetWorkload`.
pub(super) fn get(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    named::get::<Workload>(context.catalog, id)
}

/// `ListWorkloads`: those of a compartment.
pub(super) fn list(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &NameFilter,
) -> Result<Reply, Failure> {
    let workloads = context.catalog.workloads.values().map(|(found, _)| (&**found, "ACTIVE"));
    let listed = workloads.filter(|(found, _)| found.compartment_id == by.compartment_id);
    named::list(listed, by, filter, WorkloadBody::from)
}

/// `UpdateWorkload`. Tags count for dynamic groups from the next request on.
pub(super) async fn update(
    context: &Context<'_>,
    id: &Ocid,
    details: &ChangedNamed,
) -> Result<Reply, Failure> {
    change(context, id, |workload: &Workload, _| {
        let mut next = workload.clone();
        describe(details, &mut next.description, &mut next.tags);
        Ok((next, Batch::new()))
    })
    .await
}

/// `ChangeWorkloadCompartment`. The new compartment counts from the next request on, whatever the
/// certificate says.
pub(super) async fn move_to(context: &Context<'_>, id: &Ocid, to: &Ocid) -> Result<Reply, Failure> {
    change(context, id, |workload: &Workload, _| {
        if workload.compartment_id == *to {
            return Err(conflict("The workload is in this compartment."));
        }
        Ok((Workload { compartment_id: to.clone(), ..workload.clone() }, Batch::new()))
    })
    .await
}

/// `DeleteWorkload`: its certificates and tokens are of no use from then on.
pub(super) async fn delete(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    remove(context, id, |_: &Workload, _| Ok(Batch::new())).await
}

/// `IssueWorkloadCertificate`: for a key whose private half never came here.
pub(super) async fn issue(
    context: &Context<'_>,
    id: &Ocid,
    public_key: &PublicKey,
) -> Result<Reply, Failure> {
    let (workload, _) = found::<Workload>(context.catalog, id)?;
    let (shared, tenancy) = (context.shared, &context.catalog.tenancy.id);
    let issued = authority::certify(shared, workload, public_key, context.record.time).await?;
    Reply::of(&CertificateBody {
        workload_id: workload.id.to_string(),
        name: workload.name.clone(),
        region: shared.region.name.to_owned(),
        tenancy_id: tenancy.to_string(),
        compartment_id: workload.compartment_id.to_string(),
        certificate: issued.certificate.to_pem(),
        intermediate_certificate: issued.intermediate.to_pem(),
        root_certificate: issued.root.to_pem(),
        time_of_expiry: issued.not_after,
    })
}

/// `RenewWorkloadCertificate`: for who came with a certificate that is still valid.
pub(super) async fn renew(context: &Context<'_>, public_key: &PublicKey) -> Result<Reply, Failure> {
    let id = context.principal.id();
    let id = id.ok_or_else(|| Failure::internal("a certificate without a workload"))?;
    issue(context, id, public_key).await
}
