//! What was asked of the limits of one scope since the last tick: granted or not, it is demand.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tallygate_core::limits::{Kind, Limits as Quotas};
use tallygate_core::portion::{Asked, LimitId, MILLION};
use tallygate_core::scope::Scope;

/// Ticks in the minute that limits are for.
const TICKS_PER_MINUTE: u64 = 60;

/// Counters of one scope.
#[derive(Debug, Default)]
pub(super) struct Tally {
    is_listed: AtomicBool,
    requests: AtomicU64,
    tokens: AtomicU64,
    most_at_once: AtomicU32,
    refused_at_once: AtomicU32,
    refused_requests: AtomicBool,
    refused_tokens: AtomicBool,
}

impl Tally {
    /// Counts a request that asks for so many tokens.
    pub(super) fn ask(&self, tokens: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    /// So many run at once.
    pub(super) fn ran(&self, running: u32) {
        self.most_at_once.fetch_max(running, Ordering::Relaxed);
    }

    /// A request was refused for a limit.
    pub(super) fn refuse(&self, kind: Kind) {
        match kind {
            Kind::Requests => self.refused_requests.store(true, Ordering::Relaxed),
            Kind::Tokens => self.refused_tokens.store(true, Ordering::Relaxed),
            Kind::Parallel => {
                self.refused_at_once.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether somebody was refused since the last tick.
    pub(super) fn has_refused(&self) -> bool {
        self.refused_at_once.load(Ordering::Relaxed) > 0
            || self.refused_requests.load(Ordering::Relaxed)
            || self.refused_tokens.load(Ordering::Relaxed)
    }

    /// Whether it must be listed for the next tick: once.
    pub(super) fn wants_listing(&self) -> bool {
        !self.is_listed.load(Ordering::Relaxed) && !self.is_listed.swap(true, Ordering::AcqRel)
    }

    /// It is not listed any more.
    pub(super) fn unlist(&self) {
        self.is_listed.store(false, Ordering::Release);
    }

    /// What was asked of each limit.
    pub(super) fn asked(&self, scope: &Scope, quotas: &Quotas, running: u32) -> Vec<Asked> {
        let of = |kind, demand, refused, running| {
            let limit = LimitId { scope: scope.clone(), kind };
            let parts = limit.parts(quotas).filter(|&parts| parts > 0)?;
            (demand > 0).then_some(Asked { limit, parts, demand, refused, running })
        };
        let per_minute = |units: &AtomicU64, limit: Option<u64>| {
            let asked = u128::from(units.load(Ordering::Relaxed)) * u128::from(TICKS_PER_MINUTE * MILLION);
            let millionths = asked / u128::from(limit.unwrap_or(1).max(1));
            u64::try_from(millionths).unwrap_or(MILLION).min(MILLION)
        };
        let refused_at_once = self.refused_at_once.load(Ordering::Relaxed);
        let at_once = self.most_at_once.load(Ordering::Relaxed).max(running.saturating_add(refused_at_once));
        let requests = per_minute(&self.requests, quotas.requests_per_minute);
        let tokens = per_minute(&self.tokens, quotas.tokens_per_minute);
        [
            of(Kind::Requests, requests, self.refused_requests.load(Ordering::Relaxed), 0),
            of(Kind::Tokens, tokens, self.refused_tokens.load(Ordering::Relaxed), 0),
            of(Kind::Parallel, u64::from(at_once), refused_at_once > 0, u64::from(running)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Begins anew after a tick.
    pub(super) fn clear(&self) {
        self.requests.store(0, Ordering::Relaxed);
        self.tokens.store(0, Ordering::Relaxed);
        self.most_at_once.store(0, Ordering::Relaxed);
        self.refused_at_once.store(0, Ordering::Relaxed);
        self.refused_requests.store(false, Ordering::Relaxed);
        self.refused_tokens.store(false, Ordering::Relaxed);
    }
}
