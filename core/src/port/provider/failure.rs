//! What can go wrong between the gateway and an upstream: the one place that decides whose fault a failure is, whether to
//! try again, and what it may have cost.

mod words;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::port::event_log::BoxError;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    // Before anything was sent.
    /// The endpoint is not among the credential's hosts, or breaks the network rules, by its text or by its addresses.
    HostNotAllowed,
    /// The key cannot be sent: it is missing, or cannot stand in a header.
    CredentialUnusable,
    /// The caller asked for a header that must not be sent, or that cannot be one.
    HeaderNotAllowed,
    /// The name does not resolve.
    NameNotResolved,
    /// Nobody listens, or there is no way there.
    Refused,
    /// No connection within the limit.
    ConnectTimeout,
    /// No TLS with this upstream: certificate, version, or not TLS at all.
    Tls,

    // On the way.
    /// No head of an answer within the limit.
    FirstByteTimeout,
    /// No further piece within the limit.
    IdleTimeout,
    /// The answer did not end within the total limit.
    TotalTimeout,
    /// The connection ended before the answer did.
    Reset,
    /// Not HTTP, or not what this dialect says: garbage.
    Protocol,
    /// A body, event or line longer than its limit.
    TooLarge,
    /// A redirect. None is followed.
    Redirected,

    // What the upstream answered.
    /// The request is wrong: a parameter, a type, a value.
    InvalidRequest,
    /// The prompt is longer than the model takes.
    ContextTooLong,
    /// The provider's filter refused the content.
    ContentFiltered,
    /// The provider does not accept our key, or not for this.
    Unauthorized,
    /// The provider has no such model or path.
    NotFound,
    /// Too many requests or tokens.
    RateLimited,
    /// Our account there is out of money or quota.
    QuotaExhausted,
    /// The provider gave up waiting (408), or for a conflict (409).
    UpstreamTimeout,
    /// Whoever stands before the provider had no answer of it (502, 504): nobody knows what it did.
    BadGateway,
    /// The provider is overloaded or away: 503, 529.
    Overloaded,
    /// Any other failure of the provider.
    ServerError,
}

/// Who has to do something about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever sent the request: no deployment would take it.
    Client,
    /// The provider, or the network on the way.
    Upstream,
    /// The operator: a key, a host, a quota.
    Gateway,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No: neither here nor elsewhere.
    Never,
    /// Here or elsewhere.
    SameOrOther,
    /// Elsewhere only: another deployment has another key, host or quota.
    Other,
}

/// Whether the upstream may have done, and billed, what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sent {
    /// Certainly not: nothing was sent, or the upstream said no. A hold may be released.
    NotBilled,
    /// Nobody knows: the hold is settled by an estimate or goes to suspense.
    Unknown,
}

/// A call that failed. `Display` names the kind and the status alone; the upstream's words are in [`Failure::said`] and
/// must not enter a log line or an event, since providers quote prompts.
#[derive(Debug, thiserror::Error)]
#[error("{}", Summary(self))]
pub struct Failure {
    /// What went wrong.
    pub kind: Kind,
    /// How long the upstream asked to be left alone.
    pub retry_after: Option<Duration>,
    /// What the upstream answered, if it did.
    pub said: Option<Box<Said>>,
    /// The cause below, for operators. It holds no secret, no body and no URL.
    #[source]
    pub source: Option<BoxError>,
}

/// An upstream's own error.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// Its status; that of the whole answer where the error came within a stream.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: Option<String>,
    /// Its own id of the request.
    pub request_id: Option<String>,
    /// Its body, cut to [`super::ERROR_BODY_MAX_BYTES`]. For the client alone.
    pub body: Bytes,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said(status {}, {} bytes)", self.status, self.body.len())
    }
}

struct Summary<'a>(&'a Failure);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.text())?;
        self.0.said.as_ref().map_or(Ok(()), |said| write!(f, " (status {})", said.status))
    }
}

impl Failure {
    /// A failure of a kind, with nothing more known.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, retry_after: None, said: None, source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A failure that an upstream told, classified by its status and the code in its body.
    #[must_use]
    pub fn told(said: Said, retry_after: Option<Duration>, code: Option<&str>) -> Self {
        let kind = Kind::of_answer(said.status, code);
        Self { kind, retry_after, said: Some(Box::new(said)), source: None }
    }

    /// Who has to do something about it.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.kind.fault()
    }

    /// Whether trying again can help. It does not say whether it may be done: after a byte has reached the client
    /// nothing is tried again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.kind.retry()
    }

    /// Whether the upstream may have billed it.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        self.kind.sent()
    }
}

