use serde::{Deserialize, Serialize};

/// A rotation state of a secret version; a version holds a set of them.
///
/// Source: OCI documentation, "Secret Versions and Rotation States".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// In use: the default answer of retrieval. Exactly one version holds it.
    Current,
    /// Uploaded, not yet promoted. At most one version holds it.
    Pending,
    /// Uploaded last. Exactly one version holds it.
    Latest,
    /// In use before the current one. At most one version holds it.
    Previous,
    /// None of current, pending and previous.
    Deprecated,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] =
        [Self::Current, Self::Pending, Self::Latest, Self::Previous, Self::Deprecated];

    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "CURRENT",
            Self::Pending => "PENDING",
            Self::Latest => "LATEST",
            Self::Previous => "PREVIOUS",
            Self::Deprecated => "DEPRECATED",
        }
    }
}

/// Which version holds which stage. A version number held by none of them is `DEPRECATED`, so the
/// cardinalities of [`Stage`] hold by construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stages {
    /// Number of the `CURRENT` version.
    pub current: u64,
    /// Number of the `LATEST` version, which is also the highest number ever given.
    pub latest: u64,
    /// Number of the `PENDING` version.
    pub pending: Option<u64>,
    /// Number of the `PREVIOUS` version.
    pub previous: Option<u64>,
}

/// What moves stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageEvent {
    /// A new version that is in use at once.
    AddCurrent,
    /// A new version that waits for promotion.
    AddPending,
    /// Promotion or rollback to a version.
    Promote(u64),
    /// The `PREVIOUS` version is of no use any more.
    RetirePrevious,
}

impl Stages {
    /// The stages after a secret was created: version 1 is `CURRENT` and `LATEST`.
    pub const FIRST: Self = Self { current: 1, latest: 1, pending: None, previous: None };

    /// Returns the stages of the version `number`, in OCI's order.
    #[must_use]
    pub fn of(&self, number: u64) -> Vec<Stage> {
        let mut stages = Vec::with_capacity(2);
        if number == self.current {
            stages.push(Stage::Current);
        } else if self.pending == Some(number) {
            stages.push(Stage::Pending);
        } else if self.previous == Some(number) {
            stages.push(Stage::Previous);
        } else {
            stages.push(Stage::Deprecated);
        }
        if number == self.latest {
            stages.push(Stage::Latest);
        }
        stages
    }

    /// Returns the stages after `event`, the transition table of OCI's version stages.
    ///
    /// - A new `CURRENT` version makes the old one `PREVIOUS` and a waiting one `DEPRECATED`.
    /// - A new `PENDING` version makes an earlier one `DEPRECATED`.
    /// - Promotion and rollback are one move: the version becomes `CURRENT` whatever it was, the
    ///   old one `PREVIOUS`; `LATEST` stays. To the version that is `CURRENT` it changes nothing.
    #[must_use]
    pub fn after(self, event: StageEvent) -> Self {
        let next = self.latest.saturating_add(1);
        match event {
            StageEvent::AddCurrent => {
                Self { current: next, latest: next, pending: None, previous: Some(self.current) }
            }
            StageEvent::AddPending => Self { latest: next, pending: Some(next), ..self },
            StageEvent::Promote(number) if number == self.current => self,
            StageEvent::Promote(number) => Self {
                current: number,
                previous: Some(self.current),
                pending: self.pending.filter(|pending| *pending != number),
                ..self
            },
            StageEvent::RetirePrevious => Self { previous: None, ..self },
        }
    }
}

/// A set of version numbers, kept as ranges: what is deleted is mostly the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NumberSet(Vec<(u64, u64)>);

impl NumberSet {
    /// Tells whether the set holds `number`.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// Tells how many numbers the set holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Adds a number.
    pub fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        self.0.push((number, number));
        self.0.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0.drain(..) {
            match joined.last_mut() {
                Some(before) if before.1.checked_add(1) == Some(first) => before.1 = last,
                _ => joined.push((first, last)),
            }
        }
        self.0 = joined;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Every state that up to five versions can be in.
    fn every_state() -> Vec<Stages> {
        let mut states = Vec::new();
        for latest in 1..=5 {
            let others = || std::iter::once(None).chain((1..=latest).map(Some));
            for (current, pending) in (1..=latest).flat_map(|c| others().map(move |p| (c, p))) {
                for previous in others() {
                    let distinct = Some(current) != pending
                        && Some(current) != previous
                        && (pending.is_none() || pending != previous);
                    if distinct {
                        states.push(Stages { current, latest, pending, previous });
                    }
                }
            }
        }
        states
    }

