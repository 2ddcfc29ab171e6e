//! Soft limits of budgets: once so much counts in a window it is told, in activity and by a metric, and nothing is refused.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tallygate_core::activity::{Charge, Event, SoftLimitReached};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::budget::{Budget, Carried, carried_in};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::time::{Period, Timestamp};

use super::Pipeline;
use super::admitted::Admitted;
use crate::activity::Happened;

/// A limit that is looked at when a call was settled.
#[derive(Debug)]
pub(crate) struct Watched {
    scope: Scope,
    period: Period,
    told_at: NanoUsd,
    /// What was spent elsewhere in windows of the limit: almost always nothing.
    carried: Vec<Carried>,
}

/// What this process has told: of each limit the window, and at what. One row a budget with a soft limit.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<(Scope, Period), (Timestamp, NanoUsd)>>);

impl Told {
    /// Whether it is the first time. A soft limit that changed is another one.
    fn is_first(&self, account: &Charge, told_at: NanoUsd) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (account.window, told_at);
        told.insert((account.scope.clone(), account.period), now) != Some(now)
    }
}

/// The soft limits of a chain of budgets: almost always none.
pub(super) fn watched(budgets: &[&Budget]) -> Vec<Watched> {
    let of = |budget: &&Budget| {
        let told_at = budget.soft_limit()?;
        let period = budget.limits.first()?.period;
        Some(Watched { scope: budget.scope.clone(), period, told_at, carried: budget.carried_of(period) })
    };
    budgets.iter().filter_map(of).collect()
}

/// Tells of the soft limits that a settled call has reached.
pub(super) fn tell(pipeline: &Pipeline, admitted: &Admitted, watched: &[Watched]) {
    for Watched { scope, period, told_at, carried } in watched {
        let Some((window, here)) = pipeline.activity.outbox().counted(scope, *period) else { continue };
        let counted = here.saturating_plus(carried_in(carried, *period, window));
        let account = Charge { scope: scope.clone(), period: *period, window };
        if counted < *told_at || !pipeline.told.is_first(&account, *told_at) {
            continue;
        }
        tracing::warn!(%scope, %counted, soft_limit = %told_at, "a budget has reached its soft limit");
        pipeline.metrics.soft_limits.inc();
        let reached = SoftLimitReached {
            request: admitted.received.id,
            account,
            told_at_nano_usd: *told_at,
            counted_nano_usd: counted,
        };
        let key = &admitted.caller.key;
        pipeline.activity.record(Happened {
            realm: Some(key.realm.clone()),
            actor: Actor { kind: ActorKind::Key, id: key.id.to_string() },
            cause: Vec::new(),
            event: Event::SoftLimitReached(reached),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Charge, NanoUsd, Period, Scope, Timestamp, Told};

    #[test]
    fn it_is_told_once_a_window_and_again_when_the_soft_limit_is_another() {
        let told = Told::default();
        let window = |millis| Charge {
            scope: Scope::Gateway,
            period: Period::Seconds(60),
            window: Timestamp::from_millis(millis),
        };
        let first = |millis, nano| told.is_first(&window(millis), NanoUsd::new(nano));
        assert!(first(0, 5));
        assert!(!first(0, 5));
        assert!(first(0, 6));
        assert!(first(60_000, 6));
        assert!(!first(60_000, 6));
    }
}
