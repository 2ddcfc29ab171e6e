//! The provider: makes upstreams ready, sends them requests, and hands back their answers as they come.
//!
//! Whatever is the same in every call to an upstream is checked and written once, when the upstream is made. An
//! [`Upstream`] is the proof of that: its endpoint and its credential belong together and cannot be changed.
//!
//! # Contract
//!
//! - **Bound.** The endpoint's origin must be among the credential's hosts, and the endpoint must pass the network rules,
//!   on its text when the upstream is made and whenever a connection is opened, and on every address that its name
//!   resolves to. Otherwise nothing is sent: [`failure::Kind::HostNotAllowed`].
//! - **Once.** A call is sent at most once. No redirect is followed, nothing is retried after a byte of it may have
//!   been read; retrying is the caller's decision, by [`Failure::retry`].
//! - **`Ok` means 2xx.** Every other status is a [`Failure`] that carries the upstream's own error body, cut to
//!   [`ERROR_BODY_MAX_BYTES`].
//! - **In time.** A connection, where one must be opened, is there within `connect`, the head of the answer comes within
//!   `first_byte`, each further piece within `idle` of the one before, everything within `total`.
//! - **In bounds.** A buffered body is at most as long as the call says, and is never held in memory beyond that. A
//!   streamed one is handed over piece by piece: memory is one piece, and the upstream is read only as fast as the
//!   caller takes.
//! - **Plain.** The body arrives as sent: an answer with a content encoding is refused, since it could not be metered.
//! - **Silent.** No error, log line or `Debug` holds the secret, the bodies, or the full URL.
//! - **Cancellation.** Dropping the future or the stream closes the connection to the upstream. What it had produced by
//!   then may be billed by it.
//!
//! An error in a stream is its last item.

pub mod failure;
pub mod retry_after;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::endpoint::BaseUrl;
use crate::port::{BoxFuture, BoxStream};
use crate::secret::Secret;
pub use failure::Failure;

/// How much of an upstream's error body is kept, in bytes.
pub const ERROR_BODY_MAX_BYTES: usize = 64 * 1024;

/// Makes upstreams ready to be called. See the module for the contract.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// The upstream at an endpoint, opened by a credential; none for upstreams without keys. Nothing is sent. It is worth
    /// keeping for as long as neither changes: connections are shared by all upstreams of a provider.
    ///
    /// # Errors
    /// [`failure::Kind::HostNotAllowed`] and [`failure::Kind::CredentialUnusable`].
    fn upstream(&self, endpoint: &BaseUrl, credential: Option<&Credential>) -> Result<Arc<dyn Upstream>, Failure>;
}

/// An upstream that may be called. `Debug` shows its origin and nothing of its credential.
pub trait Upstream: Send + Sync + std::fmt::Debug {
    /// Sends one request and waits for the head of its answer, and for the whole body where `answer` says so.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Failure>>;
}

/// One request to an upstream.
#[derive(Clone)]
pub struct Call {
    /// What follows the base URL: `/chat/completions`. It begins with a slash and is written by a dialect, never by a client.
    pub path: Cow<'static, str>,
    /// `POST` with this body; `GET` if there is none.
    pub body: Option<Bytes>,
    /// The body's `content-type`; none for `application/json`.
    pub content_type: Option<String>,
    /// Further request headers. Those that carry identity or belong to the connection are refused; see
    /// [`failure::Kind::HeaderNotAllowed`].
    pub headers: Vec<Header>,
    /// How the body of the answer is wanted.
    pub answer: AnswerForm,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.body.as_ref().map_or(0, Bytes::len);
        write!(f, "Call({}, {bytes} bytes)", self.path)
    }
}

/// A further header of a request. The name is in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name.
    pub name: Cow<'static, str>,
    /// The value.
    pub value: String,
}

/// A provider credential, ready to be sent to the hosts that it is bound to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The key.
    pub secret: Secret,
    /// How the key is shown to the upstream.
    pub auth: Auth,
    /// Where it may be sent: hosts as [`crate::endpoint::Origin::authority`] writes them.
    pub hosts: Arc<BTreeSet<String>>,
}

/// How an upstream wants to see the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer <key>`.
    Bearer,
    /// A header of the upstream's own, by its lower-case name, whose value is the key.
    Header(&'static str),
}

/// How the body of an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// Whole, and at most this long.
    Buffered {
        /// The limit in bytes. A longer body is [`failure::Kind::TooLarge`].
        limit_bytes: usize,
    },
    /// Events or lines, piece by piece as they come.
    Streamed,
    /// The same of anything, such as sound.
    StreamedOfAnyType,
}

/// How long to wait for an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For name, connection and TLS together, where no connection is at hand.
    pub connect: Duration,
    /// From the call to the head of the answer, connecting included. Models that reason need minutes.
    pub first_byte: Duration,
    /// From one piece of the body to the next.
    pub idle: Duration,
    /// From the call to the end of the body; none for no limit but the two others.
    pub total: Option<Duration>,
}

impl Timeouts {
    /// The same, but no wait longer than `each`, and the whole no longer than `whole`.
    #[must_use]
    pub fn at_most(self, each: Option<Duration>, whole: Option<Duration>) -> Self {
        let least = |own: Duration| each.map_or(own, |each| each.min(own));
        Self {
            connect: least(self.connect),
            first_byte: least(self.first_byte),
            idle: least(self.idle),
            total: [self.total, whole].into_iter().flatten().min(),
        }
    }
}

impl Default for Timeouts {
    /// The limits of LiteLLM and of the official clients, so that it is not the gateway who gives up first.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(600),
            idle: Duration::from_secs(300),
            total: Some(Duration::from_secs(6_000)),
        }
    }
}

/// An upstream's answer with a 2xx status.
#[derive(Debug)]
pub struct Answer {
    /// The status: 200 to 299.
    pub status: u16,
    /// What the upstream said beside the body.
    pub head: AnswerHead,
    /// The body.
    pub body: Body,
}

/// The few headers of an answer that mean something to a gateway. Everything else, cookies above all, stays behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerHead {
    /// `content-type`. The few that nearly every answer has cost no copy.
    pub content_type: Option<Cow<'static, str>>,
    /// The upstream's own id of the request, under whatever name it sends it.
    pub request_id: Option<String>,
    /// `retry-after`, in any of its forms.
    pub retry_after: Option<Duration>,
    /// `x-ratelimit-*`, as sent.
    pub rate_limits: Vec<(String, String)>,
}

/// The body of an answer.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Its pieces as they come. An error is the last item.
    Pieces(BoxStream<'static, Result<Bytes, Failure>>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Pieces(_) => f.write_str("Pieces"),
        }
    }
}