    fn held(stages: &Stages, stage: Stage) -> Vec<u64> {
        (1..=stages.latest).filter(|number| stages.of(*number).contains(&stage)).collect()
    }

    /// Oracle's table, told a second time: in sets of stages per version instead of one field each.
    fn by_table(before: &Stages, event: StageEvent) -> Vec<(u64, BTreeSet<Stage>)> {
        let mut rows: Vec<(u64, BTreeSet<Stage>)> = (1..=before.latest)
            .map(|number| (number, before.of(number).into_iter().collect()))
            .collect();
        let replace = |rows: &mut Vec<(u64, BTreeSet<Stage>)>, from: Stage, to: Option<Stage>| {
            for (_, stages) in rows.iter_mut().filter(|(_, stages)| stages.contains(&from)) {
                stages.remove(&from);
                stages.extend(to);
            }
        };
        match event {
            StageEvent::AddCurrent => {
                replace(&mut rows, Stage::Previous, Some(Stage::Deprecated));
                replace(&mut rows, Stage::Current, Some(Stage::Previous));
                replace(&mut rows, Stage::Pending, Some(Stage::Deprecated));
                replace(&mut rows, Stage::Latest, None);
                rows.push((before.latest + 1, [Stage::Current, Stage::Latest].into()));
            }
            StageEvent::AddPending => {
                replace(&mut rows, Stage::Pending, Some(Stage::Deprecated));
                replace(&mut rows, Stage::Latest, None);
                rows.push((before.latest + 1, [Stage::Pending, Stage::Latest].into()));
            }
            StageEvent::Promote(number) if before.current != number => {
                replace(&mut rows, Stage::Previous, Some(Stage::Deprecated));
                replace(&mut rows, Stage::Current, Some(Stage::Previous));
                for (_, stages) in rows.iter_mut().filter(|(row, _)| *row == number) {
                    stages.retain(|stage| *stage == Stage::Latest);
                    stages.insert(Stage::Current);
                }
            }
            StageEvent::Promote(_) => {}
            StageEvent::RetirePrevious => {
                replace(&mut rows, Stage::Previous, Some(Stage::Deprecated));
            }
        }
        rows
    }

    #[test]
    fn every_event_in_every_state() {
        let states = every_state();
        assert_eq!(states.len(), 185);
        for before in states {
            let promotions = (1..=before.latest).map(StageEvent::Promote);
            let others =
                [StageEvent::AddCurrent, StageEvent::AddPending, StageEvent::RetirePrevious];
            for event in others.into_iter().chain(promotions) {
                let after = before.after(event);
                let rows: Vec<_> = (1..=after.latest)
                    .map(|number| (number, after.of(number).into_iter().collect()))
                    .collect();
                assert_eq!(rows, by_table(&before, event), "{before:?} {event:?}");
                assert_eq!(held(&after, Stage::Current).len(), 1);
                assert_eq!(held(&after, Stage::Latest), [after.latest]);
                assert!(held(&after, Stage::Pending).len() <= 1);
                assert!(held(&after, Stage::Previous).len() <= 1);
            }
        }
    }

    proptest! {
        #[test]
        fn a_number_set_is_a_set(numbers in prop::collection::vec(1..40_u64, 0..60)) {
            let mut set = NumberSet::default();
            for number in &numbers {
                set.insert(*number);
            }
            let expected: BTreeSet<u64> = numbers.into_iter().collect();
            prop_assert_eq!(set.count(), u64::try_from(expected.len()).unwrap());
            for number in 0..45 {
                prop_assert_eq!(set.contains(number), expected.contains(&number));
            }
            prop_assert!(set.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }
}
