//! An upstream that may be called: what is the same in every call stands ready, the rest is written and read here.

use std::borrow::Cow;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use tallygate_core::endpoint::BaseUrl;
use tallygate_core::port::BoxFuture;
use tallygate_core::port::provider::failure::{Kind, Said};
use tallygate_core::port::provider::{
    Answer, AnswerForm, Body, Call, Credential, ERROR_BODY_MAX_BYTES, Failure, Upstream,
};

use super::connection::Answering;
use super::headers::{self, Content, FixedHeaders};
use super::pool::Host;
use super::time_limits::{TimeLimits, Timed};
use super::{error_body, transport};

/// How long to wait for the body of an error. Its status is known by then, and someone waits to try elsewhere.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// How many paths are kept as URIs. A dialect has a handful; one more than this is written anew in each call.
const URIS_MAX: usize = 8;

/// An upstream over HTTP. Who has one may call it: it is made only after all checks, and never changes.
pub(super) struct HttpUpstream {
    host: Arc<Host>,
    endpoint: BaseUrl,
    headers: FixedHeaders,
    uris: [OnceLock<(Cow<'static, str>, Uri)>; URIS_MAX],
}

impl HttpUpstream {
    /// An upstream at an endpoint that may be called, under a credential that may be sent there.
    ///
    /// # Errors
    /// [`Kind::CredentialUnusable`].
    pub(super) fn new(host: Arc<Host>, endpoint: &BaseUrl, credential: Option<&Credential>) -> Result<Self, Failure> {
        let headers = FixedHeaders::new(endpoint.origin(), credential)?;
        Ok(Self { host, endpoint: endpoint.clone(), headers, uris: Default::default() })
    }

    async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let mut limits = TimeLimits::start(&call.timeouts);
        let (answer, connect) = (call.answer, call.timeouts.connect);
        let request = self.request(call)?;
        let answered = pin!(self.host.request(request, connect));
        let response = limits.head(answered).await?.map_err(transport::before_head)?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let pieces = Timed::new(body, limits);
        if !parts.status.is_success() {
            return Err(told(status, &parts.headers, pieces).await);
        }
        if !headers::is_plain(&parts.headers) {
            return Err(Failure::new(Kind::Protocol));
        }
        let body = match answer {
            AnswerForm::Buffered { limit_bytes } => Body::Whole(collect(pieces, limit_bytes).await?),
            _ if headers::is_page(&parts.headers) => return Err(Failure::new(Kind::Protocol)),
            AnswerForm::Streamed | AnswerForm::StreamedOfAnyType => Body::Pieces(Box::pin(pieces)),
        };
        Ok(Answer { status, head: headers::of_answer(&parts.headers), body })
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, Failure> {
        let content = call.body.as_ref().map(|body| Content { kind: call.content_type.as_deref(), bytes: body.len() });
        let headers = self.headers.of_request(content, call.answer, &call.headers)?;
        let method = if call.body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(call.body.map(Full::new).unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(call.path)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn uri(&self, path: Cow<'static, str>) -> Result<Uri, Failure> {
        for kept in &self.uris {
            match kept.get() {
                Some((of, uri)) if *of == path => return Ok(uri.clone()),
                Some(_) => {}
                None => {
                    let uri = self.write_uri(&path)?;
                    // Another call may have taken the place: then this path takes the next one, next time.
                    let _ = kept.set((path, uri.clone()));
                    return Ok(uri);
                }
            }
        }
        self.write_uri(&path)
    }

    /// In origin form: the host is in a header.
    fn write_uri(&self, path: &str) -> Result<Uri, Failure> {
        let not_allowed = || Failure::new(Kind::HostNotAllowed);
        let uri = Uri::try_from([self.endpoint.path(), path].concat());
        let uri = uri.map_err(|error| not_allowed().caused_by(error))?;
        // Without a slash at its beginning it would be read as a host.
        if path.starts_with('/') { Ok(uri) } else { Err(not_allowed()) }
    }
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUpstream({})", self.endpoint.origin())
    }
}

impl Upstream for HttpUpstream {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(self.send(call))
    }
}

/// The whole body. One that came in one piece is not copied.
async fn collect(mut pieces: Timed<Answering>, limit_bytes: usize) -> Result<Bytes, Failure> {
    let in_bounds = |bytes: usize| if bytes > limit_bytes { Err(Failure::new(Kind::TooLarge)) } else { Ok(()) };
    let Some(first) = pieces.next().await.transpose()? else { return Ok(Bytes::new()) };
    in_bounds(first.len())?;
    let Some(second) = pieces.next().await.transpose()? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        in_bounds(whole.len() + piece.len())?;
        whole.extend_from_slice(&piece);
        next = pieces.next().await.transpose()?;
    }
    Ok(whole.freeze())
}

/// The failure that an upstream tells. Its body is kept as far as it comes, is plain and within the limit.
async fn told(status: u16, headers: &HeaderMap, pieces: Timed<Answering>) -> Failure {
    let mut pieces = pieces.within(ERROR_BODY_TIMEOUT);
    let mut body = BytesMut::new();
    while let Some(Ok(piece)) = pieces.next().await {
        let room = ERROR_BODY_MAX_BYTES - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if piece.len() >= room {
            break;
        }
    }
    let code = error_body::code(&body);
    let head = headers::of_answer(headers);
    let content_type = head.content_type.map(Cow::into_owned);
    let said = Said { status, content_type, request_id: head.request_id, body: body.freeze() };
    Failure::told(said, head.retry_after, code.as_deref())
}
