//! What to do after a failure: try again, there or elsewhere; go to another model; or give up.

use std::time::Duration;

use super::backoff::backoff;
use super::breaker::Readiness;
use super::rank::Ranked;
use super::route::ATTEMPTS_MAX;
use super::settings::{FALLBACKS_MAX, Routing};
use crate::id::ModelName;
use crate::port::provider::failure::{Kind, Retry};

/// An upstream that asks for more than this is not waited for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// The attempts of one request so far, and what it may still do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    /// How many failed, on all models.
    made: usize,
    /// How often the request waited.
    waited: u32,
    /// How often it may be tried again on the model where it is.
    retries: u8,
    /// The candidates that failed there, in order.
    tried: Vec<usize>,
    /// Those of them that must not be tried again.
    excluded: Vec<usize>,
    /// The models that it has been on, the one where it is last.
    models: Vec<ModelName>,
    fallbacks: Fallbacks,
    /// What made it leave the last model.
    left_for: Option<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fallbacks {
    any: Vec<ModelName>,
    context_window: Vec<ModelName>,
    content_policy: Vec<ModelName>,
}

/// An attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Which candidate was called.
    pub index: usize,
    /// With what it failed.
    pub kind: Kind,
    /// How long the upstream asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether a byte of its answer has gone to the client.
    pub started: bool,
    /// How often a request that failed there is tried again on the model, where that is the deployment's to say.
    pub retries: Option<u8>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Call a candidate of the same model.
    Again {
        /// Which.
        index: usize,
        /// After so long.
        after: Duration,
    },
    /// Go to another model, if the caller may: it is resolved and admitted as if it had been asked for. When it is, say
    /// [`Attempts::arrived`]; when it is not, [`Attempts::refused`].
    Fallback {
        /// Which.
        model: ModelName,
    },
    /// Tell the client.
    GiveUp {
        /// Why.
        why: Why,
    },
}

/// Why a request is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The client has a part of the answer already.
    Started,
    /// Nobody would do it: the request is at fault, or the answer was too long.
    NotRetryable,
    /// It was tried as often as the model's routing allows, and there is no fallback.
    RetriesUsed,
    /// There is no other deployment and no fallback.
    NoneLeft,
    /// The only deployment asked to be left alone for longer than [`RETRY_AFTER_MAX`].
    AskedToWait,
    /// [`ATTEMPTS_MAX`] were made.
    TooMany,
}

impl Attempts {
    /// No attempt yet, on the model that the request is for, with its routing.
    #[must_use]
    pub fn on(model: ModelName, routing: &Routing) -> Self {
        Self {
            made: 0,
            waited: 0,
            retries: routing.retries,
            tried: Vec::new(),
            excluded: Vec::new(),
            models: vec![model],
            fallbacks: Fallbacks {
                any: routing.fallbacks.clone(),
                context_window: routing.context_window_fallbacks.clone(),
                content_policy: routing.content_policy_fallbacks.clone(),
            },
            left_for: None,
        }
    }

    /// The same with the request's own fallbacks instead of the model's general ones. Those beyond [`FALLBACKS_MAX`] are
    /// never reached.
    #[must_use]
    pub fn with_fallbacks(mut self, fallbacks: Vec<ModelName>) -> Self {
        self.fallbacks.any = fallbacks;
        self
    }

    /// How many models were gone to, beside the one that was asked for.
    #[must_use]
    pub const fn hops(&self) -> usize {
        self.models.len().saturating_sub(1)
    }

    /// The request is admitted on the model that [`Next::Fallback`] named: it has the retries of that model's routing.
    /// Its fallbacks stay those of the model that was asked for.
    pub const fn arrived(&mut self, routing: &Routing) {
        self.retries = routing.retries;
    }

    /// The request may not go to the model that [`Next::Fallback`] named: the next one, or the end.
    #[must_use]
    pub fn refused(&mut self) -> Next {
        match self.left_for {
            Some(kind) => self.fall_back(kind, Why::NoneLeft),
            None => Next::GiveUp { why: Why::NoneLeft },
        }
    }

