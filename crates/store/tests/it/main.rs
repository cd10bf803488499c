//! The engines agree with each other and keep what they acknowledged.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod files;
#[cfg(test)]
mod learning;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod witness;
