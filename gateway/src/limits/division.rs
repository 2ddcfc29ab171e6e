//! The portions that this gateway may let through, where several gateways divide the limits. Requests read them from
//! memory; the exchange with the other gateways sets them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use governor::clock::Clock;
use tallygate_core::id::WriterId;
use tallygate_core::limits::{Kind, Limits as Quotas};
use tallygate_core::portion::{Asked, LimitId, Portion};
use tallygate_core::scope::Scope;
use tokio::sync::Notify;

use super::scope::{Portions, ScopeLimiters};

/// The most scopes whose demand is told: what is asked of others in the same second is not divided by demand.
const LISTED_MAX: usize = 4_096;

/// What is in force.
#[derive(Debug)]
pub(super) struct Division<C: Clock> {
    own: WriterId,
    /// Grows when equal parts become other ones.
    version: AtomicU64,
    state: RwLock<State>,
    listed: Mutex<Vec<(Scope, Arc<ScopeLimiters<C>>)>>,
    refused: Notify,
}

#[derive(Debug)]
struct State {
    /// Among whom, this gateway too, by their ids.
    gateways: Vec<WriterId>,
    /// What is not divided equally.
    by_demand: HashMap<LimitId, Portion>,
}

impl<C: Clock + Clone> Division<C> {
    /// Of a gateway that knows no other one yet.
    pub(super) fn new(own: WriterId) -> Self {
        let state = State { gateways: vec![own.clone()], by_demand: HashMap::new() };
        Self {
            own,
            version: AtomicU64::new(0),
            state: RwLock::new(state),
            listed: Mutex::default(),
            refused: Notify::new(),
        }
    }

    /// The portions of the limits of a scope, and the version that they are of.
    pub(super) fn portions(&self, scope: &Scope, quotas: &Quotas) -> (Portions, u64) {
        let version = self.version.load(Ordering::Acquire);
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let of = |kind| {
            let limit = LimitId { scope: scope.clone(), kind };
            let parts = limit.parts(quotas)?;
            let known = state.by_demand.get(&limit);
            let held = known.and_then(|portion| portion.held);
            let held = held.unwrap_or_else(|| limit.at_rest(parts, &state.gateways, &self.own));
            Some((held, known.map_or(0, |portion| portion.elsewhere)))
        };
        let whole = Portions::WHOLE;
        let (places, elsewhere) = of(Kind::Parallel).unwrap_or((whole.places, whole.elsewhere));
        let portions = Portions {
            requests: of(Kind::Requests).map_or(whole.requests, |(held, _)| held),
            tokens: of(Kind::Tokens).map_or(whole.tokens, |(held, _)| held),
            places,
            elsewhere,
        };
        (portions, version)
    }

    /// Brings limiters up to date, and lists them for the next tick.
    pub(super) fn note(&self, scope: &Scope, limiters: &Arc<ScopeLimiters<C>>, tokens: u64) {
        if limiters.version.load(Ordering::Acquire) != self.version.load(Ordering::Acquire) {
            let (portions, version) = self.portions(scope, &limiters.quotas);
            limiters.hold_all(portions);
            limiters.version.store(version, Ordering::Release);
        }
        limiters.tally.ask(tokens);
        if limiters.tally.wants_listing() {
            let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            if listed.len() < LISTED_MAX {
                listed.push((scope.clone(), Arc::clone(limiters)));
            } else {
                limiters.tally.unlist();
            }
        }
    }

    /// A request was refused: the others may have to be told at once.
    pub(super) fn refuse(&self) {
        self.refused.notify_one();
    }

    /// Waits until a request is refused.
    pub(super) async fn refused(&self) {
        self.refused.notified().await;
    }

    /// What was asked since the last tick; at a tick it begins anew. Between ticks only what was refused.
    pub(super) fn asked(&self, is_tick: bool) -> Vec<Asked> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(scope, limiters): &(Scope, Arc<ScopeLimiters<C>>)| {
            limiters.tally.asked(scope, &limiters.quotas, limiters.running())
        };
        if !is_tick {
            return listed.iter().filter(|(_, limiters)| limiters.tally.has_refused()).flat_map(of).collect();
        }
        let asked = listed.iter().flat_map(of).collect();
        listed.retain(|(_, limiters)| {
            limiters.tally.clear();
            let goes_on = limiters.running() > 0;
            if !goes_on {
                limiters.tally.unlist();
            }
            goes_on
        });
        asked
    }

    /// Divides equal parts among other gateways.
    pub(super) fn among(&self, gateways: Vec<WriterId>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.gateways != gateways {
            state.gateways = gateways;
            self.version.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Puts a portion into force for limiters that are not made yet, and tells how many parts that is.
    pub(super) fn set(&self, limit: &LimitId, parts: u64, portion: Portion) -> u64 {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match portion.held {
            Some(held) => {
                state.by_demand.insert(limit.clone(), portion);
                held
            }
            None => {
                state.by_demand.remove(limit);
                limit.at_rest(parts, &state.gateways, &self.own)
            }
        }
    }
}
