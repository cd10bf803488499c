//! Signatures of Oracle's clients, and of requests that were bent afterwards.

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod vectors;

#[cfg(test)]
use std::collections::BTreeMap;

#[cfg(test)]
use strongroom_signing::{HeaderSource, HeaderValue};

/// Headers by lower-case name; a name may have several values.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
struct Headers(BTreeMap<String, Vec<String>>);

#[cfg(test)]
impl Headers {
    fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_lowercase(), vec![value.to_owned()]);
    }
}

#[cfg(test)]
impl HeaderSource for Headers {
    fn header(&self, lower_case_name: &str) -> HeaderValue<'_> {
        match self.0.get(lower_case_name).map(Vec::as_slice) {
            None | Some([]) => HeaderValue::Absent,
            Some([value]) => HeaderValue::One(value),
            Some(_) => HeaderValue::Many,
        }
    }
}
