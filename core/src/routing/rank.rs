//! In which order the deployments of a model are tried for one request.
//!
//! Who may serve it at all is decided by tags, and under [`Strategy::Usage`] by limits. Those are shuffled by weight, put
//! in order by the strategy, and then, without changing that order among equals, by how fit they are: first one probe, so
//! that who is well again is found out; then the ready ones, then spare ones (weight zero), further probes, those whose
//! minute is used up, and as the last resort those that cool. So a model is never refused only because all of it cools.

use super::breaker::Readiness;
use super::health::Snapshot;
use super::settings::Strategy;
use super::shuffle::shuffled;
use super::tags::{self, NoneWithTags};
use crate::money::NanoUsd;
use crate::price::{Class, Price, ServiceTier};

/// A full share of a limit, in permille.
const FULL: u64 = 1_000;
const THOUSAND: u64 = 1_000;

/// What a request asks of routing.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The model's strategy.
    pub strategy: Strategy,
    /// The tags of the request.
    pub tags: &'a [String],
    /// A uniform random number. The same one gives the same order.
    pub random: u64,
}

/// A deployment as routing sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its share of the traffic; zero: only when no other one is ready.
    pub weight: u32,
    /// Its place under [`Strategy::Ordered`]: lower ones first.
    pub order: u32,
    /// What a thousand tokens of prompt and a thousand of answer cost there: [`price_per_1k`]. None without a price.
    pub price_per_1k: Option<NanoUsd>,
    /// What it may be asked in a minute.
    pub limits: MinuteLimits,
    /// What it is for. None: for requests without tags.
    pub tags: &'a [String],
    /// How it is.
    pub health: Snapshot,
}

/// What a deployment may be asked in a minute: what its provider allows. None: as much as one likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MinuteLimits {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens of prompt and answer.
    pub tokens: Option<u64>,
}

/// A candidate in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranked {
    /// Which of the candidates.
    pub index: usize,
    /// Why, by the strategy: [`score`].
    pub score: u64,
    /// Whether a call may go there.
    pub readiness: Readiness,
    /// Whether its requests or tokens of this minute are used up.
    pub used_up: bool,
}

/// Why no deployment is left for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoneLeft {
    /// None has one of the request's tags.
    #[error(transparent)]
    NoneWithTags(#[from] NoneWithTags),
    /// Under [`Strategy::Usage`]: all have used up their requests or tokens of this minute.
    #[error("all deployments have used up their requests or tokens of this minute")]
    AllUsedUp,
}

/// How fit a candidate is; the order of the variants is the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    FirstProbe,
    Ready,
    Spare,
    Probe,
    UsedUp,
    Cooling,
}

/// Puts the candidates in the order in which they are tried, the best one first. Every one that may serve the request
/// stands in it once. Without candidates the order is empty.
///
/// # Errors
/// [`NoneLeft`] when there are candidates and none may serve the request.
pub fn rank(ask: &Ask<'_>, candidates: &[Candidate<'_>]) -> Result<Vec<Ranked>, NoneLeft> {
    let eligible = tags::eligible(ask.tags, candidates)?;
    let weights: Vec<u32> = eligible.iter().map(|index| candidates[*index].weight).collect();
    let shuffled = shuffled(&weights, ask.random).into_iter().map(|place| eligible[place]);
    // Where all have weight zero there is nothing that they could be spare for.
    let has_others = weights.iter().any(|weight| *weight > 0);
    let mut probed = false;
    let mut order: Vec<(Fitness, Ranked)> = Vec::with_capacity(eligible.len());
    for index in shuffled {
        let candidate = &candidates[index];
        let ranked = Ranked {
            index,
            score: score(ask.strategy, candidate),
            readiness: candidate.health.readiness,
            used_up: candidate.limits.used_permille(&candidate.health) >= FULL,
        };
        if ranked.used_up && ask.strategy == Strategy::Usage {
            continue;
        }
        let is_spare = has_others && candidate.weight == 0;
        order.push((fitness(&ranked, is_spare, &mut probed), ranked));
    }
    if order.is_empty() && !candidates.is_empty() {
        return Err(NoneLeft::AllUsedUp);
    }
    sort(ask.strategy, &mut order);
    Ok(order.into_iter().map(|(_, ranked)| ranked).collect())
}

