//! The server from outside: who may do what, and what is on record afterwards.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod house;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod rotation;
