//! Rate limits: requests a minute, tokens a minute and requests at once, for each scope of a request's chain.
//!
//! A request takes from every scope of its chain or from none. Tokens are taken by an estimate before the call and
//! corrected to what was used.
//!
//! Where several gateways share a log they divide the limits: this one enforces its portion, which follows the demand on
//! all of them. `docs/rate-limits.md` says what is promised. A request reads its portion from memory and waits for nobody.

mod cell;
mod pace;
mod rate;
mod tally;
mod scope;
mod division;
pub(crate) mod exchange;

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use governor::clock::{Clock, DefaultClock};
use tallygate_core::id::WriterId;
use tallygate_core::limits::Limits as Quotas;
use tallygate_core::portion::{Asked, LimitId, Portion};
use tallygate_core::scope::Scope;

pub(crate) use tallygate_core::limits::Kind;

use division::Division;
use scope::{Portions, Running, ScopeLimiters};

const SHARDS: usize = 64;
/// The most scopes a shard remembers before it lets go of the idle ones: 64 shards of this make a million scopes.
const SHARD_MAX: usize = 16_384;

/// The limiters of all scopes that are in use.
#[derive(Debug)]
pub(crate) struct Limits<C: Clock = DefaultClock> {
    shards: Vec<Mutex<HashMap<Scope, Arc<ScopeLimiters<C>>>>>,
    shard_of: RandomState,
    clock: C,
    /// None where this gateway has the limits to itself.
    division: Option<Division<C>>,
}

/// A limit was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limited {
    /// Whose limit.
    pub(crate) scope: Scope,
    /// Of what.
    pub(crate) kind: Kind,
    /// The limit.
    pub(crate) limit: u64,
    /// What is left of this gateway's portion of it, less than was asked for.
    pub(crate) remaining: u64,
    /// When as much as was asked for will be there, at the earliest.
    pub(crate) retry_after: Duration,
}

/// What is left after a request took its share, for its response headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) scope: Scope,
    pub(crate) kind: Kind,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
}

/// A request's share of the limits of its chain. Dropped before it is settled, its tokens are given back.
#[derive(Debug)]
pub(crate) struct Share<C: Clock + Clone = DefaultClock> {
    taken: Vec<Taken<C>>,
    tokens: u64,
    pub(crate) left: Vec<Left>,
}

#[derive(Debug)]
struct Taken<C: Clock> {
    limiters: Arc<ScopeLimiters<C>>,
    request: bool,
    tokens: bool,
    running: Option<Running>,
}

impl Limits {
    /// Limits without any use yet, which this gateway has to itself, or divides with others under its id.
    pub(crate) fn new(divides_as: Option<WriterId>) -> Self {
        Self::with_clock(DefaultClock::default(), divides_as)
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with_clock(clock: C, divides_as: Option<WriterId>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, shard_of: RandomState::default(), clock, division: divides_as.map(Division::new) }
    }

    /// Takes one request and an estimate of tokens from every scope that has quotas, or nothing at all.
    pub(crate) fn take(&self, chain: &[(Scope, Quotas)], tokens: u64) -> Result<Share<C>, Limited> {
        let (taken, left) = (Vec::with_capacity(chain.len()), Vec::with_capacity(2 * chain.len()));
        let mut share = Share { taken, tokens, left };
        for (scope, quotas) in chain.iter().filter(|(_, quotas)| *quotas != Quotas::default()) {
            let limiters = self.limiters(scope, *quotas);
            if let Some(division) = &self.division {
                division.note(scope, &limiters, tokens);
            }
            // What was taken so far is given back when `share` is dropped on the way out.
            share.taken.push(Taken { limiters: Arc::clone(&limiters), request: false, tokens: false, running: None });
            share.take_one(scope, &limiters).inspect_err(|limited| self.refused(&limiters, limited.kind))?;
        }
        Ok(share)
    }