/// What a strategy makes of a candidate. Lower is better, but under [`Strategy::Weighted`], where it is the weight.
///
/// | strategy | score |
/// |---|---|
/// | weighted | the weight |
/// | least busy | the calls that run there |
/// | lowest latency | the mean time to the first byte in microseconds, times one more than the calls that run there; zero before the first answer, so that each is measured |
/// | lowest cost | the price of a thousand tokens in and out in nano-dollars; the highest number without a price |
/// | usage | the most used of its limits, in permille; zero without limits |
/// | ordered | its order |
#[must_use]
pub fn score(strategy: Strategy, candidate: &Candidate<'_>) -> u64 {
    let health = &candidate.health;
    match strategy {
        Strategy::Weighted => u64::from(candidate.weight),
        Strategy::LeastBusy => u64::from(health.in_flight),
        Strategy::LowestLatency => {
            let mean = health.latency.map_or(0, |mean| u64::try_from(mean.as_micros()).unwrap_or(u64::MAX));
            mean.saturating_mul(u64::from(health.in_flight).saturating_add(1))
        }
        Strategy::LowestCost => {
            candidate.price_per_1k.map_or(u64::MAX, |price| u64::try_from(price.nano()).unwrap_or(0))
        }
        Strategy::Usage => candidate.limits.used_permille(health),
        Strategy::Ordered => u64::from(candidate.order),
    }
}

/// What a thousand tokens of prompt and a thousand of answer cost in the standard tier; the highest amount there is if
/// it is more than that.
#[must_use]
pub fn price_per_1k(price: &Price) -> NanoUsd {
    let rates = price.rates_for(ServiceTier::Standard, THOUSAND);
    let pico = |class| u128::from(rates.of(class).pico()) * u128::from(THOUSAND);
    NanoUsd::from_pico_rounded_up(pico(Class::Input) + pico(Class::Output)).unwrap_or(NanoUsd::MAX)
}

impl MinuteLimits {
    /// The most used of the limits, in permille of it.
    fn used_permille(&self, health: &Snapshot) -> u64 {
        let share = |used: u64, limit: u64| used.saturating_mul(FULL).checked_div(limit).unwrap_or(FULL);
        let requests = self.requests.map(|limit| share(health.requests_in_minute, limit));
        let tokens = self.tokens.map(|limit| share(health.tokens_in_minute, limit));
        requests.max(tokens).unwrap_or(0)
    }
}

fn fitness(ranked: &Ranked, is_spare: bool, probed: &mut bool) -> Fitness {
    match ranked.readiness {
        Readiness::Cooling { .. } => Fitness::Cooling,
        Readiness::Ready | Readiness::Probe if ranked.used_up => Fitness::UsedUp,
        Readiness::Ready if is_spare => Fitness::Spare,
        Readiness::Ready => Fitness::Ready,
        Readiness::Probe if is_spare || std::mem::replace(probed, true) => Fitness::Probe,
        Readiness::Probe => Fitness::FirstProbe,
    }
}

/// Sorts what is shuffled; equals stay in the order of the shuffle.
fn sort(strategy: Strategy, order: &mut [(Fitness, Ranked)]) {
    match strategy {
        Strategy::Weighted => order.sort_by_key(|(fitness, _)| *fitness),
        Strategy::LowestLatency => {
            order.sort_by_key(|(fitness, _)| *fitness);
            order.chunk_by_mut(|(one, _), (other, _)| one == other).for_each(two_choices);
        }
        Strategy::LeastBusy | Strategy::LowestCost | Strategy::Usage | Strategy::Ordered => {
            order.sort_by_key(|(fitness, ranked)| (*fitness, ranked.score));
        }
    }
}

/// The better of two drawn ones goes first, the other is drawn again with the next. Not the best of all: what everybody
/// believes to be fastest would get everything at once, and be it no more.
fn two_choices(shuffled: &mut [(Fitness, Ranked)]) {
    for first in 1..shuffled.len() {
        if shuffled[first].1.score < shuffled[first - 1].1.score {
            shuffled.swap(first - 1, first);
        }
    }
}

#[cfg(test)]
mod tests;
