//! Portions: how a rate limit is divided among the gateways that enforce it, by what each of them is asked for.
//!
//! Every gateway tells the others its demand, and each computes all portions by the same rule from what it heard. It knows
//! nothing of cells, requests or messages' ways: [`Book`] hears and tells, and says what a gateway may let through.

mod book;
mod report;
mod row;

use serde::{Deserialize, Serialize};

use crate::id::WriterId;
use crate::limits::{Kind, Limits};
use crate::scope::Scope;

pub use book::{Asked, Book, ENTRIES_MAX, PEERS_MAX, Portion};
pub use report::{Entry, Handover, Report};

/// What a limit by the minute is divided into: millionths of it. A limit of requests at once is divided into its places.
pub const MILLION: u64 = 1_000_000;
/// All gateways together keep one part in so many of a limit by the minute whatever they are asked for.
const FLOOR_PARTS: u64 = 20;
/// Requests at once: with so many places for each gateway, one that is not asked for any keeps a place.
const PLACES_FOR_FLOOR: u64 = 4;

/// One limit: whose, and of what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LimitId {
    /// Whose.
    pub scope: Scope,
    /// Of what.
    pub kind: Kind,
}

impl LimitId {
    /// Into how many parts it is divided; none where there is no limit.
    #[must_use]
    pub fn parts(&self, limits: &Limits) -> Option<u64> {
        match self.kind {
            Kind::Requests => limits.requests_per_minute.map(|_| MILLION),
            Kind::Tokens => limits.tokens_per_minute.map(|_| MILLION),
            Kind::Parallel => limits.parallel_requests.map(u64::from),
        }
    }

    /// What each of so many gateways keeps of it though it is asked for nothing, in parts.
    const fn floor(&self, parts: u64, gateways: u64) -> u64 {
        match self.kind {
            Kind::Requests | Kind::Tokens => parts / (FLOOR_PARTS * gateways),
            Kind::Parallel if parts >= PLACES_FOR_FLOOR * gateways => 1,
            Kind::Parallel => 0,
        }
    }

    /// The order in which gateways get what cannot be divided: another one for each limit, the same on all gateways.
    fn order<'a>(&self, gateways: impl Iterator<Item = &'a WriterId>) -> Vec<&'a WriterId> {
        let scope = self.scope.to_string();
        let mut ranked: Vec<_> =
            gateways.map(|gateway| (fnv(scope.as_bytes(), gateway.as_str().as_bytes()), gateway)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, gateway)| gateway).collect()
    }

    /// What one of the gateways has of a limit that nobody reports a demand for: an equal part.
    #[must_use]
    pub fn at_rest(&self, parts: u64, gateways: &[WriterId], own: &WriterId) -> u64 {
        let count = u64::try_from(gateways.len()).unwrap_or(u64::MAX).max(1);
        let (each, rest) = (parts / count, parts % count);
        if rest == 0 {
            return each;
        }
        let rank = self.order(gateways.iter()).iter().position(|gateway| *gateway == own);
        let is_among_first = rank.and_then(|rank| u64::try_from(rank).ok()).is_some_and(|rank| rank < rest);
        each + u64::from(is_among_first)
    }
}

/// Divides parts by demand: everyone has the floor; what is above it goes, max-min fair, to those who ask for it, and what
/// nobody asks for is spread in proportion. The sum is the parts, whatever the demands: never more.
#[must_use]
pub fn divide(parts: u64, floor: u64, demands: &[u64]) -> Vec<u64> {
    let count = u64::try_from(demands.len()).unwrap_or(u64::MAX).max(1);
    let floor = floor.min(parts / count);
    let pool = parts - floor * count;
    let mut portions = in_proportion(pool, &fair(pool, demands));
    portions.iter_mut().for_each(|portion| *portion += floor);
    portions
}

/// To each what it asks for, and to none more than what all who ask for more get as well.
fn fair(pool: u64, demands: &[u64]) -> Vec<u64> {
    let mut by_demand: Vec<_> = demands.iter().copied().enumerate().collect();
    by_demand.sort_by_key(|&(_, demand)| demand);
    let (mut given, mut left) = (vec![0; demands.len()], pool);
    for (place, (index, demand)) in by_demand.into_iter().enumerate() {
        let sharers = u64::try_from(demands.len() - place).unwrap_or(1);
        let portion = demand.min(left / sharers);
        given[index] = portion;
        left -= portion;
    }
    given
}

/// The whole pool, in proportion to weights, or equally where there are none. What cannot be divided goes to the largest
/// rests, and among equal ones to the first.
fn in_proportion(pool: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    let (weigh_equally, sum) = if sum == 0 { (true, weights.len().max(1) as u128) } else { (false, sum) };
    let exact = weights.iter().map(|&weight| {
        let product = u128::from(pool) * if weigh_equally { 1 } else { u128::from(weight) };
        (product / sum, product % sum)
    });
    let mut portions = Vec::with_capacity(weights.len());
    let mut rests = Vec::new();
    for (index, (whole, rest)) in exact.enumerate() {
        portions.push(u64::try_from(whole).unwrap_or(u64::MAX));
        rests.push((std::cmp::Reverse(rest), index));
    }
    let missing = pool.saturating_sub(portions.iter().sum());
    rests.sort_unstable();
    for (_, index) in rests.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        portions[index] += 1;
    }
    portions
}

/// FNV-1a: it must be the same in every build, and be cheap.
fn fnv(first: &[u8], second: &[u8]) -> u64 {
    let bytes = first.iter().chain(&[0]).chain(second);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
