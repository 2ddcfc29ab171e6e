//! The limiters of one scope: requests a minute, tokens a minute, requests at once.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use tallygate_core::limits::Limits as Quotas;

use super::rate::{Rate, Wait};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at the same time.
    Parallel,
}

impl Kind {
    /// LiteLLM's name of it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Parallel => "max_parallel_requests",
        }
    }
}

/// The limiters of one scope, under one set of quotas.
#[derive(Debug)]
pub(super) struct ScopeLimiters<C: Clock> {
    pub(super) quotas: Quotas,
    requests: Limiter<C>,
    tokens: Limiter<C>,
    running: Arc<AtomicU32>,
}

#[derive(Debug)]
enum Limiter<C: Clock> {
    None,
    Zero,
    Rate(Rate<C>),
}

/// One of the requests that run at once. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Running(Arc<AtomicU32>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<C: Clock + Clone> Limiter<C> {
    fn new(per_minute: Option<u64>, clock: &C, before: Option<&Self>) -> Self {
        let before = match before {
            Some(Self::Rate(rate)) => Some(rate),
            _ => None,
        };
        match per_minute {
            None => Self::None,
            Some(units) => match NonZeroU32::new(u32::try_from(units).unwrap_or(u32::MAX)) {
                None => Self::Zero,
                Some(units) => Self::Rate(Rate::new(units, clock.clone(), before)),
            },
        }
    }

    fn take(&self, units: u64) -> Result<Option<u64>, Wait> {
        match self {
            Self::None => Ok(None),
            Self::Zero => Err(Wait { remaining: 0, retry_after: Duration::from_secs(60) }),
            Self::Rate(rate) => rate.take(units).map(Some),
        }
    }

    fn correct(&self, taken: u64, used: u64) {
        if let Self::Rate(rate) = self {
            rate.correct(taken, used);
        }
    }

    fn is_idle(&self) -> bool {
        match self {
            Self::None | Self::Zero => true,
            Self::Rate(rate) => rate.is_idle(),
        }
    }
}

impl<C: Clock + Clone> ScopeLimiters<C> {
    /// Limiters for quotas; what was used under other quotas stays used.
    pub(super) fn new(quotas: Quotas, clock: &C, before: Option<&Self>) -> Self {
        Self {
            quotas,
            requests: Limiter::new(quotas.requests_per_minute, clock, before.map(|before| &before.requests)),
            tokens: Limiter::new(quotas.tokens_per_minute, clock, before.map(|before| &before.tokens)),
            running: before.map_or_else(Arc::default, |before| Arc::clone(&before.running)),
        }
    }

    /// Takes one place among the requests at once.
    pub(super) fn run(&self) -> Result<Option<Running>, Wait> {
        let Some(limit) = self.quotas.parallel_requests else { return Ok(None) };
        let more = |running: u32| (running < limit).then_some(running + 1);
        match self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => Ok(Some(Running(Arc::clone(&self.running)))),
            Err(_) => Err(Wait { remaining: 0, retry_after: Duration::from_secs(1) }),
        }
    }

    pub(super) fn take_request(&self) -> Result<Option<u64>, Wait> {
        self.requests.take(1)
    }

    pub(super) fn give_request_back(&self) {
        self.requests.correct(1, 0);
    }

    pub(super) fn take_tokens(&self, tokens: u64) -> Result<Option<u64>, Wait> {
        self.tokens.take(tokens)
    }

    pub(super) fn correct_tokens(&self, taken: u64, used: u64) {
        self.tokens.correct(taken, used);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0 && self.requests.is_idle() && self.tokens.is_idle()
    }
}
