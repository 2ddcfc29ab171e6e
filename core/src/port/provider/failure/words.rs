//! What each kind of failure is called: by a stable word for programs, and in words for people.

use super::Kind;

impl Kind {
    /// A stable word for metrics and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostNotAllowed => "host_not_allowed",
            Self::CredentialUnusable => "credential_unusable",
            Self::HeaderNotAllowed => "header_not_allowed",
            Self::NameNotResolved => "name_not_resolved",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::Redirected => "redirected",
            Self::InvalidRequest => "invalid_request",
            Self::ContextTooLong => "context_too_long",
            Self::ContentFiltered => "content_filtered",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::BadGateway => "bad_gateway",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
        }
    }

    /// What operators are told.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::HostNotAllowed => "the upstream's host may not be called with this credential",
            Self::CredentialUnusable => "the credential cannot be sent",
            Self::HeaderNotAllowed => "a request header may not be sent",
            Self::NameNotResolved => "the upstream's name does not resolve",
            Self::Refused => "the upstream refused the connection",
            Self::ConnectTimeout => "no connection to the upstream in time",
            Self::Tls => "no TLS with the upstream",
            Self::FirstByteTimeout => "the upstream did not begin to answer in time",
            Self::IdleTimeout => "the upstream stopped in the middle of its answer",
            Self::TotalTimeout => "the upstream did not end its answer in time",
            Self::Reset => "the connection ended before the upstream's answer did",
            Self::Protocol => "the upstream sent what is not its protocol",
            Self::TooLarge => "the upstream sent more than is allowed",
            Self::Redirected => "the upstream sent a redirect, and none is followed",
            Self::InvalidRequest => "the upstream refused the request",
            Self::ContextTooLong => "the prompt is too long for the model",
            Self::ContentFiltered => "the provider's filter refused the content",
            Self::Unauthorized => "the upstream does not accept the credential",
            Self::NotFound => "the upstream has no such model",
            Self::RateLimited => "the upstream limits the rate",
            Self::QuotaExhausted => "the account at the provider is out of quota",
            Self::UpstreamTimeout => "the upstream gave up waiting",
            Self::BadGateway => "what stands before the upstream had no answer of it",
            Self::Overloaded => "the upstream is overloaded",
            Self::ServerError => "the upstream failed",
        }
    }
}
