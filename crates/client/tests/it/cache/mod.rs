//! The cache over an upstream that counts and does as it is told, on a clock that is turned.

mod capacity;
mod feed;
mod flights;
mod histories;
mod outage;
mod rotation;
mod service;
mod world;
