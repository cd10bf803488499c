//! Real statements, refused statements, and decisions of others.

#[cfg(test)]
mod brute_force;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod corpora;
