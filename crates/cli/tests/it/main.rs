//! The client against a vault in this process: what one sends, the other understands.

#[cfg(test)]
mod crypto;
#[cfg(test)]
mod house;
