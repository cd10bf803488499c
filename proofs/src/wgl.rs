//! A checker of linearizability, after Wing and Gong with the memory that Lowe added: calls are put
//! in an order that the model allows and that agrees with the times at which they began and ended.

use std::collections::HashSet;
use std::hash::Hash;

/// States that are remembered before the search is given up.
const STATES_MAX: usize = 4_000_000;

/// What a thing does that is used by one caller at a time.
pub(crate) trait Model {
    /// What it is like.
    type State: Clone + Eq + Hash;
    /// What is asked of it.
    type Input;
    /// What it answers.
    type Output;

    /// Does what is asked, if the answer can be that. Without an answer, which never came, any will
    /// do; what then need not be tried, since leaving the call out or putting another in its place
    /// comes to the same, may be refused.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;
}

/// A call, and when it was under way. Without an output it is not known whether it happened: it may
/// at any time after it began, or never.
#[derive(Debug, Clone)]
pub(crate) struct Call<I, O> {
    pub(crate) input: I,
    pub(crate) output: Option<O>,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// What was found out about a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Broken,
    /// The search was given up.
    TooHard,
}

/// Looks for an order of `calls` that begins at `first`.
pub(crate) fn check<M: Model>(
    model: &M,
    first: M::State,
    calls: &[Call<M::Input, M::Output>],
) -> Verdict {
    Search::new(model, first, calls).run()
}

/// The beginning of a call, or its end, in a list that is linked by numbers.
#[derive(Debug, Clone, Copy)]
struct Event {
    call: usize,
    is_end: bool,
    before: usize,
    after: usize,
}

struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<M::Input, M::Output>],
    /// The first is the head of the list; then the events by time.
    events: Vec<Event>,
    /// Where each call ends, if it did.
    ends: Vec<Option<usize>>,
    state: M::State,
    /// Which calls are in the order, as bits.
    placed: Vec<u64>,
    seen: HashSet<(Vec<u64>, M::State)>,
    /// The order so far: each event and the state before it.
    order: Vec<(usize, M::State)>,
    /// Calls that ended, and are not in the order.
    left: usize,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, first: M::State, calls: &'a [Call<M::Input, M::Output>]) -> Self {
        let begins = calls.iter().enumerate().map(|(number, call)| (call.began, false, number));
        let known = calls.iter().enumerate().filter(|(_, call)| call.output.is_some());
        let ends = known.map(|(number, call)| (call.ended, true, number));
        // At the same time a beginning comes first: the calls may have met.
        let mut times: Vec<(u64, bool, usize)> = begins.chain(ends).collect();
        times.sort_unstable();
        let count = times.len();
        let mut events = vec![Event { call: usize::MAX, is_end: false, before: 0, after: 1 }];
        let mut place_of_end = vec![None; calls.len()];
        for (place, (_, is_end, call)) in (1..).zip(times) {
            events.push(Event { call, is_end, before: place - 1, after: place + 1 });
            if let Some(end) = place_of_end.get_mut(call).filter(|_| is_end) {
                *end = Some(place);
            }
        }
        // What follows the last event is the head again, which is neither call nor end.
        if let Some(last) = events.last_mut() {
            last.after = 0;
        }
        let left = place_of_end.iter().flatten().count();
        debug_assert!(count >= left, "each call that ended has an event for it");
        Self {
            model,
            calls,
            events,
            ends: place_of_end,
            state: first,
            placed: vec![0; calls.len().div_ceil(64)],
            seen: HashSet::new(),
            order: Vec::new(),
            left,
        }
    }

    fn run(mut self) -> Verdict {
        let mut at = self.after(0);
        while self.left > 0 {
            if self.seen.len() > STATES_MAX {
                return Verdict::TooHard;
            }
            let event = self.event(at);
            let is_stuck = at == 0 || event.is_end;
            if !is_stuck {
                at = if self.place(at, event.call) { self.after(0) } else { event.after };
                continue;
            }
            // A call ended that could not be placed before: another order, or none.
            let Some((last, state)) = self.order.pop() else { return Verdict::Broken };
            self.take_back(last, state);
            at = self.after(last);
        }
        Verdict::Linearizable
    }

    fn event(&self, at: usize) -> Event {
        self.events.get(at).copied().unwrap_or(Event { call: 0, is_end: true, before: 0, after: 0 })
    }

    fn after(&self, at: usize) -> usize {
        self.event(at).after
    }

    /// Puts a call next in the order, if the model allows it and this was not tried before.
    fn place(&mut self, at: usize, number: usize) -> bool {
        let Some(call) = self.calls.get(number) else { return false };
        let Some(next) = self.model.step(&self.state, &call.input, call.output.as_ref()) else {
            return false;
        };
        let mut placed = self.placed.clone();
        flip(&mut placed, number);
        if !self.seen.insert((placed.clone(), next.clone())) {
            return false;
        }
        self.placed = placed;
        self.order.push((at, std::mem::replace(&mut self.state, next)));
        self.unlink(at);
        if let Some(Some(end)) = self.ends.get(number).copied() {
            self.unlink(end);
            self.left -= 1;
        }
        true
    }

    fn take_back(&mut self, at: usize, state: M::State) {
        let number = self.event(at).call;
        if let Some(Some(end)) = self.ends.get(number).copied() {
            self.relink(end);
            self.left += 1;
        }
        self.relink(at);
        self.state = state;
        flip(&mut self.placed, number);
    }

    fn unlink(&mut self, at: usize) {
        let Event { before, after, .. } = self.event(at);
        self.link(before, after);
    }

    fn relink(&mut self, at: usize) {
        let Event { before, after, .. } = self.event(at);
        self.link(before, at);
        self.link(at, after);
    }

    fn link(&mut self, before: usize, after: usize) {
        if let Some(event) = self.events.get_mut(before) {
            event.after = after;
        }
        if let Some(event) = self.events.get_mut(after) {
            event.before = before;
        }
    }
}

fn flip(bits: &mut [u64], number: usize) {
    if let Some(word) = bits.get_mut(number / 64) {
        *word ^= 1 << (number % 64);
    }
}
