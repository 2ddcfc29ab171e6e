//! Names to addresses, under the network rules: the second of the two times that they are checked.
//!
//! A name was checked when it was stored; what it resolves to is decided by whoever runs its zone, now. So every address
//! is checked, and one bad address refuses them all: a name that points into two networks is an attack or a mistake.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tallygate_core::endpoint::{NetworkPolicy, Reach};

/// Why a name was not resolved to addresses that may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResolveError {
    /// The rules forbid the name, or an address it resolves to.
    #[error("the network rules forbid this name or an address that it resolves to")]
    Forbidden,
    /// There is no such name, or the resolver does not answer.
    #[error("the name does not resolve")]
    NoSuchName,
}

/// Resolves by the system's resolver, and checks.
#[derive(Debug)]
pub(super) struct CheckedResolver {
    pub(super) policy: NetworkPolicy,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = Reach::of_name(&name.as_str().to_ascii_lowercase(), &self.policy);
        Box::pin(async move {
            let reach = reach.ok_or(ResolveError::Forbidden)?;
            // The connector puts the port in.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| ResolveError::NoSuchName)?;
            let addresses = checked(reach, found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn checked(reach: Reach, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(ResolveError::NoSuchName);
    }
    if addresses.iter().all(|address| reach.allows(address.ip())) {
        Ok(addresses)
    } else {
        Err(ResolveError::Forbidden)
    }
}

#[cfg(test)]
mod tests {
    use super::{CheckedResolver, ResolveError, checked};
    use reqwest::dns::Resolve as _;
    use std::net::SocketAddr;
    use tallygate_core::endpoint::{NetworkPolicy, Reach};

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn one_bad_address_refuses_the_name() {
        let check = |reach, texts: &[&str]| checked(reach, addresses(texts).into_iter()).map(drop);
        assert_eq!(check(Reach::Public, &["1.1.1.1", "2606:4700::1"]), Ok(()));
        assert_eq!(check(Reach::Public, &["1.1.1.1", "127.0.0.1"]), Err(ResolveError::Forbidden));
        assert_eq!(check(Reach::Private, &["172.18.0.2", "169.254.169.254"]), Err(ResolveError::Forbidden));
        assert_eq!(check(Reach::Private, &[]), Err(ResolveError::NoSuchName));
    }

    #[tokio::test]
    async fn localhost_is_this_machine_and_metadata_is_never_asked_for() {
        let resolver = CheckedResolver { policy: NetworkPolicy::default() };
        let mut found = resolver.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(found.all(|address| address.ip().is_loopback()));
        let refused = resolver.resolve("Metadata.Google.Internal".parse().unwrap()).await.err().unwrap();
        assert_eq!(refused.downcast_ref(), Some(&ResolveError::Forbidden));
    }
}
