//! Spending as the pipeline sees it: holds on the budgets of a request, with a short wait where a slice must come first.

use std::time::Duration;

use tallygate_core::budget::{Budget, BudgetLimit};
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUserRef;
use tallygate_core::id::{RealmId, RequestId};
use tallygate_core::lease::decide::Opening;
use tallygate_core::lease::slices::{Exhausted, Refused, Unavailable};
use tallygate_core::lease::{AccountId, Root};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::tag::TagRef;
use tallygate_core::time::{Period, Timestamp};
use tallygate_projections::ActivityView;

pub(crate) use crate::outbox::Held;
use crate::outbox::Outbox;

/// How long a request waits for a slice, at most: some appends to the lease log.
const WAIT: Duration = Duration::from_secs(2);

/// How often it tries again, even if nothing is heard.
const TRY_AGAIN: Duration = Duration::from_millis(250);

/// Holds on budgets. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Spending {
    outbox: Outbox,
    activity: ActivityView,
}

/// The budgets that a request is paid from.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) control: &'a Control,
    /// The key's realm.
    pub(crate) realm: &'a RealmId,
    pub(crate) budgets: Vec<&'a Budget>,
}

/// Why nothing is held.
#[derive(Debug)]
pub(crate) enum NotHeld {
    /// A budget cannot pay.
    Exhausted(Box<Exhausted>),
    /// Whether it could is not known here now, and it may be soon.
    Unavailable(Reason),
}

/// Why it is not known now whether a budget can pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The lease log did not give a slice in time: it is away, or others have what is left.
    NoSlice,
    /// The lease log was not heard of for too long.
    LogAway,
    /// Another process of this gateway has taken over.
    Fenced,
    /// The chain of the lease log has an event of a newer version.
    Unreadable,
    /// The journal cannot be written.
    Journal,
    /// What was spent before cannot be read.
    Views,
}

impl Spending {
    /// Holds of this outbox. What was charged before there were leases is in the views.
    pub(crate) const fn new(outbox: Outbox, activity: ActivityView) -> Self {
        Self { outbox, activity }
    }

    /// The most that could be held on every budget of a chain; none without budgets.
    pub(crate) fn available(&self, chain: &Chain<'_>) -> Option<NanoUsd> {
        self.outbox.available(&chain.budgets)
    }

    /// Holds an amount on every budget of a chain, or on none. Waits only where a window is not open in the log, or the
    /// slice of this gateway is too small.
    ///
    /// Cancellation: nothing is held.
    pub(crate) async fn hold(
        &self,
        chain: &Chain<'_>,
        amount: NanoUsd,
        request: RequestId,
        now: Timestamp,
    ) -> Result<Held, NotHeld> {
        let held = match self.outbox.place(&chain.budgets, amount, request) {
            Ok(held) => held,
            Err(refused) => {
                let waiting = self.wait(chain, amount, request, (now, refused));
                // Boxed, so that the requests that need not wait stay small.
                Box::pin(tokio::time::timeout(WAIT, waiting))
                    .await
                    .unwrap_or(Err(NotHeld::Unavailable(Reason::NoSlice)))?
            }
        };
        // A request that is killed with the process must leave a trace.
        if self.outbox.written_down().await { Ok(held) } else { Err(NotHeld::Unavailable(Reason::Journal)) }
    }

    async fn wait(
        &self,
        chain: &Chain<'_>,
        amount: NanoUsd,
        request: RequestId,
        (now, mut refused): (Timestamp, Refused),
    ) -> Result<Held, NotHeld> {
        loop {
            self.ask(chain, amount, now, refused)?;
            let changed = self.outbox.changed();
            // What came in between is seen by this try.
            refused = match self.outbox.place(&chain.budgets, amount, request) {
                Ok(held) => return Ok(held),
                Err(refused) => refused,
            };
            if is_worth_waiting(&refused, now) {
                // Not for long: what a request needs is forgotten when it does not come again.
                let _ = tokio::time::timeout(TRY_AGAIN, changed).await;
            }
        }
    }

    /// Asks the log for what is missing, or says that nothing helps.
    fn ask(&self, chain: &Chain<'_>, amount: NanoUsd, now: Timestamp, refused: Refused) -> Result<(), NotHeld> {
        match refused {
            Refused::Unopened { .. } | Refused::Unavailable(Unavailable::NotJoined) => {
                self.outbox.ask(self.openings(chain, amount, now)?);
            }
            Refused::Short { .. } => self.outbox.hurry(),
            // Its window is over, and the next one was asked for.
            Refused::Exhausted(exhausted) if is_over(&exhausted, now) => self.outbox.hurry(),
            Refused::Exhausted(exhausted) => return Err(NotHeld::Exhausted(exhausted)),
            Refused::Unavailable(unavailable) => return Err(NotHeld::Unavailable(unavailable.into())),
        }
        Ok(())
    }

