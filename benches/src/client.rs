//! One connection of the load: requests built beforehand, one after the other, each answer read to its end and checked.
//! It must stay lighter than anything it measures.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, InvalidHeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::chat::Ask;
use crate::question::Question;

/// How long one exchange may take, a stream included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of a refusal is read and shown.
const REFUSAL_LIMIT_BYTES: usize = 64 << 10;
const REFUSAL_SHOWN_CHARS: usize = 300;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection.
    #[error("no connection to {address}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the exchange broke off")]
    Broken(#[source] hyper::Error),
    /// Refused, or failed upstream.
    #[error("answered {status}: {text}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body.
        text: String,
    },
    /// A body that does not end as it should.
    #[error("the answer is not complete: it ends with {0:?}")]
    Incomplete(String),
    /// Too slow.
    #[error("no complete answer within {} s", EXCHANGE_TIMEOUT.as_secs())]
    Timeout,
}

/// A request that is sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    address: SocketAddr,
    headers: HeaderMap,
    question: Question,
}

impl Call {
    /// A chat completion of the server at `address`, authorized by `key`.
    ///
    /// # Errors
    /// When the key holds what no header may.
    pub(crate) fn new(address: SocketAddr, key: &str, ask: Ask) -> Result<Self, InvalidHeaderValue> {
        Self::with(address, key, ask.question())
    }

    /// Any question to the server at `address`, authorized by `key`.
    ///
    /// # Errors
    /// When the key holds what no header may.
    pub(crate) fn with(address: SocketAddr, key: &str, question: Question) -> Result<Self, InvalidHeaderValue> {
        Ok(Self { address, headers: headers(address, key)?, question })
    }

    /// Where it goes.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same with another body.
    #[cfg(test)]
    pub(crate) fn with_body(&self, body: &'static str) -> Self {
        let mut call = self.clone();
        call.question.body = Bytes::from_static(body.as_bytes());
        call
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.question.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(self.question.path);
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// The headers of a JSON request.
///
/// # Errors
/// When the key holds what no header may.
pub(crate) fn headers(address: SocketAddr, key: &str) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(&address.to_string())?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))?);
    Ok(headers)
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::Broken`].
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true).map(|()| stream)
        };
        let stream = connect.await.map_err(|source| Failure::Connect { address, source })?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Failure::Broken)?;
        // Ends when the sender is dropped; what breaks it, the sender reports.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`Failure::Broken`].
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        self.sender.ready().await.map_err(Failure::Broken)?;
        self.sender.send_request(request).await.map_err(Failure::Broken)
    }

    /// One request and its whole answer.
    ///
    /// # Errors
    /// All of [`Failure`] but [`Failure::Connect`]. After any, [`Connection::mend`] comes before the next exchange.
    pub(crate) async fn exchange(&mut self, call: &Call) -> Result<(), Failure> {
        let outcome = tokio::time::timeout(EXCHANGE_TIMEOUT, self.complete(call)).await.map_err(|_| Failure::Timeout);
        outcome.flatten()
    }

    /// Makes the connection fit for another exchange after one that failed.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::Broken`]: the server is gone.
    pub(crate) async fn mend(&mut self, call: &Call, after: &Failure) -> Result<(), Failure> {
        // A refusal was read to its end, so its connection is as good as before.
        if !matches!(after, Failure::Status { .. }) {
            *self = Self::open(call.address).await?;
        }
        Ok(())
    }

    async fn complete(&mut self, call: &Call) -> Result<(), Failure> {
        let response = self.send(call.request()).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response).await);
        }
        let mut body = response.into_body();
        let mut tail = Tail::new(call.question.ending.len());
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(Failure::Broken)?.into_data() {
                tail.push(data);
            }
        }
        if tail.0.ends_with(call.question.ending) { Ok(()) } else { Err(Failure::Incomplete(tail.text())) }
    }
}

/// What a server answered instead of what was asked for.
pub(crate) async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let text = match Limited::new(response.into_body(), REFUSAL_LIMIT_BYTES).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).chars().take(REFUSAL_SHOWN_CHARS).collect(),
        Err(error) => format!("(a body that cannot be read: {error})"),
    };
    Failure::Status { status, text }
}

/// At least the last bytes of a body, without a copy as long as frames are longer than what is asked for.
struct Tail(Bytes, usize);

impl Tail {
    const fn new(at_least: usize) -> Self {
        Self(Bytes::new(), at_least)
    }

    fn push(&mut self, frame: Bytes) {
        self.0 = if frame.len() >= self.1 { frame } else { [&self.0[..], &frame[..]].concat().into() };
    }

    fn text(&self) -> String {
        let from = self.0.len().saturating_sub(self.1);
        String::from_utf8_lossy(&self.0[from..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Tail;

    #[test]
    fn the_end_of_a_body_is_found_however_it_is_cut() {
        for cut in 0..6 {
            let mut tail = Tail::new(4);
            let (first, second) = b"123456".split_at(cut);
            for piece in [first, second] {
                tail.push(Bytes::copy_from_slice(piece));
            }
            assert!(tail.0.ends_with(b"3456"), "cut at {cut}: {:?}", tail.0);
        }
    }
}
