//! Opens connections: name, address, TLS, within a limit of time that each call has, and to nowhere that the network rules forbid.
//!
//! An endpoint was checked when its upstream was made. It is checked again here, because this is where a mistake above
//! would become a connection; and an address that stands in the endpoint itself never comes to the resolver.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tallygate_core::endpoint::{BaseUrl, NetworkPolicy};
use tallygate_core::port::event_log::BoxError;
use tokio::net::TcpStream;
use tower_service::Service;

use super::resolver::CheckedResolver;

/// A connection that carries nothing is asked this often whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// So many questions without an answer end it.
const KEEPALIVE_RETRIES: u32 = 3;
/// What was sent and is not acknowledged for this long ends it.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// No connection within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no connection within the limit")]
pub(super) struct TimedOut;

/// A connection, with TLS or without.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to origins. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector(Arc<Parts>);

struct Parts {
    http: HttpConnector<CheckedResolver>,
    tls: Arc<ClientConfig>,
    network: Arc<NetworkPolicy>,
}

impl Connector {
    /// A connector that keeps to these rules.
    ///
    /// # Errors
    /// No TLS provider is installed, or the system has no root certificates.
    pub(super) fn new(network: &NetworkPolicy) -> Result<Self, rustls::Error> {
        let network = Arc::new(network.clone());
        let mut http = HttpConnector::new_with_resolver(CheckedResolver { policy: Arc::clone(&network) });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        Ok(Self(Arc::new(Parts { http, tls: Arc::new(tls()?), network })))
    }
}

/// TLS 1.2 and 1.3; the system's verifier, with the roots that the system trusts.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = CryptoProvider::get_default()
        .ok_or_else(|| rustls::Error::General("no TLS provider is installed in this process".to_owned()))?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl Connector {
    /// Opens a connection to an origin. `timeout` is for name, connection and TLS together.
    ///
    /// # Errors
    /// The network rules forbid it, or the last cause of why there is none: [`TimedOut`] when it took too long.
    pub(super) async fn connect(&self, origin: Uri, timeout: Duration) -> Result<Stream, BoxError> {
        origin.to_string().parse::<BaseUrl>()?.check(&self.0.network)?;
        let mut http = self.0.http.clone();
        // Divided among the addresses of a name, so that a dead one leaves time for the next.
        http.set_connect_timeout(Some(timeout));
        let mut https = HttpsConnector::from((http, Arc::clone(&self.0.tls)));
        let connected = async {
            poll_fn(|context| https.poll_ready(context)).await?;
            https.call(origin).await
        };
        tokio::time::timeout(timeout, connected).await.map_err(|_| TimedOut)?
    }
}

#[cfg(test)]
mod tests {
    use super::Connector;
    use crate::provider::client::install_tls;
    use std::time::Duration;
    use tallygate_core::endpoint::{EndpointRefused, NetworkPolicy};

    #[tokio::test]
    async fn no_connection_is_opened_to_what_the_rules_forbid_whoever_asks() {
        install_tls();
        // Not even a limit of time is left for trying.
        let connector = Connector::new(&NetworkPolicy::default()).unwrap();
        for origin in [
            "http://169.254.169.254/",
            "http://8.8.8.8/",
            "https://[fd00:ec2::254]/",
            "http://metadata.google.internal/",
            "http://127.0.0.1:6379/",
        ] {
            let error = connector.connect(origin.parse().unwrap(), Duration::ZERO).await.err().unwrap();
            assert!(error.is::<EndpointRefused>(), "{origin}: {error}");
        }
        let error = connector.connect("http://127.0.0.1:1/".parse().unwrap(), Duration::ZERO).await.err().unwrap();
        assert!(!error.is::<EndpointRefused>(), "what is allowed is tried: {error}");
    }
}
