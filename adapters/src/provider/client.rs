//! The one place that opens connections to upstreams.
//!
//! One pooled client for all of them: HTTP/1.1 only, no proxy from the environment, no redirects, no decompression, its
//! own resolver. Whatever can be checked is checked before a byte leaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tallygate_core::endpoint::{BaseUrl, NetworkPolicy};
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::port::provider::{Credential, Failure, Provider, Upstream};

use super::connector::Connector;
use super::upstream::HttpUpstream;

pub use super::headers::is_forwardable;

/// Connections to all upstreams, those in use and those kept for later. Cheap to clone.
pub(super) type Pool = legacy::Client<Connector, Full<Bytes>>;

/// How the client connects.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The limit for name, connection and TLS together.
    pub connect_timeout: Duration,
    /// How long a connection is kept that nobody uses. Less than the upstream's own limit, or requests meet closed
    /// connections.
    pub pool_idle_timeout: Duration,
    /// The most connections to one host that are kept for later.
    pub pool_idle_per_host: usize,
    /// What an operator allows beyond the network rules.
    pub network: NetworkPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            pool_idle_timeout: Duration::from_secs(60),
            pool_idle_per_host: 256,
            network: NetworkPolicy::default(),
        }
    }
}

/// The client could not be made: no TLS provider is installed, or the system has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be made")]
pub struct NoClient(#[source] rustls::Error);

/// Makes one TLS implementation the process's own. `main` calls it first, once; later calls change nothing.
pub fn install_tls() {
    // An error says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Calls upstreams over HTTP.
pub struct HttpProvider {
    pool: Pool,
    network: NetworkPolicy,
}

impl HttpProvider {
    /// A client with its own pool. [`install_tls`] must have been called.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(settings: &Settings) -> Result<Self, NoClient> {
        let connector = Connector::new(settings.connect_timeout, &settings.network).map_err(NoClient)?;
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.pool_idle_timeout)
            .pool_max_idle_per_host(settings.pool_idle_per_host)
            // A kept connection may have been closed by its upstream in the meantime. A request is sent again, on another
            // one, only if it comes back from the first without a byte of it having been written.
            .retry_canceled_requests(true)
            .build(connector);
        Ok(Self { pool, network: settings.network.clone() })
    }
}

impl fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProvider").field("network", &self.network).finish_non_exhaustive()
    }
}

impl Provider for HttpProvider {
    fn upstream(&self, endpoint: &BaseUrl, credential: Option<&Credential>) -> Result<Arc<dyn Upstream>, Failure> {
        let not_allowed = || Failure::new(Kind::HostNotAllowed);
        endpoint.check(&self.network).map_err(|refused| not_allowed().caused_by(refused))?;
        if credential.is_some_and(|credential| !credential.hosts.contains(&endpoint.origin().authority())) {
            return Err(not_allowed());
        }
        Ok(Arc::new(HttpUpstream::new(self.pool.clone(), endpoint, credential)?))
    }
}

#[cfg(test)]
mod tests;
