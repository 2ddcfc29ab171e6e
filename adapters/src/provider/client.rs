//! The one place that opens connections to upstreams.
//!
//! One pooled client for all of them: no proxy from the environment, no redirects, no referer, no decompression, its own
//! resolver. Whatever can be checked is checked before a byte leaves.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, header};
use tallygate_core::endpoint::NetworkPolicy;
use tallygate_core::port::BoxFuture;
use tallygate_core::port::provider::failure::{Kind, Said};
use tallygate_core::port::provider::{
    Answer, AnswerForm, AnswerHead, Body, Call, ERROR_BODY_MAX_BYTES, Failure, Provider,
};
use tokio::time::{Instant, timeout_at};

use super::idle::Timed;
use super::resolver::CheckedResolver;
use super::{error_body, headers, transport};

pub use super::headers::is_forwardable;

/// How long to wait for the body of an error. Its status is known by then, and someone waits to try elsewhere.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);

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
pub struct NoClient(#[source] reqwest::Error);

/// Makes one TLS implementation the process's own. `main` calls it first, once; later calls change nothing.
pub fn install_tls() {
    // An error says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Calls upstreams over HTTP.
#[derive(Debug)]
pub struct HttpProvider {
    client: reqwest::Client,
    network: NetworkPolicy,
}

impl HttpProvider {
    /// A client with its own pool. [`install_tls`] must have been called.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(settings: &Settings) -> Result<Self, NoClient> {
        let client = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(settings.pool_idle_timeout)
            .pool_max_idle_per_host(settings.pool_idle_per_host)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("tallygate/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(std::sync::Arc::new(CheckedResolver { policy: settings.network.clone() }))
            .build()
            .map_err(NoClient)?;
        Ok(Self { client, network: settings.network.clone() })
    }

    async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let start = Instant::now();
        let deadline = call.timeouts.total.map(|total| start + total);
        let request = self.request(&call)?;
        let head_by = start + call.timeouts.first_byte;
        let (head_by, too_late) = match deadline {
            Some(deadline) if deadline < head_by => (deadline, Kind::TotalTimeout),
            _ => (head_by, Kind::FirstByteTimeout),
        };
        let response = timeout_at(head_by, self.client.execute(request))
            .await
            .map_err(|_| Failure::new(too_late))?
            .map_err(transport::before_head)?;
        let status = response.status().as_u16();
        let head = headers::of_answer(response.headers());
        let is_plain = is_plain(response.headers());
        let pieces = Timed::new(response.bytes_stream(), call.timeouts.idle, deadline);
        if !(200..300).contains(&status) {
            return Err(told(status, head, pieces).await);
        }
        if !is_plain {
            return Err(Failure::new(Kind::Protocol));
        }
        let body = match call.answer {
            AnswerForm::Buffered { limit_bytes } => Body::Whole(collect(pieces, limit_bytes).await?),
            AnswerForm::Streamed if is_page(&head) => return Err(Failure::new(Kind::Protocol)),
            AnswerForm::Streamed => Body::Pieces(Box::pin(pieces)),
        };
        Ok(Answer { status, head, body })
    }

    /// The request, if it may be sent at all.
    fn request(&self, call: &Call) -> Result<reqwest::Request, Failure> {
        let not_allowed = || Failure::new(Kind::HostNotAllowed);
        call.endpoint.check(&self.network).map_err(|refused| not_allowed().caused_by(refused))?;
        if let Some(credential) = &call.credential
            && !credential.hosts.contains(&call.endpoint.origin().authority())
        {
            return Err(not_allowed());
        }
        let url = [call.endpoint.as_str(), call.path].concat();
        let url = reqwest::Url::parse(&url).map_err(|_| not_allowed())?;
        let method = if call.body.is_some() { Method::POST } else { Method::GET };
        let streams = call.answer == AnswerForm::Streamed;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() =
            headers::of_request(call.body.is_some(), streams, call.credential.as_ref(), &call.headers)?;
        *request.body_mut() = call.body.clone().map(Into::into);
        Ok(request)
    }
}

impl Provider for HttpProvider {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(self.send(call))
    }
}

/// Whether the body arrives as the upstream wrote it. A compressed one could neither be metered nor bounded.
fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the upstream answers with a page for people: a login, a captive portal, an error of some proxy.
fn is_page(head: &AnswerHead) -> bool {
    head.content_type.as_deref().is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

type Pieces<S> = Timed<S>;

async fn collect<S>(mut pieces: Pieces<S>, limit_bytes: usize) -> Result<Bytes, Failure>
where
    Pieces<S>: futures_core::Stream<Item = Result<Bytes, Failure>> + Unpin,
{
    let Some(first) = pieces.next().await.transpose()? else { return Ok(Bytes::new()) };
    let mut whole = BytesMut::from(first);
    loop {
        if whole.len() > limit_bytes {
            return Err(Failure::new(Kind::TooLarge));
        }
        match pieces.next().await.transpose()? {
            Some(piece) => whole.extend_from_slice(&piece),
            None => return Ok(whole.freeze()),
        }
    }
}

/// The failure that an upstream tells. Its body is kept as far as it comes, is plain and within the limit.
async fn told<S>(status: u16, head: AnswerHead, mut pieces: Pieces<S>) -> Failure
where
    Pieces<S>: futures_core::Stream<Item = Result<Bytes, Failure>> + Unpin,
{
    let mut body = BytesMut::new();
    let by = Instant::now() + ERROR_BODY_TIMEOUT;
    while let Ok(Some(Ok(piece))) = timeout_at(by, pieces.next()).await {
        let room = ERROR_BODY_MAX_BYTES - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if piece.len() >= room {
            break;
        }
    }
    let code = error_body::code(&body);
    let said = Said { status, content_type: head.content_type, request_id: head.request_id, body: body.freeze() };
    Failure::told(said, head.retry_after, code.as_deref())
}

#[cfg(test)]
mod tests;
