use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{MissedTickBehavior, interval};

use super::shared::{SWEEP_EVERY, Shared};
use super::upstream::Upstream;

/// How often the clocks are compared.
const TICK: Duration = Duration::from_secs(1);
/// How far the clock of the wall may run ahead of the one that measures before it counts as a leap.
const LEAP: SignedDuration = SignedDuration::from_secs(2);

/// Lets go of what is over, and of everything when time has passed that was not measured: the
/// machine slept, or its clock was turned.
pub(super) async fn tend<U: Upstream>(shared: Weak<Shared<U>>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    let Some(mut swept) = shared.upgrade().map(|shared| shared.measure.now()) else { return };
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let (wall, measured) = (shared.clock.now(), shared.measure.now());
        if let Some((last_wall, last_measured)) = last {
            let passed = SignedDuration::try_from(measured - last_measured).unwrap_or_default();
            if wall.duration_since(last_wall) > passed + LEAP {
                shared.invalidate_all();
            }
        }
        last = Some((wall, measured));
        if measured - swept >= SWEEP_EVERY {
            shared.sweep();
            swept = measured;
        }
    }
}

/// Ends a cache's tasks with the last handle of it.
#[derive(Debug)]
pub(super) struct Tasks(Vec<tokio::task::AbortHandle>);

impl Tasks {
    /// Starts what a cache does beside answering.
    pub(super) fn start<U: Upstream>(shared: &Arc<Shared<U>>) -> Self {
        let mut tasks = vec![tokio::spawn(tend(Arc::downgrade(shared))).abort_handle()];
        if shared.upstream.may_have_feed() {
            let follow = super::feed::follow(Arc::downgrade(shared));
            tasks.push(tokio::spawn(follow).abort_handle());
        }
        Self(tasks)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}