    fn limiters(&self, scope: &Scope, quotas: Quotas) -> Arc<ScopeLimiters<C>> {
        let mut shard = self.shard(scope).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiters) = shard.get(scope).filter(|limiters| limiters.quotas == quotas) {
            return Arc::clone(limiters);
        }
        if shard.len() >= SHARD_MAX {
            shard.retain(|_, limiters| !limiters.is_idle() || Arc::strong_count(limiters) > 1);
        }
        let division = self.division.as_ref();
        let (portions, version) = division.map_or((Portions::WHOLE, 0), |division| division.portions(scope, &quotas));
        let before = shard.get(scope).map(AsRef::as_ref);
        let fresh = Arc::new(ScopeLimiters::new(quotas, &self.clock, before, portions));
        fresh.version.store(version, std::sync::atomic::Ordering::Release);
        shard.insert(scope.clone(), Arc::clone(&fresh));
        fresh
    }

    fn refused(&self, limiters: &ScopeLimiters<C>, kind: Kind) {
        if let Some(division) = &self.division {
            limiters.tally.refuse(kind);
            division.refuse();
        }
    }

    /// What was asked of the limits since the last tick; between ticks, of those that somebody was refused for.
    fn asked(&self, is_tick: bool) -> Vec<Asked> {
        self.division.as_ref().map_or_else(Vec::new, |division| division.asked(is_tick))
    }

    /// Divides what nobody reports among these gateways.
    fn among(&self, gateways: Vec<WriterId>) {
        if let Some(division) = &self.division {
            division.among(gateways);
        }
    }

    /// Puts a portion into force. Tells how many parts of what is taken away were unused; none if the limit is not in use
    /// here.
    fn set(&self, limit: &LimitId, portion: Portion) -> Option<u64> {
        let division = self.division.as_ref()?;
        let limiters = self.in_use(&limit.scope);
        let parts = limiters.as_ref().and_then(|limiters| limit.parts(&limiters.quotas));
        let held = division.set(limit, parts.unwrap_or_default(), portion);
        let limiters = limiters?;
        if limit.kind == Kind::Parallel {
            limiters.hold_places(held, portion.elsewhere);
            return Some(0);
        }
        parts.map(|_| limiters.hold(limit.kind, held))
    }

    /// Takes over parts of a limit that another gateway did not use.
    fn take_over(&self, limit: &LimitId, parts: u64) {
        if let Some(limiters) = self.in_use(&limit.scope) {
            limiters.take_over(limit.kind, parts);
        }
    }

    /// Into how many parts each limit of a scope is divided, as far as it is in use here.
    fn parts(&self, scope: &Scope) -> Vec<(LimitId, u64)> {
        let Some(limiters) = self.in_use(scope) else { return Vec::new() };
        let limits = Kind::ALL.map(|kind| LimitId { scope: scope.clone(), kind });
        limits.into_iter().filter_map(|limit| limit.parts(&limiters.quotas).map(|parts| (limit, parts))).collect()
    }

    fn in_use(&self, scope: &Scope) -> Option<Arc<ScopeLimiters<C>>> {
        self.shard(scope).lock().unwrap_or_else(PoisonError::into_inner).get(scope).map(Arc::clone)
    }

    fn shard(&self, scope: &Scope) -> &Mutex<HashMap<Scope, Arc<ScopeLimiters<C>>>> {
        let index = usize::try_from(self.shard_of.hash_one(scope) % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }
}

impl<C: Clock + Clone> Share<C> {
    fn take_one(&mut self, scope: &Scope, limiters: &ScopeLimiters<C>) -> Result<(), Limited> {
        let limited = |kind, limit, wait: rate::Wait| Limited {
            scope: scope.clone(),
            kind,
            limit,
            remaining: wait.remaining,
            retry_after: wait.retry_after,
        };
        let quotas = limiters.quotas;
        let Some(taken) = self.taken.last_mut() else { return Ok(()) };
        let parallel = u64::from(quotas.parallel_requests.unwrap_or_default());
        taken.running = limiters.run().map_err(|wait| limited(Kind::Parallel, parallel, wait))?;
        let requests = quotas.requests_per_minute.unwrap_or_default();
        let remaining = limiters.take_request().map_err(|wait| limited(Kind::Requests, requests, wait))?;
        taken.request = true;
        self.left.extend(remaining.map(|remaining| Left {
            scope: scope.clone(),
            kind: Kind::Requests,
            limit: requests,
            remaining,
        }));
        let limit = quotas.tokens_per_minute.unwrap_or_default();
        let remaining = limiters.take_tokens(self.tokens).map_err(|wait| limited(Kind::Tokens, limit, wait))?;
        taken.tokens = true;
        self.left.extend(remaining.map(|remaining| Left {
            scope: scope.clone(),
            kind: Kind::Tokens,
            limit,
            remaining,
        }));
        Ok(())
    }

    /// Corrects the tokens to what was used, and ends the request. The request itself stays counted.
    pub(crate) fn settle(mut self, used: u64) {
        for taken in std::mem::take(&mut self.taken) {
            taken.limiters.correct_tokens(self.tokens, used);
        }
    }
}

impl<C: Clock + Clone> Drop for Share<C> {
    /// Gives back all that was taken: the request was refused further on, or never reached an upstream.
    fn drop(&mut self) {
        for taken in &self.taken {
            if taken.request {
                taken.limiters.give_request_back();
            }
            if taken.tokens {
                taken.limiters.correct_tokens(self.tokens, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
