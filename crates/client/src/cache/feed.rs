use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lifetimes::pause_after;
use super::shared::Shared;
use super::upstream::Upstream;
use crate::consumers::{FeedLoss, SecretChanges, WATCH_TIME_MAX};
use crate::error::ClientError;

/// When a server that has no feed is asked for one again: it may have been replaced by a newer one.
const ABSENT_PAUSE: Duration = Duration::from_mins(5);
/// After so many refusals in a row, it is taken for one that has none.
const PATIENCE: u32 = 16;
/// The least time between two questions that nothing came of.
const QUIET_PAUSE: Duration = Duration::from_millis(500);

/// Follows a vault's feed of changes, and forgets what changed.
pub(super) async fn follow<U: Upstream>(shared: Weak<Shared<U>>) {
    let Some(upstream) = shared.upgrade().map(|shared| Arc::clone(&shared.upstream)) else {
        return;
    };
    let mut cursor: Option<String> = None;
    let mut failures = 0_u32;
    loop {
        let asked = Instant::now();
        let answer = upstream.changes(cursor.as_deref(), WATCH_TIME_MAX).await;
        let Some(shared) = shared.upgrade() else { return };
        shared.counters.is_following.store(answer.is_ok(), Ordering::Relaxed);
        let is_silent = answer.as_ref().err().is_some_and(ClientError::is_silence);
        shared.counters.is_unanswered.store(is_silent, Ordering::Relaxed);
        let rest = match answer {
            Ok(told) => {
                failures = 0;
                let is_quiet = told.changes.is_empty() && cursor.is_some();
                take(&shared, &told, cursor.is_some());
                cursor = Some(told.cursor);
                let rest = QUIET_PAUSE.saturating_sub(asked.elapsed());
                if is_quiet { rest } else { Duration::ZERO }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let lost = FeedLoss::of(&error);
                let was_following = cursor.is_some();
                if !matches!(lost, FeedLoss::Nothing) {
                    cursor = None;
                }
                if matches!(lost, FeedLoss::Place) && was_following {
                    shared.invalidate_all();
                }
                match lost {
                    FeedLoss::Feed => ABSENT_PAUSE,
                    FeedLoss::Place if failures > PATIENCE => ABSENT_PAUSE,
                    FeedLoss::Place | FeedLoss::Nothing => {
                        pause_after(Some(&error), failures, &*shared.random)
                    }
                }
            }
        };
        drop(shared);
        sleep(rest).await;
    }
}

/// Forgets what changed. Where the following begins, or may have missed something, that is all.
fn take<U: Upstream>(shared: &Shared<U>, told: &SecretChanges, goes_on: bool) {
    if told.is_reset || !goes_on {
        shared.invalidate_all();
        return;
    }
    for change in &told.changes {
        shared.invalidate(&change.secret_id, change.secret_name.as_deref());
    }
}
