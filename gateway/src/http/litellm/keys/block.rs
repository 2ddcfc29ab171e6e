//! `POST /key/block` and `/key/unblock`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;
use tallygate_core::command::Command;
use tallygate_core::key::{BlockKey, UnblockKey};

use super::refused::refused;
use super::{find, row};
use crate::command::Refused;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Has a key refused until it is unblocked. It may be blocked already.
pub(super) async fn block(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    set(&app, &headers, body, true).await
}

/// Lets a key work again. It may work already.
pub(super) async fn unblock(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    set(&app, &headers, body, false).await
}

async fn set(app: &App, headers: &HeaderMap, body: Body, blocked: bool) -> Result<Response, ApiError> {
    let route = if blocked { "/key/block" } else { "/key/unblock" };
    let manager = operator::manager(app, headers, route).await?;
    let bytes = body::read(&app.pipeline.settings, headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let named = fields.text("key")?.into_value().ok_or_else(|| fields.missing("key"))?;
    if !has_form_of_key(&named) {
        return Err(ApiError::new(ErrorCode::ParameterInvalid, "Invalid key format.").param("key"));
    }
    let current = find::by_secret_or_hash(app, &named)?.ok_or_else(|| find::not_found("Key not found."))?;
    let id = current.key.id;
    let commands: Vec<Command> = match (blocked, current.key.blocked.is_some()) {
        (true, false) => vec![BlockKey { key: id }.into()],
        (false, true) => vec![UnblockKey { key: id }.into()],
        (true, true) | (false, false) => Vec::new(),
    };
    let position = match carry_out(app, manager.actor, commands).await {
        Ok(position) => position,
        Err(error) if is_so_already(&error) => app.pipeline.views.control.position(),
        Err(error) => return Err(refused(error)),
    };
    Ok(changed(position, Value::Object(row::row(app, &find::by_id(app, id)?)?)))
}

/// Someone else was faster.
fn is_so_already(refused: &Refused) -> bool {
    matches!(refused.code, "key_already_blocked" | "key_not_blocked")
}

/// `sk-` and letters, digits, `_`, `-`, 3 to 100 characters in all; or 64 hexadecimal digits.
fn has_form_of_key(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_secret = |rest: &str| !rest.is_empty() && rest.bytes().all(is_plain) && text.len() <= 100;
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.strip_prefix("sk-").is_some_and(is_secret) || is_hash
}

#[cfg(test)]
mod tests {
    use super::has_form_of_key;

    #[test]
    fn a_key_is_named_by_its_secret_or_by_its_hash() {
        assert!(has_form_of_key("sk-abc_DEF-1"));
        assert!(has_form_of_key(&"0a".repeat(32)));
        for text in ["", "sk-", "abc", "sk-a b", "sk-a'--", &"0a".repeat(31), &format!("sk-{}", "a".repeat(98))] {
            assert!(!has_form_of_key(text), "{text:?}");
        }
    }
}
