//! Names to addresses, under the network rules: the second of the two times that they are checked.
//!
//! A name was checked when it was stored; what it resolves to is decided by whoever runs its zone, now. So every address
//! is checked, and one bad address refuses them all: a name that points into two networks is an attack or a mistake.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tallygate_core::endpoint::{NetworkPolicy, Reach};
use tower_service::Service;

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

/// Resolves by the system's resolver, and checks. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct CheckedResolver {
    pub(super) policy: Arc<NetworkPolicy>,
}

impl Service<Name> for CheckedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = Reach::of_name(&name.as_str().to_ascii_lowercase(), &self.policy);
        Box::pin(async move {
            let reach = reach.ok_or(ResolveError::Forbidden)?;
            // The connector puts the port in.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| ResolveError::NoSuchName)?;
            checked(reach, found).map(Vec::into_iter)
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
    use std::net::SocketAddr;
    use std::sync::Arc;
    use tallygate_core::endpoint::{NetworkPolicy, Reach};
    use tower_service::Service as _;

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
        let mut resolver = CheckedResolver { policy: Arc::new(NetworkPolicy::default()) };
        let mut found = resolver.call("localhost".parse().unwrap()).await.unwrap();
        assert!(found.all(|address| address.ip().is_loopback()));
        let refused = resolver.call("Metadata.Google.Internal".parse().unwrap()).await.unwrap_err();
        assert_eq!(refused, ResolveError::Forbidden);
    }
}
