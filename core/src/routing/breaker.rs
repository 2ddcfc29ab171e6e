//! The breaker of one deployment: which failures cool it, for how long, and how it comes back.
//!
//! Closed, it lets everything through. Too many failures open it: the deployment cools, and calls go to others. When the
//! cooldown is over it is half open: one call, the probe, may go there, and its end closes it or opens it for longer. An
//! end of a call that began before the breaker last changed says how things were before, and changes nothing.

use std::time::Duration;

use super::per_minute::PerMinute;
use super::settings::Cooldown;
use super::steady::Steady;
use crate::port::provider::failure::Kind;

/// The longest cooldown of a deployment that failed by itself. It is probed that often, so nobody waits longer for one
/// that is well again.
pub const COOLING_MAX: Duration = Duration::from_secs(60);
/// The first cooldown where an operator has to act.
pub const COOLING_LONG: Duration = Duration::from_secs(60);
/// The longest one there, and the longest that an upstream can ask for.
pub const COOLING_LONG_MAX: Duration = Duration::from_secs(300);
/// The shortest cooldown that an upstream can ask for.
const COOLING_MIN: Duration = Duration::from_secs(1);
/// So many calls of the last minute, more than half of them failed, and the deployment cools though none failed in a row.
const SHARE_CALLS_MIN: u64 = 5;

/// Whether a call may go to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// One, to see whether it is well again.
    Probe,
    /// As the last resort. Not before `until`; a moment that is past means that its probe is out.
    Cooling {
        /// Until when it cools.
        until: Steady,
    },
}

/// What a failure says of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Nothing: another deployment would have failed too.
    Never,
    /// It may be ill: with others like it, it cools.
    Towards,
    /// It wants to be left alone now.
    AtOnce,
    /// It cannot work until an operator does something.
    Long,
}

impl Counts {
    /// The one place that says which failures cool a deployment. `alone` says that the model has no other one.
    #[must_use]
    pub const fn of(kind: Kind, alone: bool) -> Self {
        match kind {
            // The client's, wherever it is sent. An answer that is too long says nothing of who gave it.
            Kind::InvalidRequest
            | Kind::ContextTooLong
            | Kind::ContentFiltered
            | Kind::HeaderNotAllowed
            | Kind::TooLarge => Self::Never,
            // With nowhere else to go, the next request may as well ask.
            Kind::RateLimited if alone => Self::Never,
            Kind::RateLimited => Self::AtOnce,
            Kind::HostNotAllowed
            | Kind::CredentialUnusable
            | Kind::Unauthorized
            | Kind::NotFound
            | Kind::QuotaExhausted
            | Kind::Redirected => Self::Long,
            Kind::NameNotResolved
            | Kind::Refused
            | Kind::ConnectTimeout
            | Kind::Tls
            | Kind::FirstByteTimeout
            | Kind::IdleTimeout
            | Kind::TotalTimeout
            | Kind::Reset
            | Kind::Protocol
            | Kind::UpstreamTimeout
            | Kind::BadGateway
            | Kind::Overloaded
            | Kind::ServerError => Self::Towards,
        }
    }
}

/// What is known of a model when one of its calls ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The model's cooldown.
    pub cooldown: Cooldown,
    /// Whether the deployment is the model's only one.
    pub alone: bool,
}

/// See the module. It begins closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    open: Option<Open>,
    /// Counts the changes between open and closed.
    turn: u32,
    /// How often in a row it opened without closing.
    opened: u32,
    failed_in_row: u32,
    ended: PerMinute,
    failed: PerMinute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    until: Steady,
    probing: bool,
}

/// As what a call went through: in which turn of the breaker, and whether as its probe.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pass {
    turn: u32,
    is_probe: bool,
}

impl Breaker {
    pub(super) fn may_run(&self, now: Steady) -> Readiness {
        match self.open {
            None => Readiness::Ready,
            Some(open) if open.until <= now && !open.probing => Readiness::Probe,
            Some(open) => Readiness::Cooling { until: open.until },
        }
    }

    /// Lets a call through, as the probe if it is time for one.
    pub(super) fn pass(&mut self, now: Steady) -> Pass {
        let is_probe = self.may_run(now) == Readiness::Probe;
        if let Some(open) = self.open.as_mut().filter(|_| is_probe) {
            open.probing = true;
        }
        Pass { turn: self.turn, is_probe }
    }

    /// An answer has begun. That is enough of a probe: an answer may stream for minutes.
    pub(super) fn answered(&mut self, pass: &Pass) {
        if pass.turn == self.turn && self.open.is_some() {
            self.close();
        }
    }

    /// A call ended well.
    pub(super) fn succeeded(&mut self, now: Steady, pass: &Pass) {
        self.answered(pass);
        self.failed_in_row = 0;
        self.ended.add(now, 1);
    }

    /// A call ended and says nothing of the deployment: its client left.
    pub(super) const fn abandoned(&mut self, pass: &Pass) {
        if let (Some(open), true) = (&mut self.open, pass.is_probe && pass.turn == self.turn) {
            open.probing = false;
        }
    }

    /// A call failed.
    pub(super) fn failed(&mut self, now: Steady, pass: &Pass, counts: Counts, told: Option<Duration>, terms: &Terms) {
        if counts == Counts::Never {
            return self.abandoned(pass);
        }
        let Some(first) = terms.cooldown.first() else {
            return self.close();
        };
        if pass.turn != self.turn {
            return;
        }
        if let Some(open) = self.open.as_mut().filter(|_| !pass.is_probe) {
            // The last resort failed too. It says nothing new, but when to come back.
            open.until = told.map_or(open.until, |told| open.until.max(now.plus(asked(told))));
            return;
        }
        let is_over = self.open.is_some() || self.count(now, terms.cooldown.allowed_failures);
        let own = match counts {
            Counts::Long => self.grown(COOLING_LONG, COOLING_LONG_MAX),
            Counts::AtOnce | Counts::Towards => self.grown(first, first.max(COOLING_MAX)),
            Counts::Never => return,
        };
        if is_over || counts != Counts::Towards {
            self.open(now.plus(told.map_or(own, asked)));
        }
    }

    /// Counts a failure; whether it is one too many.
    fn count(&mut self, now: Steady, allowed: u32) -> bool {
        self.failed_in_row = self.failed_in_row.saturating_add(1);
        self.ended.add(now, 1);
        self.failed.add(now, 1);
        let (ended, failed) = (self.ended.count(now), self.failed.count(now));
        self.failed_in_row >= allowed || (ended >= SHARE_CALLS_MIN && failed.saturating_mul(2) > ended)
    }

    /// Twice as long each time that the probe fails.
    fn grown(&self, first: Duration, most: Duration) -> Duration {
        first.saturating_mul(1_u32.checked_shl(self.opened).unwrap_or(u32::MAX)).min(most)
    }

    fn open(&mut self, until: Steady) {
        self.open = Some(Open { until, probing: false });
        self.turn = self.turn.wrapping_add(1);
        self.opened = self.opened.saturating_add(1);
        self.failed_in_row = 0;
    }

    /// What failed before is forgotten: one more failure must not open it again.
    fn close(&mut self) {
        *self = Self { turn: self.turn.wrapping_add(1), ..Self::default() };
    }
}

/// How long an upstream is left alone that asked for it.
fn asked(told: Duration) -> Duration {
    told.clamp(COOLING_MIN, COOLING_LONG_MAX)
}

#[cfg(test)]
mod tests;
