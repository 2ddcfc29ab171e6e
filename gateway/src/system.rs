//! The time and the identifiers of the system.

use std::time::{SystemTime, UNIX_EPOCH};

use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::time::Timestamp;
use uuid::Uuid;

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn steady_ms(&self) -> u64 {
        tallygate_adapters::outbox::steady_ms()
    }
}

/// Random, ordered identifiers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
}
