//! The server from outside: who may do what, and what is on record afterwards.

mod audit;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod consumers;
#[cfg(test)]
mod crypto;
#[cfg(test)]
mod house;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod matrix_federation;
#[cfg(test)]
mod matrix_identity;
#[cfg(test)]
mod matrix_names;
#[cfg(test)]
mod places;
#[cfg(test)]
mod races;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod store_backup;
#[cfg(test)]
mod tags;
