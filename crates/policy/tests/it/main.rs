//! The language against statements that others wrote, decisions against cases and a second evaluator.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod world;