impl Kind {
    /// The kind of an upstream's answer that is not 2xx, or of an error within a stream, by its status and the code or
    /// type in its body. A telling code goes before the status: providers send the same error with different statuses.
    #[must_use]
    pub fn of_answer(status: u16, code: Option<&str>) -> Self {
        code.and_then(Self::of_code).unwrap_or_else(|| Self::of_status(status))
    }

    /// By status alone.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            300..=399 => Self::Redirected,
            401 | 403 => Self::Unauthorized,
            402 => Self::QuotaExhausted,
            404 | 410 => Self::NotFound,
            408 | 409 => Self::UpstreamTimeout,
            502 | 504 => Self::BadGateway,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            500..=599 => Self::ServerError,
            _ => Self::Protocol,
        }
    }

    /// By the code or type in an error body; none if it says no more than the status.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "context_length_exceeded" | "string_above_max_length" => Some(Self::ContextTooLong),
            "content_policy_violation" | "content_filter" | "moderation_blocked" => Some(Self::ContentFiltered),
            "insufficient_quota" | "credit_balance_exhausted" | "billing_hard_limit_reached" => {
                Some(Self::QuotaExhausted)
            }
            "rate_limit_exceeded" | "rate_limit_error" | "slow_down" => Some(Self::RateLimited),
            "server_is_overloaded" | "overloaded_error" | "service_unavailable_error" | "unavailable_error" => {
                Some(Self::Overloaded)
            }
            "invalid_api_key" => Some(Self::Unauthorized),
            "model_not_found" => Some(Self::NotFound),
            "server_error" | "internal_server_error" => Some(Self::ServerError),
            // Some put the status where the code belongs.
            _ => code.parse().ok().filter(|status| (400..=599).contains(status)).map(Self::of_status),
        }
    }

    /// Whether the gateway's own patience was over: no upstream said so.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::FirstByteTimeout | Self::IdleTimeout | Self::TotalTimeout)
    }

    /// Who has to do something about it.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::InvalidRequest | Self::ContextTooLong | Self::ContentFiltered | Self::HeaderNotAllowed => {
                Fault::Client
            }
            Self::HostNotAllowed
            | Self::CredentialUnusable
            | Self::Unauthorized
            | Self::NotFound
            | Self::QuotaExhausted
            | Self::Redirected => Fault::Gateway,
            Self::NameNotResolved
            | Self::Refused
            | Self::ConnectTimeout
            | Self::Tls
            | Self::FirstByteTimeout
            | Self::IdleTimeout
            | Self::TotalTimeout
            | Self::Reset
            | Self::Protocol
            | Self::TooLarge
            | Self::RateLimited
            | Self::UpstreamTimeout
            | Self::BadGateway
            | Self::Overloaded
            | Self::ServerError => Fault::Upstream,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Self::InvalidRequest | Self::HeaderNotAllowed | Self::TooLarge => Retry::Never,
            Self::HostNotAllowed
            | Self::CredentialUnusable
            | Self::Unauthorized
            | Self::NotFound
            | Self::QuotaExhausted
            | Self::Redirected
            | Self::Tls
            // Another model may have a longer context, another provider another filter.
            | Self::ContextTooLong
            | Self::ContentFiltered
            // What took this long once will again; trying here would double the wait.
            | Self::FirstByteTimeout
            | Self::TotalTimeout => Retry::Other,
            Self::NameNotResolved
            | Self::Refused
            | Self::ConnectTimeout
            | Self::IdleTimeout
            | Self::Reset
            | Self::Protocol
            | Self::RateLimited
            | Self::UpstreamTimeout
            | Self::BadGateway
            | Self::Overloaded
            | Self::ServerError => Retry::SameOrOther,
        }
    }

    /// Whether the upstream may have billed it.
    #[must_use]
    pub const fn sent(self) -> Sent {
        match self {
            Self::FirstByteTimeout
            | Self::IdleTimeout
            | Self::TotalTimeout
            | Self::Reset
            | Self::Protocol
            | Self::TooLarge
            | Self::UpstreamTimeout
            | Self::BadGateway
            // A filter may act on an answer that was made and billed.
            | Self::ContentFiltered => Sent::Unknown,
            Self::HostNotAllowed
            | Self::CredentialUnusable
            | Self::HeaderNotAllowed
            | Self::NameNotResolved
            | Self::Refused
            | Self::ConnectTimeout
            | Self::Tls
            | Self::Redirected
            | Self::InvalidRequest
            | Self::ContextTooLong
            | Self::Unauthorized
            | Self::NotFound
            | Self::RateLimited
            | Self::QuotaExhausted
            // Providers do not bill what they answer with an error of their own.
            | Self::Overloaded
            | Self::ServerError => Sent::NotBilled,
        }
    }
}

#[cfg(test)]
mod tests;
