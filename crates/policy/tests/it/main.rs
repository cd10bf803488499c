//! The language against statements that others wrote, decisions against cases, a second evaluator and
//! laws.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod printing;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod suggestions;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod world;
