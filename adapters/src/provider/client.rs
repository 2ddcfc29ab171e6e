//! The one place that opens connections to upstreams.
//!
//! One pooled client for all of them: HTTP/1.1 only, no proxy from the environment, no redirects, no decompression, its
//! own resolver. Whatever can be checked is checked before a byte leaves.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use tallygate_core::endpoint::{BaseUrl, NetworkPolicy};
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::port::provider::{Credential, Failure, Provider, Upstream};

use super::connector::Connector;
use super::pool::{Host, Keeping};
use super::upstream::HttpUpstream;

pub use super::headers::is_forwardable;

/// How the client connects.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a connection is kept that nobody uses. Less than the upstream's own limit, or requests meet closed
    /// connections.
    pub pool_idle_timeout: Duration,
    /// The most connections to one host that are kept for later.
    pub pool_idle_per_host: usize,
    /// How often connections that nobody uses are looked at: one that its upstream has closed is kept no longer.
    pub pool_look_every: Duration,
    /// What an operator allows beyond the network rules.
    pub network: NetworkPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pool_idle_timeout: Duration::from_secs(60),
            pool_idle_per_host: 256,
            pool_look_every: Duration::from_secs(1),
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
    connector: Connector,
    keeping: Keeping,
    network: NetworkPolicy,
    /// By origin: upstreams at one host share its connections.
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

impl HttpProvider {
    /// A client with its own connections. [`install_tls`] must have been called.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(settings: &Settings) -> Result<Self, NoClient> {
        let connector = Connector::new(&settings.network).map_err(NoClient)?;
        let keeping = Keeping {
            idle_timeout: settings.pool_idle_timeout,
            connections_max: settings.pool_idle_per_host,
            look_every: settings.pool_look_every,
        };
        Ok(Self { connector, keeping, network: settings.network.clone(), hosts: Mutex::default() })
    }

    fn host(&self, endpoint: &BaseUrl) -> Result<Arc<Host>, http::uri::InvalidUri> {
        let origin = endpoint.origin().to_string();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&origin) {
            return Ok(Arc::clone(host));
        }
        hosts.retain(|_, host| Arc::strong_count(host) > 1 || host.keeps_any());
        let host = Arc::new(Host::new(origin.parse::<Uri>()?, self.connector.clone(), self.keeping));
        hosts.insert(origin, Arc::clone(&host));
        Ok(host)
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
        let host = self.host(endpoint).map_err(|error| not_allowed().caused_by(error))?;
        Ok(Arc::new(HttpUpstream::new(host, endpoint, credential)?))
    }
}

#[cfg(test)]
mod tests;
