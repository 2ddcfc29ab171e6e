//! The stable codes of errors. Each has a page in `docs/errors/`, and each rejection of a command has one more, named
//! in `core`.

/// What went wrong, as a client's program can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ErrorCode {
    KeyMissing,
    KeyMalformed,
    KeyUnknown,
    KeyBlocked,
    KeyExpired,
    KeyKindForbids,
    AgentUnknown,
    AgentIdle,
    UpgradeRequired,
    AdminOnly,
    SessionEnded,
    SignInRefused,
    SignInLimited,
    CrossOrigin,
    UserBlocked,
    EndUserBlocked,
    RealmUnknown,
    RealmSuspended,
    Quarantined,
    ModelNotFound,
    ModelNotAllowed,
    ModelNotGranted,
    NoDeployment,
    DeploymentUnusable,
    BudgetExhausted,
    BudgetUnavailable,
    ModelDistrusted,
    SuspenseNotFound,
    SuspenseTooEarly,
    SuspenseChanged,
    Unpriced,
    RateLimited,
    BodyTooLarge,
    BodyInvalid,
    ParameterInvalid,
    ParameterForbidden,
    ParameterUnsupported,
    ContentTypeUnsupported,
    UpstreamRefused,
    UpstreamFailed,
    UpstreamTimeout,
    PositionNotReached,
    CommandMalformed,
    CommandIdReused,
    CommandContended,
    CommandOutcomeUnknown,
    DeclaredInFile,
    LogUnavailable,
    ViewsStopped,
    StateTooOld,
    Diverged,
    Overloaded,
    RouteUnknown,
    MethodNotAllowed,
    Internal,
}

impl ErrorCode {
    /// The code as clients see it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::KeyMissing => "key_missing",
            Self::KeyMalformed => "key_malformed",
            Self::KeyUnknown => "key_unknown",
            Self::KeyBlocked => "key_blocked",
            Self::KeyExpired => "key_expired",
            Self::KeyKindForbids => "key_kind_forbids",
            Self::AgentUnknown => "agent_unknown",
            Self::AgentIdle => "agent_idle",
            Self::UpgradeRequired => "upgrade_required",
            Self::AdminOnly => "admin_only",
            Self::SessionEnded => "session_ended",
            Self::SignInRefused => "sign_in_refused",
            Self::SignInLimited => "sign_in_limited",
            Self::CrossOrigin => "cross_origin",
            Self::UserBlocked => "user_blocked",
            Self::EndUserBlocked => "end_user_blocked",
            Self::RealmUnknown => "realm_unknown",
            Self::RealmSuspended => "realm_suspended",
            Self::Quarantined => "quarantined",
            Self::ModelNotFound => "model_not_found",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::ModelNotGranted => "model_not_granted",
            Self::NoDeployment => "no_deployment",
            Self::DeploymentUnusable => "deployment_unusable",
            Self::BudgetExhausted => "budget_exhausted",
            Self::BudgetUnavailable => "budget_unavailable",
            Self::ModelDistrusted => "model_distrusted",
            Self::SuspenseNotFound => "suspense_not_found",
            Self::SuspenseTooEarly => "suspense_too_early",
            Self::SuspenseChanged => "suspense_changed",
            Self::Unpriced => "unpriced",
            Self::RateLimited => "rate_limited",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyInvalid => "body_invalid",
            Self::ParameterInvalid => "parameter_invalid",
            Self::ParameterForbidden => "parameter_forbidden",
            Self::ParameterUnsupported => "parameter_unsupported",
            Self::ContentTypeUnsupported => "content_type_unsupported",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::PositionNotReached => "position_not_reached",
            Self::CommandMalformed => "command_malformed",
            Self::CommandIdReused => "command_id_reused",
            Self::CommandContended => "command_contended",
            Self::CommandOutcomeUnknown => "command_outcome_unknown",
            Self::DeclaredInFile => "declared_in_file",
            Self::LogUnavailable => "log_unavailable",
            Self::ViewsStopped => "views_stopped",
            Self::StateTooOld => "state_too_old",
            Self::Diverged => "diverged",
            Self::Overloaded => "overloaded",
            Self::RouteUnknown => "route_unknown",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status it goes with, unless whoever raises it knows better.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::KeyMissing | Self::KeyMalformed | Self::KeyUnknown | Self::KeyBlocked | Self::KeyExpired => 401,
            Self::SessionEnded | Self::SignInRefused => 401,
            Self::AdminOnly | Self::UserBlocked | Self::AgentUnknown => 401,
            Self::UpgradeRequired => 426,
            Self::KeyKindForbids
            | Self::CrossOrigin
            | Self::RealmUnknown
            | Self::RealmSuspended
            | Self::ModelNotAllowed
            | Self::ModelNotGranted => 403,
            Self::RouteUnknown | Self::SuspenseNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AgentIdle
            | Self::CommandIdReused
            | Self::DeclaredInFile
            | Self::SuspenseTooEarly
            | Self::SuspenseChanged => 409,
            Self::BodyTooLarge => 413,
            Self::ContentTypeUnsupported => 415,
            Self::BudgetExhausted => 422,
            Self::RateLimited | Self::SignInLimited => 429,
            Self::ModelNotFound
            | Self::EndUserBlocked
            | Self::Unpriced
            | Self::BodyInvalid
            | Self::ParameterInvalid
            | Self::ParameterForbidden
            | Self::ParameterUnsupported
            | Self::CommandMalformed => 400,
            Self::Internal => 500,
            Self::UpstreamRefused | Self::UpstreamFailed => 502,
            Self::UpstreamTimeout => 504,
            Self::NoDeployment
            | Self::DeploymentUnusable
            | Self::Quarantined
            | Self::PositionNotReached
            | Self::CommandContended
            | Self::CommandOutcomeUnknown
            | Self::LogUnavailable
            | Self::BudgetUnavailable
            | Self::ModelDistrusted
            | Self::ViewsStopped
            | Self::StateTooOld
            | Self::Diverged
            | Self::Overloaded => 503,
        }
    }
}
