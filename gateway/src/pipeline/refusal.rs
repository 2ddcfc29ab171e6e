//! From a rule that refused to the answer for the client: LiteLLM 1.109's statuses, types and words where its clients
//! look at them; and the record of it.

use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};
use tallygate_adapters::dialect::multipart::Fault;
use tallygate_adapters::dialect::openai_chat::RequestError;
use tallygate_adapters::dialect::rejection::{Reason as Wrong, Rejection};
use tallygate_core::activity::{Endpoint, Event, RequestRefused};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::admission::{Refusal, Rule};
use tallygate_core::id::ModelName;
use tallygate_core::key::{Key, KeyHash};
use tallygate_core::lease::slices::Exhausted;
use tallygate_core::scope::Scope;

use super::Pipeline;
use super::received::Received;
use crate::activity::Happened;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::limits::Limited;
use crate::spending::Reason;

/// When to come back for a budget that cannot be used now: until then a slice may have come back.
const BUDGET_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Records a refusal. Those without a known key are counted by a metric alone: anybody can cause any number of them,
/// and a log that strangers can fill is a way to stop the gateway.
pub(crate) fn record(
    pipeline: &Pipeline,
    received: &Received,
    key: Option<&Key>,
    requested: Option<&ModelName>,
    error: &ApiError,
) {
    pipeline.metrics.refused(received.endpoint, error.code);
    let Some(key) = key else { return };
    if !pipeline.activity.has_room() {
        return;
    }
    let event = RequestRefused {
        request: received.id,
        endpoint: received.endpoint,
        key: Some(key.id),
        requested_model: requested.cloned(),
        code: error.code.to_owned(),
        status: received.status_of(error),
        scope: error.scope().and_then(|scope| scope.parse().ok()),
        count: 1,
    };
    pipeline.activity.record(Happened {
        realm: Some(key.realm.clone()),
        actor: Actor { kind: ActorKind::Key, id: key.id.to_string() },
        cause: Vec::new(),
        event: Event::RequestRefused(event),
    });
}

fn details(scope: Option<&Scope>, refusal: &Refusal) -> Value {
    let positions: Vec<u64> = refusal.cause.iter().map(|position| position.get()).collect();
    json!({ "scope": scope, "decided_by": positions })
}

/// The views stopped following the log, or cannot be read.
pub(crate) fn views(error: &dyn Error) -> ApiError {
    ApiError::new(ErrorCode::ViewsStopped, format!("this gateway cannot tell what is allowed now: {error}"))
}

/// No key has this secret. The same answer whatever the secret is, and whether the key never was or was revoked.
pub(crate) fn unknown_key(secret: &str, hash: &KeyHash) -> ApiError {
    if !secret.starts_with("sk-") {
        let shown: String = if secret.len() > 8 && secret.is_ascii() {
            format!("{}****{}", &secret[..4], &secret[secret.len() - 4..])
        } else {
            "****".to_owned()
        };
        let message = format!(
            "Authentication Error, LiteLLM Virtual Key expected. Received={shown}, expected to start with 'sk-'."
        );
        return ApiError::new(ErrorCode::KeyUnknown, message).kind("auth_error");
    }
    let message = format!(
        "Authentication Error, Invalid proxy server token passed. Key Hash (Token) ={hash}. Unable to find token in cache or `LiteLLM_VerificationTokenTable`"
    );
    ApiError::new(ErrorCode::KeyUnknown, message).kind("token_not_found_in_db").param("key")
}

/// A key that may not be used.
pub(crate) fn key(refusal: &Refusal, key: &Key) -> ApiError {
    let error = match refusal.rule {
        Rule::KeyBlocked => ApiError::new(
            ErrorCode::KeyBlocked,
            "Authentication Error, Key is blocked. Update via `/key/unblock` if you're admin.",
        )
        .kind("auth_error"),
        Rule::KeyExpired => {
            let expired = key.expires_at.map(|at| at.to_string()).unwrap_or_default();
            let message = format!("Authentication Error - Expired Key. Key Expiry time {expired}");
            ApiError::new(ErrorCode::KeyExpired, message).kind("expired_key").param(key.shown.clone())
        }
        Rule::RealmSuspended => {
            let realm = realm_of(refusal);
            let message =
                format!("Authentication Error, Team={realm} is blocked. Update via `/team/unblock` if your admin.");
            ApiError::new(ErrorCode::RealmSuspended, message).status(401).kind("auth_error")
        }
        Rule::UserBlocked => ApiError::new(
            ErrorCode::UserBlocked,
            "Authentication Error, User is blocked. Update via the command UnblockUser if you're admin.",
        )
        .kind("auth_error"),
        Rule::RealmUnknown => {
            ApiError::new(ErrorCode::RealmUnknown, format!("the key's realm `{}` is not there", realm_of(refusal)))
        }
        Rule::Quarantined => return quarantined(refusal, "this key or its realm"),
        _ => return unknown_key("sk-", &key.hash),
    };
    error.details(details(refusal.scope.as_ref(), refusal))
}

