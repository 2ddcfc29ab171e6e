//! How often somebody may try: by the name that is tried, and by the address that it is tried from.
//!
//! Every attempt counts, whatever comes of it. Names and addresses are anybody's to make up, so only so many are told apart;
//! while there are more, all share one limit.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tallygate_core::digest::Digest;

/// Attempts for one name within a minute, and at once.
const OF_NAME: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Attempts from one address within a minute, and at once.
const OF_ADDRESS: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// The most names, and the most addresses, that are told apart.
const TOLD_APART_MAX: usize = 10_000;

type Limiter<K, C> = RateLimiter<K, HashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// See the module.
pub(crate) struct Attempts<C: Clock = DefaultClock> {
    names: Limiter<Digest, C>,
    addresses: Limiter<u64, C>,
    clock: C,
}

/// Too many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// When the next one may be made.
    pub(crate) retry_after: Duration,
}

impl<C: Clock> std::fmt::Debug for Attempts<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempts")
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Attempts<C> {
    fn new(clock: C) -> Self {
        Self {
            names: Limiter::new(Quota::per_minute(OF_NAME), HashMapStateStore::default(), clock.clone()),
            addresses: Limiter::new(Quota::per_minute(OF_ADDRESS), HashMapStateStore::default(), clock.clone()),
            clock,
        }
    }

    /// Counts an attempt from an address, and for a name where one is tried.
    ///
    /// # Errors
    /// There were too many.
    pub(crate) fn count(&self, name: Option<&str>, from: IpAddr) -> Result<(), TooMany> {
        take(&self.addresses, &self.clock, network(from), u64::MAX)?;
        match name {
            // Capitals make no other name of an email address.
            Some(name) => take(&self.names, &self.clock, Digest::of(name.to_lowercase().as_bytes()), Digest::ZERO),
            None => Ok(()),
        }
    }
}

/// Takes one of a limit; of that of all others when too many are told apart.
fn take<K, C>(limiter: &Limiter<K, C>, clock: &C, key: K, others: K) -> Result<(), TooMany>
where
    K: std::hash::Hash + Eq + Clone,
    C: Clock,
{
    if limiter.len() >= TOLD_APART_MAX {
        limiter.retain_recent();
    }
    let key = if limiter.len() >= TOLD_APART_MAX { others } else { key };
    limiter.check_key(&key).map_err(|until| TooMany { retry_after: until.wait_time_from(clock.now()) })
}

/// Who has one address of IPv6 has 2^64 of them.
fn network(from: IpAddr) -> u64 {
    match from.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => u64::from_be_bytes(address.octets().first_chunk().copied().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::{Attempts, TOLD_APART_MAX};

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn a_name_is_tried_ten_times_a_minute_from_wherever_and_in_whatever_capitals() {
        let clock = FakeRelativeClock::default();
        let attempts = Attempts::new(clock.clone());
        for number in 0..10 {
            let name = if number % 2 == 0 { "ada" } else { "ADA" };
            attempts.count(Some(name), address(number)).unwrap();
        }
        let refused = attempts.count(Some("ada"), address(11)).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(6));
        attempts.count(Some("bob"), address(11)).unwrap();
        clock.advance(refused.retry_after);
        attempts.count(Some("ada"), address(11)).unwrap();
    }

    #[test]
    fn an_address_tries_sixty_times_a_minute_whatever_names() {
        let attempts = Attempts::new(FakeRelativeClock::default());
        for number in 0..60 {
            attempts.count(Some(&number.to_string()), address(1)).unwrap();
        }
        attempts.count(Some("another"), address(1)).unwrap_err();
        attempts.count(None, address(1)).unwrap_err();
        attempts.count(Some("another"), address(2)).unwrap();
        // All of a network of IPv6 is one address.
        let of_network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        (0..60).for_each(|last| attempts.count(None, of_network(last)).unwrap());
        attempts.count(None, of_network(60)).unwrap_err();
    }

    #[test]
    fn while_there_are_too_many_to_be_told_apart_all_share_one_limit() {
        let clock = FakeRelativeClock::default();
        let attempts = Attempts::new(clock.clone());
        let most = u32::try_from(TOLD_APART_MAX).unwrap();
        (0..most).for_each(|number| attempts.count(None, address(number)).unwrap());
        (0..60).for_each(|number| attempts.count(None, address(most + number)).unwrap());
        attempts.count(None, address(most + 60)).unwrap_err();
        assert!(attempts.addresses.len() <= TOLD_APART_MAX + 1);
        clock.advance(Duration::from_secs(120));
        attempts.count(None, address(most + 60)).unwrap();
        assert!(attempts.addresses.len() < 10, "whoever did not try lately is forgotten");
    }
}
