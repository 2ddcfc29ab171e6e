//! The limiters of one scope: requests a minute, tokens a minute, requests at once.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use tallygate_core::limits::{Kind, Limits as Quotas};
use tallygate_core::portion::MILLION;

use super::rate::{Rate, Wait};
use super::tally::Tally;

/// The limiters of one scope, under one set of quotas.
#[derive(Debug)]
pub(super) struct ScopeLimiters<C: Clock> {
    pub(super) quotas: Quotas,
    requests: Limiter<C>,
    tokens: Limiter<C>,
    running: Arc<AtomicU32>,
    /// How many may run at once here.
    places: AtomicU32,
    /// How many run on other gateways.
    elsewhere: AtomicU32,
    pub(super) tally: Tally,
    /// Which division of the limits the portions are of.
    pub(super) version: AtomicU64,
}

/// How much of each limit this gateway may let through, in parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portions {
    pub(super) requests: u64,
    pub(super) tokens: u64,
    pub(super) places: u64,
    pub(super) elsewhere: u64,
}

impl Portions {
    /// Of a gateway that has the limits to itself.
    pub(super) const WHOLE: Self = Self { requests: MILLION, tokens: MILLION, places: u64::MAX, elsewhere: 0 };
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
    fn new(per_minute: Option<u64>, clock: &C, before: Option<&Self>, millionths: u64) -> Self {
        let before = before.and_then(Self::rate);
        match per_minute {
            None => Self::None,
            Some(units) => match NonZeroU32::new(u32::try_from(units).unwrap_or(u32::MAX)) {
                None => Self::Zero,
                Some(units) => Self::Rate(Rate::new(units, clock.clone(), before, millionths)),
            },
        }
    }

    const fn rate(&self) -> Option<&Rate<C>> {
        match self {
            Self::None | Self::Zero => None,
            Self::Rate(rate) => Some(rate),
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
        self.rate().is_none_or(Rate::is_idle)
    }
}

impl<C: Clock + Clone> ScopeLimiters<C> {
    /// Limiters for quotas; what was used under other quotas stays used.
    pub(super) fn new(quotas: Quotas, clock: &C, before: Option<&Self>, portions: Portions) -> Self {
        let requests = before.map(|before| &before.requests);
        let tokens = before.map(|before| &before.tokens);
        let limiters = Self {
            quotas,
            requests: Limiter::new(quotas.requests_per_minute, clock, requests, portions.requests),
            tokens: Limiter::new(quotas.tokens_per_minute, clock, tokens, portions.tokens),
            running: before.map_or_else(Arc::default, |before| Arc::clone(&before.running)),
            places: AtomicU32::new(u32::MAX),
            elsewhere: AtomicU32::new(0),
            tally: Tally::default(),
            version: AtomicU64::new(0),
        };
        limiters.hold_places(portions.places, portions.elsewhere);
        limiters
    }

    /// From now on lets these portions through.
    pub(super) fn hold_all(&self, portions: Portions) {
        self.hold(Kind::Requests, portions.requests);
        self.hold(Kind::Tokens, portions.tokens);
        self.hold_places(portions.places, portions.elsewhere);
    }

    /// From now on lets so many millionths of a limit by the minute through. Tells how much of what it gives up was unused.
    pub(super) fn hold(&self, kind: Kind, millionths: u64) -> u64 {
        self.rate(kind).map_or(0, |rate| rate.hold(millionths))
    }

    /// From now on so many requests may run at once here, while so many run elsewhere.
    pub(super) fn hold_places(&self, places: u64, elsewhere: u64) {
        self.places.store(u32::try_from(places).unwrap_or(u32::MAX), Ordering::Release);
        self.elsewhere.store(u32::try_from(elsewhere).unwrap_or(u32::MAX), Ordering::Release);
    }

    /// Takes over millionths of a limit by the minute that another gateway did not use.
    pub(super) fn take_over(&self, kind: Kind, millionths: u64) {
        if let Some(rate) = self.rate(kind) {
            rate.take_over(millionths);
        }
    }

    const fn rate(&self, kind: Kind) -> Option<&Rate<C>> {
        match kind {
            Kind::Requests => self.requests.rate(),
            Kind::Tokens => self.tokens.rate(),
            Kind::Parallel => None,
        }
    }

    /// Takes one place among the requests at once. Without a place of its own, a gateway lets one through where nobody else
    /// is known to take it: who calls now here and now there is not refused.
    pub(super) fn run(&self) -> Result<Option<Running>, Wait> {
        let Some(limit) = self.quotas.parallel_requests else { return Ok(None) };
        let places = limit.min(self.places.load(Ordering::Acquire));
        let is_free_elsewhere = self.elsewhere.load(Ordering::Acquire) < limit;
        let more = |running: u32| (running < places || (running == 0 && is_free_elsewhere)).then_some(running + 1);
        match self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(running) => {
                self.tally.ran(running + 1);
                Ok(Some(Running(Arc::clone(&self.running))))
            }
            Err(_) => Err(Wait { remaining: 0, retry_after: Duration::from_secs(1) }),
        }
    }

    /// How many run here.
    pub(super) fn running(&self) -> u32 {
        self.running.load(Ordering::Acquire)
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
        self.running() == 0 && self.requests.is_idle() && self.tokens.is_idle()
    }
}