    /// Decides after a failure. `ranked` is the order of the model's candidates now, with the failure in their health;
    /// indices mean the same candidates from one attempt on a model to the next. `random` is uniform.
    #[must_use]
    pub fn failed(&mut self, failed: &Failed, ranked: &[Ranked], random: u64) -> Next {
        self.made = self.made.saturating_add(1);
        self.tried.push(failed.index);
        let retry = failed.kind.retry();
        let why = match retry {
            _ if failed.started => Some(Why::Started),
            Retry::Never => Some(Why::NotRetryable),
            _ if self.made >= ATTEMPTS_MAX => Some(Why::TooMany),
            Retry::SameOrOther | Retry::Other => None,
        };
        if let Some(why) = why {
            return Next::GiveUp { why };
        }
        if retry == Retry::Other || asks_too_much(failed) {
            self.excluded.push(failed.index);
        }
        // A deployment of the same model would take no longer prompt, as a rule.
        if self.own_fallback(failed.kind).is_some() {
            return self.fall_back(failed.kind, Why::NoneLeft);
        }
        if self.tried.len() > usize::from(failed.retries.unwrap_or(self.retries)) {
            return self.fall_back(failed.kind, Why::RetriesUsed);
        }
        self.again(failed, ranked, random)
    }

    /// Decides anew: the candidate that [`Next::Again`] named was taken as a probe by another request meanwhile. `ranked` is
    /// the order as it is now.
    #[must_use]
    pub fn overtaken(&mut self, failed: &Failed, ranked: &[Ranked], random: u64) -> Next {
        self.again(failed, ranked, random)
    }

    /// Tries again on the same model: at once where another deployment is well. Where none is, a fallback goes before
    /// waiting, and before the last resort.
    fn again(&mut self, failed: &Failed, ranked: &[Ranked], random: u64) -> Next {
        if let Some(other) = ranked.iter().find(|ranked| is_well(ranked) && !self.tried.contains(&ranked.index)) {
            return Next::Again { index: other.index, after: Duration::ZERO };
        }
        let permitted = ranked.iter().filter(|ranked| !self.excluded.contains(&ranked.index));
        let best = permitted.min_by_key(|ranked| (!is_well(ranked), ranked.index == failed.index)).copied();
        let waits_in_vain = failed.kind == Kind::RateLimited || !best.as_ref().is_some_and(is_well);
        if waits_in_vain && self.fallback(failed.kind).is_some() {
            return self.fall_back(failed.kind, Why::NoneLeft);
        }
        let Some(best) = best else {
            let why = if asks_too_much(failed) { Why::AskedToWait } else { Why::NoneLeft };
            return self.fall_back(failed.kind, why);
        };
        let told = failed.retry_after.filter(|_| best.index == failed.index);
        let after = backoff(self.waited, random, told);
        self.waited = self.waited.saturating_add(1);
        Next::Again { index: best.index, after }
    }

    /// Leaves the model for the next fallback; gives up if there is none.
    fn fall_back(&mut self, kind: Kind, otherwise: Why) -> Next {
        let Some(model) = self.fallback(kind).cloned() else {
            return Next::GiveUp { why: otherwise };
        };
        self.tried.clear();
        self.excluded.clear();
        self.left_for = Some(kind);
        self.models.push(model.clone());
        Next::Fallback { model }
    }

    /// Where to go for a kind of failure: to those for its reason first. No request is twice on one model.
    fn fallback(&self, kind: Kind) -> Option<&ModelName> {
        let any = || self.unseen(&self.fallbacks.any);
        self.own_fallback(kind).or_else(any)
    }

    /// The next fallback that is for this kind of failure alone.
    fn own_fallback(&self, kind: Kind) -> Option<&ModelName> {
        match kind {
            Kind::ContextTooLong => self.unseen(&self.fallbacks.context_window),
            Kind::ContentFiltered => self.unseen(&self.fallbacks.content_policy),
            _ => None,
        }
    }

    fn unseen<'a>(&self, models: &'a [ModelName]) -> Option<&'a ModelName> {
        models.iter().find(|model| !self.models.contains(model)).filter(|_| self.hops() < FALLBACKS_MAX)
    }
}

const fn is_well(ranked: &Ranked) -> bool {
    matches!(ranked.readiness, Readiness::Ready | Readiness::Probe) && !ranked.used_up
}

fn asks_too_much(failed: &Failed) -> bool {
    failed.retry_after.is_some_and(|told| told > RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests;