fn realm_of(refusal: &Refusal) -> String {
    match &refusal.scope {
        Some(Scope::Realm(realm)) => realm.to_string(),
        _ => String::new(),
    }
}

/// An end user in whose name nothing is served. A key may ask in anybody's name, so the status says nothing of the key.
pub(crate) fn end_user(refusal: &Refusal, named: &str) -> ApiError {
    let error = match refusal.rule {
        Rule::Quarantined => return quarantined(refusal, "this end user"),
        _ => {
            let message = format!("User blocked from making LLM API Calls. User={named}");
            ApiError::new(ErrorCode::EndUserBlocked, message).param("user")
        }
    };
    error.details(details(refusal.scope.as_ref(), refusal))
}

/// A tag whose rules cannot be read, or that does not let requests call a model.
pub(crate) fn tag(refusal: &Refusal, requested: &ModelName, endpoint: Endpoint) -> ApiError {
    match refusal.rule {
        Rule::Quarantined => quarantined(refusal, "this tag"),
        _ => model(refusal, requested, endpoint),
    }
}

/// A model that the key may not call, or that is not there.
pub(crate) fn model(refusal: &Refusal, requested: &ModelName, endpoint: Endpoint) -> ApiError {
    let error = match refusal.rule {
        Rule::KeyKind => ApiError::new(
            ErrorCode::KeyKindForbids,
            "Virtual key is not allowed to call this route: its key_type does not include models",
        ),
        Rule::ModelNotAllowed => {
            let of_user = matches!(refusal.scope, Some(Scope::User(_)));
            let kind = if of_user { "user_model_access_denied" } else { "key_model_access_denied" };
            not_allowed(ErrorCode::ModelNotAllowed, kind, requested)
        }
        Rule::ModelNotGranted => not_allowed(ErrorCode::ModelNotGranted, "team_model_access_denied", requested),
        Rule::NoDeployment => ApiError::new(
            ErrorCode::NoDeployment,
            format!("the model `{requested}` has no deployment: add one with `/model/new`"),
        ),
        Rule::Quarantined => {
            let subject = match &refusal.scope {
                Some(scope) => format!("what {scope} selected for `{requested}`"),
                None => format!("the model `{requested}`"),
            };
            return quarantined(refusal, &subject);
        }
        _ => {
            let route = match endpoint {
                Endpoint::Embeddings => "/embeddings",
                Endpoint::Messages => "/v1/messages",
                Endpoint::Responses => "/responses",
                Endpoint::Generate => "/v1beta/models",
                Endpoint::Completions => "/completions",
                Endpoint::Moderations => "/moderations",
                Endpoint::Images => "/images/generations",
                Endpoint::ImageEdits => "/images/edits",
                Endpoint::Speech => "/audio/speech",
                Endpoint::Transcriptions => "/audio/transcriptions",
                Endpoint::Chat | Endpoint::Models => "/chat/completions",
            };
            let message = format!(
                "{route}: Invalid model name passed in model={requested}. Call `/v1/models` to view available models for your key."
            );
            ApiError::new(ErrorCode::ModelNotFound, message).param("model")
        }
    };
    error.details(details(refusal.scope.as_ref(), refusal))
}

/// The credential of a model's deployment cannot be read.
pub(crate) fn credential(refusal: &Refusal, model: &ModelName) -> ApiError {
    quarantined(refusal, &format!("the credential of the model `{model}`"))
}

/// A strict budget does not pay for a model whose bound did not hold.
pub(crate) fn distrusted(refusal: &Refusal, model: &ModelName) -> ApiError {
    let message = format!(
        "a request for the model `{model}` cost more than was held for it: its price must be looked at (`TrustModel`) before a strict budget pays for it again"
    );
    ApiError::new(ErrorCode::ModelDistrusted, message).details(details(refusal.scope.as_ref(), refusal))
}

/// A budget of the chain cannot be read.
pub(crate) fn unread_budget(refusal: &Refusal) -> ApiError {
    let scope = refusal.scope.as_ref().unwrap_or(&Scope::Gateway);
    quarantined(refusal, &format!("the budget of {scope}"))
}

/// Something that decides here has an event that this version cannot read.
fn quarantined(refusal: &Refusal, subject: &str) -> ApiError {
    let message = format!("an event about {subject} cannot be read by this version: upgrade the gateway");
    ApiError::new(ErrorCode::Quarantined, message).details(details(refusal.scope.as_ref(), refusal))
}

fn not_allowed(code: ErrorCode, kind: &'static str, requested: &ModelName) -> ApiError {
    let message = format!(
        "The requested model '{requested}' is not available for this API key, or the model name is invalid. Check the models available to you and try again."
    );
    ApiError::new(code, message).kind(kind).param("model")
}

