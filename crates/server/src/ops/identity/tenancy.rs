use strongroom_model::{Ocid, Region, Tags};
use strongroom_wire::bodies::{AvailabilityDomain, RegionBody, RegionSubscription, TenancyBody};

use crate::failure::Failure;
use crate::ops::Context;
use crate::reply::Reply;

fn check(context: &Context<'_>, id: &Ocid) -> Result<(), Failure> {
    let is_own = *id == context.catalog.tenancy.id;
    if is_own { Ok(()) } else { Err(Failure::not_found("it is no tenancy of this server")) }
}

/// `GetTenancy`.
pub(super) fn get(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    check(context, id)?;
    let tenancy = &context.catalog.tenancy;
    let home = Region::named(&tenancy.home_region).unwrap_or(context.shared.region);
    Reply::of(&TenancyBody::new(tenancy, home, &Tags::default()))
}

/// `ListRegions`: all that Oracle's clients know.
pub(super) fn list_regions() -> Result<Reply, Failure> {
    Reply::of(&Region::ALL.iter().map(RegionBody::from).collect::<Vec<_>>())
}

/// `ListRegionSubscriptions`: this region, and those it is paired with.
pub(super) fn list_region_subscriptions(
    context: &Context<'_>,
    id: &Ocid,
) -> Result<Reply, Failure> {
    check(context, id)?;
    let home = &context.catalog.tenancy.home_region;
    let others = context.catalog.regions.peers.keys().filter_map(|name| Region::named(name));
    let regions = std::iter::once(context.shared.region).chain(others);
    let body = |region: &'static Region| RegionSubscription::new(region, region.name == home);
    Reply::of(&regions.map(body).collect::<Vec<_>>())
}

/// `ListAvailabilityDomains`: a server is one.
pub(super) fn list_availability_domains(context: &Context<'_>) -> Result<Reply, Failure> {
    Reply::of(&[AvailabilityDomain::only(&context.catalog.tenancy.id, context.shared.region)])
}
