//! The client against a server that plays a script, over sockets; its cache over a service that does
//! as it is told, on a clock that is turned.

#[cfg(test)]
mod cache_capacity;
#[cfg(test)]
mod cache_feed;
#[cfg(test)]
mod cache_flights;
#[cfg(test)]
mod cache_histories;
#[cfg(test)]
mod cache_outage;
#[cfg(test)]
mod cache_rotation;
#[cfg(test)]
mod cache_service;
#[cfg(test)]
mod cache_told;
#[cfg(test)]
mod cache_world;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod crypto;
mod identity;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tls;
