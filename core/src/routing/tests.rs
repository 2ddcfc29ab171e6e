mod simulation;

use std::time::Duration;

use super::{Candidate, MinuteLimits, Readiness, Snapshot};
use crate::port::provider::failure::Kind;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// Every kind of failure.
        pub(in crate::routing) const KINDS: &[Kind] = &[$(Kind::$kind),*];

        /// It does not compile while the list lacks a kind.
        const fn is_listed(kind: Kind) {
            match kind {
                $(Kind::$kind => {})*
            }
        }
    };
}

kinds! {
    HostNotAllowed, CredentialUnusable, HeaderNotAllowed, NameNotResolved, Refused, ConnectTimeout, Tls, FirstByteTimeout,
    IdleTimeout, TotalTimeout, Reset, Protocol, TooLarge, Redirected, InvalidRequest, ContextTooLong, ContentFiltered,
    Unauthorized, NotFound, RateLimited, QuotaExhausted, UpstreamTimeout, BadGateway, Overloaded, ServerError,
}

/// A deployment that is well and idle, of weight 1, without tags, limits or price.
pub(in crate::routing) const WELL: Candidate<'static> = Candidate {
    weight: 1,
    order: 0,
    price_per_1k: None,
    limits: MinuteLimits { requests: None, tokens: None },
    tags: &[],
    health: Snapshot {
        readiness: Readiness::Ready,
        in_flight: 0,
        latency: None,
        requests_in_minute: 0,
        tokens_in_minute: 0,
    },
};

impl<'a> Candidate<'a> {
    pub(in crate::routing) const fn of_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    pub(in crate::routing) const fn being(mut self, readiness: Readiness) -> Self {
        self.health.readiness = readiness;
        self
    }

    pub(in crate::routing) const fn running(mut self, calls: u32) -> Self {
        self.health.in_flight = calls;
        self
    }

    pub(in crate::routing) const fn answering_in(mut self, millis: u64) -> Self {
        self.health.latency = Some(Duration::from_millis(millis));
        self
    }

    pub(in crate::routing) const fn used(mut self, requests: u64, of: u64) -> Self {
        self.health.requests_in_minute = requests;
        self.limits.requests = Some(of);
        self
    }

    pub(in crate::routing) const fn tagged(mut self, tags: &'a [String]) -> Self {
        self.tags = tags;
        self
    }
}

#[test]
fn every_kind_of_failure_is_listed() {
    KINDS.iter().copied().for_each(is_listed);
}
