//! Routing: which deployments of a model are tried, in which order, how often, and where a request goes when they fail.
//!
//! All of it is pure: the moment comes in as a [`Steady`], randomness as a number, and nothing here calls or waits.
//! A gateway keeps a [`Health`] for each deployment, ranks them for a request with [`rank()`], and after each failure asks
//! the request's [`Attempts`] what to do next. What became of it is a [`Route`].

mod settings;
mod steady;
mod per_minute;
mod latency;
mod breaker;
mod seen;
mod lately;
mod health;
mod shuffle;
mod tags;
mod rank;
mod considered;
mod backoff;
mod retry;
mod route;

pub use backoff::{BACKOFF_FIRST, BACKOFF_MAX};
pub use breaker::{COOLING_LONG, COOLING_LONG_MAX, COOLING_MAX, Counts, Readiness, Terms};
pub use considered::{CONSIDERED_MAX, Considered, Place, Stands};
pub use health::{Begun, Ended, Health, How, Snapshot};
pub use lately::{LATELY_CALLS_MAX, LATELY_MAX, Lately};
pub use rank::{Ask, Candidate, MinuteLimits, NoneLeft, Ranked, price_per_1k, rank, score};
pub use retry::{Attempts, Failed, Next, RETRY_AFTER_MAX, Why};
pub use route::{ATTEMPTS_MAX, Attempt, End, InvalidRoute, ROUTE_TEXT_MAX_BYTES, Route};
pub use seen::{ProbeBy, Seen, SeenFailure, SeenProbe};
pub use settings::{
    ALLOWED_FAILURES_MAX, COOLDOWN_MAX_MS, Cooldown, FALLBACKS_MAX, InvalidRouting, RETRIES_MAX, Routing, Strategy,
};
pub use steady::Steady;
pub use tags::{DEFAULT as TAG_DEFAULT, NoneWithTags};

#[cfg(test)]
mod tests;
