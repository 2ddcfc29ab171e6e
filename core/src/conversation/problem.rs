//! An error as a client is told of it, in whatever dialect it speaks.

use std::time::Duration;

use super::Text;
use crate::port::provider::failure::Kind;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The class, from which each dialect makes its status and words.
    pub cause: Cause,
    /// For people. It may hold what the upstream said, and is for the client alone.
    pub message: Text,
    /// The field at fault.
    pub param: Option<String>,
    /// The gateway's own code, where it says more than the cause.
    pub code: Option<String>,
    /// How long the client should wait before it tries again.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem with its text and nothing more.
    #[must_use]
    pub fn new(cause: Cause, message: impl Into<Text>) -> Self {
        Self { cause, message: message.into(), param: None, code: None, retry_after: None }
    }

    /// Whether a client that tries again at once or later can be answered. Dialects tell their clients so by a header.
    #[must_use]
    pub const fn can_be_retried(&self) -> bool {
        self.cause.can_be_retried()
    }
}

/// The classes of problems that dialects tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The request is wrong.
    InvalidRequest,
    /// The request says something that the model or its dialect cannot do.
    Unsupported,
    /// The prompt is longer than the model takes.
    ContextTooLong,
    /// The request is longer than is taken.
    TooLarge,
    /// The provider's filter refused the content.
    ContentFiltered,
    /// The client's key is not known.
    Unauthenticated,
    /// The client's key may not do this.
    Forbidden,
    /// There is no such model, for this client.
    NotFound,
    /// Something else happens at the same time.
    Conflict,
    /// Too many requests or tokens.
    RateLimited,
    /// A budget or quota is spent: trying again is of no use.
    QuotaExhausted,
    /// The provider does not take the gateway's own credential.
    CredentialRefused,
    /// An upstream did not answer in time.
    Timeout,
    /// An upstream is overloaded or away.
    Overloaded,
    /// An upstream's answer is no answer, or ended in the middle.
    Malformed,
    /// Anything else.
    ServerError,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 16] = [
        Self::InvalidRequest,
        Self::Unsupported,
        Self::ContextTooLong,
        Self::TooLarge,
        Self::ContentFiltered,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::CredentialRefused,
        Self::Timeout,
        Self::Overloaded,
        Self::Malformed,
        Self::ServerError,
    ];

    /// A stable word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported",
            Self::ContextTooLong => "context_too_long",
            Self::TooLarge => "too_large",
            Self::ContentFiltered => "content_filtered",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::CredentialRefused => "credential_refused",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Malformed => "malformed",
            Self::ServerError => "server_error",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn can_be_retried(self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::RateLimited | Self::Timeout | Self::Overloaded | Self::Malformed | Self::ServerError
        )
    }

    /// What a failed call to an upstream means to the client.
    #[must_use]
    pub const fn of_failure(kind: Kind) -> Self {
        match kind {
            Kind::InvalidRequest | Kind::HeaderNotAllowed => Self::InvalidRequest,
            Kind::ContextTooLong => Self::ContextTooLong,
            Kind::ContentFiltered => Self::ContentFiltered,
            Kind::NotFound => Self::NotFound,
            Kind::RateLimited => Self::RateLimited,
            Kind::QuotaExhausted => Self::QuotaExhausted,
            Kind::Unauthorized | Kind::CredentialUnusable | Kind::HostNotAllowed => Self::CredentialRefused,
            Kind::ConnectTimeout
            | Kind::FirstByteTimeout
            | Kind::IdleTimeout
            | Kind::TotalTimeout
            | Kind::UpstreamTimeout => Self::Timeout,
            Kind::Overloaded | Kind::BadGateway | Kind::NameNotResolved | Kind::Refused | Kind::Tls => Self::Overloaded,
            Kind::Reset | Kind::Protocol | Kind::TooLarge | Kind::Redirected => Self::Malformed,
            Kind::ServerError => Self::ServerError,
        }
    }
}