/// A body that is not acceptable.
pub(crate) fn request(error: &RequestError) -> ApiError {
    let code = match error {
        RequestError::Form(Fault::NotAForm) => ErrorCode::ContentTypeUnsupported,
        RequestError::Json(_) | RequestError::Form(_) => ErrorCode::BodyInvalid,
        RequestError::NotAllowed(_) => ErrorCode::ParameterForbidden,
        _ => ErrorCode::ParameterInvalid,
    };
    let answer = match error {
        RequestError::Json(_) => ApiError::new(code, format!("Invalid JSON payload: {error}")).param("request_body"),
        _ => ApiError::new(code, error.to_string()),
    };
    let answer = answer.details(json!({ "reason": error.code() }));
    match error.param() {
        Some(param) => answer.param(param),
        None => answer,
    }
}

/// A request that cannot be read, or that the upstream's dialect cannot express.
pub(crate) fn rejection(rejection: &Rejection) -> ApiError {
    let code = match rejection.reason {
        Wrong::Json(_) => ErrorCode::BodyInvalid,
        Wrong::NotAllowed => ErrorCode::ParameterForbidden,
        Wrong::Unsupported | Wrong::NotInline | Wrong::NoOperation(_) => ErrorCode::ParameterUnsupported,
        _ => ErrorCode::ParameterInvalid,
    };
    let error = ApiError::new(code, rejection.to_string()).details(json!({ "reason": rejection.code() }));
    if rejection.param.is_empty() { error } else { error.param(rejection.param.as_str()) }
}

/// A budget that cannot pay.
pub(crate) fn budget(exhausted: &Exhausted, status: u16) -> ApiError {
    let Exhausted { account, limit, resets_at, posted, held, suspense, asked } = exhausted;
    let who = match &account.scope {
        Scope::Realm(realm) => format!(" Team={realm}"),
        Scope::User(user) => format!(" User={user}"),
        Scope::EndUser(whom) => format!(" End User={}", whom.id),
        Scope::Tag(which) => format!(" Tag={}", which.name),
        Scope::Model(realm, model) => format!(" Team={realm} Model={model}"),
        Scope::Agent(agent) => format!(" Agent={agent}"),
        Scope::Key(_) | Scope::Gateway | Scope::Context(_) => String::new(),
    };
    let resets = resets_at.map_or_else(String::new, |at| format!(" It resets at {at}."));
    let message = format!(
        "Budget has been exceeded!{who} Current cost: {posted}, Max budget: {limit}. Held by running requests: {held}, asked: {asked}.{resets}"
    );
    ApiError::new(ErrorCode::BudgetExhausted, message).status(status).kind("budget_exceeded").details(json!({
        "scope": account.scope,
        "limit_nano_usd": limit,
        "spent_nano_usd": posted,
        "held_nano_usd": held,
        "suspense_nano_usd": suspense,
        "asked_nano_usd": asked,
        "window_start": account.window,
        "resets_at": resets_at,
    }))
}

/// Whether a budget can pay is not known here now.
pub(crate) fn budget_unavailable(reason: Reason) -> ApiError {
    let why = match reason {
        Reason::NoSlice => "this gateway did not get a part of the budget in time",
        Reason::LogAway => "this gateway has not heard of the lease log for too long",
        Reason::Fenced => "another process of this gateway has taken over",
        Reason::Unreadable => "an event about the budget cannot be read by this version: upgrade the gateway",
        Reason::Journal => "this gateway cannot write down what it holds",
        Reason::Views => "what was spent before cannot be read",
    };
    ApiError::new(ErrorCode::BudgetUnavailable, format!("the budget cannot be used now: {why}. Try again"))
        .retry_after(BUDGET_RETRY_AFTER)
        .details(json!({ "reason": reason.as_str() }))
}

/// A rate limit that was reached.
pub(crate) fn limited(limited: &Limited, hash: &KeyHash) -> ApiError {
    let who = match &limited.scope {
        Scope::Realm(realm) => format!("team: {realm}"),
        Scope::User(user) => format!("user: {user}"),
        Scope::Key(_) => format!("api_key: {hash}"),
        Scope::EndUser(whom) => format!("end_user: {}", whom.id),
        Scope::Tag(which) => format!("tag: {}", which.name),
        Scope::Model(realm, model) => format!("team: {realm}, model: {model}"),
        Scope::Gateway => "gateway".to_owned(),
        Scope::Agent(_) | Scope::Context(_) => limited.scope.to_string(),
    };
    let seconds = limited.retry_after.as_secs_f64();
    let message = format!(
        "Rate limit exceeded for {who}. Limit type: {}. Current limit: {}, Remaining: {}. Try again in {seconds:.1} s",
        limited.kind.name(),
        limited.limit,
        limited.remaining
    );
    ApiError::new(ErrorCode::RateLimited, message).retry_after(limited.retry_after).details(json!({
        "scope": limited.scope,
        "limit_type": limited.kind.name(),
        "limit": limited.limit,
        "remaining": limited.remaining,
    }))
}
