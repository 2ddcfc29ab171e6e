//! A client's request on its way to an upstream of the same dialect.

use std::borrow::Cow;

use bytes::Bytes;

use super::places::Places;
use super::setting::{Setting, misspelt};
use crate::dialect::json::{self, Member};
use crate::dialect::openai_chat::fields::{Fate, fate, folded};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::splices::Splices;
use crate::dialect::wire::Dialect;

/// What must change on the way to one upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change<'a> {
    /// The name that the upstream knows the model by. A dialect that has it in the path of the URL does not get it here.
    pub model: &'a str,
    /// The limit of output that the gateway sets, in tokens an answer: in place of the client's, or where there is none.
    pub output_limit: Option<u64>,
    /// The earlier answer that the request goes on from, by the id that the upstream gave it.
    pub earlier: Option<&'a str>,
}

/// The body for the upstream. Fields for the gateway are cut out, the model is renamed, the limit is set; every other byte
/// is the client's own. A body that needs no change is not copied.
///
/// # Errors
/// [`Rejection`] of what the dialect's reader has let pass and another reader of the same bytes could read otherwise: a
/// name that stands twice in two cases, or one that is looked at here and spelt in another case. And of what clients may
/// not send.
pub fn request(dialect: &dyn Dialect, body: &Bytes, change: &Change<'_>) -> Result<Bytes, Rejection> {
    let places = dialect.places();
    let text = json::text(body)?;
    let object = json::object(text, &mut json::Ignore)?;
    let is_cut = fates(text, &object.members, places)?;
    let mut splices = Splices::default();
    if places.model_in_body {
        rename(text, &object.members, change.model, &mut splices);
    }
    if let Some(tokens) = change.output_limit {
        let limit = Setting { text, places, path: places.output_limit, json: tokens.to_string() };
        limit.set(&object, &mut splices)?;
    }
    if let (Some(name), Some(id)) = (places.earlier, change.earlier) {
        name_earlier(text, &object.members, (name, id), &mut splices);
    }
    splices.cut(&object.members, |index| is_cut.get(index).copied().unwrap_or_default());
    let keeps_any = is_cut.contains(&false);
    Ok(splices.apply(body, &object.members, object.end, keeps_any))
}

/// Checks the names of all fields, and says which are cut out.
fn fates(text: &str, members: &[Member], places: &Places) -> Result<Vec<bool>, Rejection> {
    let mut seen: Vec<Cow<'_, str>> = Vec::with_capacity(members.len());
    let mut is_cut = Vec::with_capacity(members.len());
    for member in members {
        let name = member.name(text);
        let folded = folded(name);
        let is_kept_back = match fate(&folded) {
            Fate::Refused(param) => return Err(Rejection::of(param.unwrap_or_default(), Reason::NotAllowed)),
            Fate::Read(known) if known != name => return Err(misspelt(known)),
            Fate::Read("model") => !places.model_in_body,
            Fate::Read(_) | Fate::Forwarded => false,
            Fate::KeptBack => true,
        };
        if seen.contains(&folded) {
            return Err(Rejection::of("", Reason::Duplicate));
        }
        is_cut.push(is_kept_back);
        seen.push(folded);
    }
    Ok(is_cut)
}

fn rename(text: &str, members: &[Member], model: &str, splices: &mut Splices) {
    let quoted = serde_json::Value::from(model).to_string();
    match members.iter().find(|member| member.name(text) == "model").map(|member| member.value.clone()) {
        Some(at) if text.get(at.clone()) == Some(quoted.as_str()) => {}
        Some(at) => splices.put(at, quoted),
        None => splices.add("model", &quoted),
    }
}

fn name_earlier(text: &str, members: &[Member], (name, id): (&str, &str), splices: &mut Splices) {
    if let Some(member) = members.iter().find(|member| member.name(text) == name) {
        splices.put(member.value.clone(), serde_json::Value::from(id).to_string());
    }
}

#[cfg(test)]
mod tests;
