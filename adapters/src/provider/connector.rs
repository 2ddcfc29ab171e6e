//! Opens connections: name, address, TLS, within one limit of time, and to nowhere that the network rules forbid.
//!
//! An endpoint was checked when its upstream was made. It is checked again here, because this is where a mistake above
//! would become a connection; and an address that stands in the endpoint itself never comes to the resolver.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{self, Connected, HttpConnector};
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

/// Connects to origins. Cheap to clone, since a pool clones it for each request.
#[derive(Clone)]
pub(super) struct Connector(Arc<Parts>);

struct Parts {
    https: HttpsConnector<HttpConnector<CheckedResolver>>,
    timeout: Duration,
    network: Arc<NetworkPolicy>,
}

impl Connector {
    /// A connector whose `timeout` is for name, connection and TLS together.
    ///
    /// # Errors
    /// No TLS provider is installed, or the system has no root certificates.
    pub(super) fn new(timeout: Duration, network: &NetworkPolicy) -> Result<Self, rustls::Error> {
        let network = Arc::new(network.clone());
        let mut http = HttpConnector::new_with_resolver(CheckedResolver { policy: Arc::clone(&network) });
        http.enforce_http(false);
        http.set_nodelay(true);
        // Divided among the addresses of a name, so that a dead one leaves time for the next.
        http.set_connect_timeout(Some(timeout));
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        Ok(Self(Arc::new(Parts { https: HttpsConnector::from((http, tls()?)), timeout, network })))
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

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            origin.to_string().parse::<BaseUrl>()?.check(&parts.network)?;
            let mut https = parts.https.clone();
            let connected = async {
                poll_fn(|context| https.poll_ready(context)).await?;
                https.call(origin).await
            };
            tokio::time::timeout(parts.timeout, connected).await.map_err(|_| TimedOut)?.map(Connection)
        })
    }
}

/// A connection that tells nothing of itself: hyper-util would copy the addresses of an ordinary one into every answer.
pub(super) struct Connection(MaybeHttpsStream<TokioIo<TcpStream>>);

impl connect::Connection for Connection {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::Connector;
    use crate::provider::client::install_tls;
    use std::time::Duration;
    use tallygate_core::endpoint::{EndpointRefused, NetworkPolicy};
    use tower_service::Service as _;

    #[tokio::test]
    async fn no_connection_is_opened_to_what_the_rules_forbid_whoever_asks() {
        install_tls();
        // Not even a limit of time is left for trying.
        let mut connector = Connector::new(Duration::ZERO, &NetworkPolicy::default()).unwrap();
        for origin in [
            "http://169.254.169.254/",
            "http://8.8.8.8/",
            "https://[fd00:ec2::254]/",
            "http://metadata.google.internal/",
            "http://127.0.0.1:6379/",
        ] {
            let error = connector.call(origin.parse().unwrap()).await.err().unwrap();
            assert!(error.is::<EndpointRefused>(), "{origin}: {error}");
        }
        let error = connector.call("http://127.0.0.1:1/".parse().unwrap()).await.err().unwrap();
        assert!(!error.is::<EndpointRefused>(), "what is allowed is tried: {error}");
    }
}
