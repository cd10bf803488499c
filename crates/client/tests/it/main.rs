//! The client against a server that plays a script, over sockets.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod calls;
mod identity;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tls;