    /// Every window of a chain, with what was charged to it before there were leases. Those that are open are not opened
    /// again.
    fn openings(
        &self,
        chain: &Chain<'_>,
        wanted: NanoUsd,
        now: Timestamp,
    ) -> Result<Vec<(Root, Option<Opening>)>, NotHeld> {
        let mut openings = Vec::new();
        for budget in &chain.budgets {
            let Some(root) = chain.root(&budget.scope) else { continue };
            for limit in &budget.limits {
                let posted = self.charged(&budget.scope, limit, now)?;
                openings.push((root.clone(), Some(Opening::new(budget, limit, posted, wanted))));
            }
        }
        Ok(openings)
    }

    /// What settlements charged to the window that a limit has now.
    fn charged(&self, scope: &Scope, limit: &BudgetLimit, now: Timestamp) -> Result<NanoUsd, NotHeld> {
        let unreadable = || NotHeld::Unavailable(Reason::Views);
        let window = limit.period.window_at(limit.anchor, now).map_err(|_| unreadable())?;
        let account = AccountId { scope: scope.clone(), period: limit.period, window: window.start };
        self.activity.charged(&account).map_err(|_| unreadable())
    }

    /// What counts against a limit now: in its window that is open by the calendar, with what was spent elsewhere in it.
    pub(crate) fn counted(&self, budget: &Budget, limit: &BudgetLimit, now: Timestamp) -> Result<NanoUsd, NotHeld> {
        let here = self.counted_here(&budget.scope, limit, now)?;
        let window = limit.period.window_at(limit.anchor, now).map(|window| window.start).ok();
        let elsewhere = window.map_or(NanoUsd::ZERO, |window| budget.carried_in(limit.period, window));
        Ok(here.saturating_plus(elsewhere))
    }

    fn counted_here(&self, scope: &Scope, limit: &BudgetLimit, now: Timestamp) -> Result<NanoUsd, NotHeld> {
        let known = self.outbox.counted(scope, limit.period);
        let begins = limit.period.window_at(limit.anchor, now).map(|window| window.start).ok();
        let is_its = |window: Timestamp| match limit.period {
            // Unless it was reset since: then the window began before its anchor.
            Period::Total => window >= limit.anchor,
            Period::Seconds(_) | Period::Months(_) => Some(window) == begins,
        };
        match known.filter(|(window, _)| is_its(*window)) {
            Some((_, counted)) => Ok(counted),
            None => self.charged(scope, limit, now),
        }
    }
}

impl Chain<'_> {
    fn root(&self, scope: &Scope) -> Option<Root> {
        match scope {
            // An agent may be in realms of several roots, and all of its keys draw on one account.
            Scope::Gateway | Scope::Agent(_) => Some(Root::Gateway),
            // Where the user belongs, whatever realm the key belongs to: all of a user's keys draw on one account.
            Scope::User(_) => Root::of_scope(self.control, scope),
            // One of a realm above the key's is in the chain of the same root.
            Scope::EndUser(EndUserRef { realm, .. }) | Scope::Tag(TagRef { realm, .. }) => match realm {
                Some(realm) => Root::of_realm(self.control, realm),
                None => Some(Root::Gateway),
            },
            Scope::Realm(_) | Scope::Key(_) | Scope::Model(..) | Scope::Context(_) => {
                Root::of_realm(self.control, self.realm)
            }
        }
    }
}

fn is_over(exhausted: &Exhausted, now: Timestamp) -> bool {
    exhausted.resets_at.is_some_and(|end| end <= now)
}

/// Whether something that is read from the lease log may help.
fn is_worth_waiting(refused: &Refused, now: Timestamp) -> bool {
    match refused {
        Refused::Exhausted(exhausted) => is_over(exhausted, now),
        Refused::Short { .. } | Refused::Unopened { .. } => true,
        Refused::Unavailable(unavailable) => *unavailable == Unavailable::NotJoined,
    }
}

impl From<Unavailable> for Reason {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::NotJoined => Self::NoSlice,
            Unavailable::Fenced => Self::Fenced,
            Unavailable::Stale => Self::LogAway,
            Unavailable::Unreadable => Self::Unreadable,
        }
    }
}

impl Reason {
    /// The reason as clients see it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoSlice => "no_slice",
            Self::LogAway => "lease_log_away",
            Self::Fenced => "fenced",
            Self::Unreadable => "lease_unreadable",
            Self::Journal => "journal_failed",
            Self::Views => "views_unreadable",
        }
    }
}
