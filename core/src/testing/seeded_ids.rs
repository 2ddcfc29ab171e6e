//! Identifiers that repeat from run to run.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

use crate::port::clock::Ids;

/// The millisecond of the first identifier: 2026-11-20T10:15:30.123Z. Each next one is a millisecond later.
const FIRST_MILLIS: u64 = 1_795_169_730_123;

/// Makes uuids of the form of version 7 from a seed and a counter: the same seed gives the same ones in the same
/// order, another seed gives others.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    made: AtomicU64,
}

impl SeededIds {
    /// Identifiers of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, made: AtomicU64::new(0) }
    }
}

impl Ids for SeededIds {
    fn uuid(&self) -> Uuid {
        let count = self.made.fetch_add(1, Ordering::SeqCst);
        let mut noise = [0; 10];
        noise[..8].copy_from_slice(&mix(self.seed ^ mix(count)).to_be_bytes());
        Builder::from_unix_timestamp_millis(FIRST_MILLIS.wrapping_add(count), &noise).into_uuid()
    }
}

/// The output function of splitmix64: every bit of the input touches every bit of the output.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::SeededIds;
    use crate::port::clock::Ids as _;

    #[test]
    fn a_seed_repeats_its_ids_in_growing_order() {
        let make = |seed| {
            let ids = SeededIds::new(seed);
            (0..100).map(|_| ids.uuid()).collect::<Vec<_>>()
        };
        let ids = make(1);
        assert_eq!(ids, make(1));
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert!(make(2).iter().all(|id| !ids.contains(id)));
    }
}
