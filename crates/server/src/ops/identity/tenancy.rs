use strongroom_model::{Region, Tags};
use strongroom_wire::bodies::{AvailabilityDomain, RegionBody, RegionSubscription, TenancyBody};

use crate::failure::Failure;
use crate::ops::Context;
use crate::reply::Reply;

/// `GetTenancy`.
pub(super) fn get(context: &Context<'_>) -> Result<Reply, Failure> {
    let tenancy = &context.catalog.tenancy;
    Reply::of(&TenancyBody::new(tenancy, context.shared.region, &Tags::default()))
}

/// `ListRegions`: all that Oracle's clients know.
pub(super) fn list_regions() -> Result<Reply, Failure> {
    Reply::of(&Region::ALL.iter().map(RegionBody::from).collect::<Vec<_>>())
}

/// `ListRegionSubscriptions`: a server stands for one region.
pub(super) fn list_region_subscriptions(context: &Context<'_>) -> Result<Reply, Failure> {
    Reply::of(&[RegionSubscription::home(context.shared.region)])
}

/// `ListAvailabilityDomains`: a server is one.
pub(super) fn list_availability_domains(context: &Context<'_>) -> Result<Reply, Failure> {
    Reply::of(&[AvailabilityDomain::only(&context.catalog.tenancy.id, context.shared.region)])
}
