//! The body of a client's request, before a dialect reads its fields: what holds in every dialect.

use tallygate_core::conversation::{Extra, Extras};
use tallygate_core::id::ModelName;

use super::json;
use super::json::fields::Fields;
use super::openai_chat::fields::{Fate, fate, folded};
use super::rejection::{Reason, Rejection};
use super::wire::PathSays;

/// The text of a body that every parser reads alike.
///
/// # Errors
/// It is none.
pub(super) fn strict(body: &[u8]) -> Result<&str, Rejection> {
    let text = json::text(body)?;
    json::object(text, &mut json::Ignore)?;
    Ok(text)
}

/// The model that path and body name.
///
/// # Errors
/// Neither names one, they name different ones, or it cannot be one.
pub(super) fn model(fields: &mut Fields<'_, '_>, path: &PathSays<'_>) -> Result<String, Rejection> {
    let in_body = fields.string("model")?;
    let name = match (in_body, path.model) {
        (Some(body), Some(path)) if body != path => {
            return Err(fields.reject("model", Reason::Value("and the path name different models")));
        }
        (Some(name), _) => Some(name),
        (None, path) => path.map(str::to_owned),
    };
    let name = fields.require("model", name)?;
    let name = ModelName::new(&name).map_err(|_| fields.reject("model", Reason::Value("is no name of a model")))?;
    Ok(name.as_str().to_owned())
}

/// What is left of a body, to be carried. What is meant for a gateway stays here.
///
/// # Errors
/// A field that clients may not send: an upstream, a key, a price.
pub(super) fn carried(fields: Fields<'_, '_>, dialect: &'static str) -> Result<Extras, Rejection> {
    let mut kept: Vec<Extra> = Vec::new();
    for extra in fields.rest() {
        match fate(&folded(&extra.name)) {
            Fate::Refused(param) => return Err(Rejection::of(param.unwrap_or_default(), Reason::NotAllowed)),
            Fate::KeptBack => {}
            Fate::Read(_) | Fate::Forwarded if extra.value.as_str() != "null" => kept.push(extra),
            Fate::Read(_) | Fate::Forwarded => {}
        }
    }
    Ok(Extras { dialect, fields: kept })
}
