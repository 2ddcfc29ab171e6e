//! A client's request on its way to an upstream of the same dialect.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::places::Places;
use crate::dialect::json::{self, Member, Object};
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
        let limit = Limit { text, places, tokens: tokens.to_string() };
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

fn misspelt(name: &str) -> Rejection {
    Rejection::of(name, Reason::Value("is spelt in another case, and some programs read it as this"))
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

/// A limit of output to be set.
struct Limit<'a> {
    text: &'a str,
    places: &'a Places,
    tokens: String,
}

impl Limit<'_> {
    /// Sets the limit wherever there is a place for it, in whatever spelling: whichever of them the upstream reads, the
    /// limit holds.
    fn set(&self, object: &Object, splices: &mut Splices) -> Result<(), Rejection> {
        let Some((name, rest)) = self.places.output_limit.split_first() else { return Ok(()) };
        if !self.set_in(object, 0, name, rest, splices)? {
            splices.add(name, &self.built(rest));
        }
        Ok(())
    }

    /// Sets it in the members of an object that have the name. Tells whether there are any.
    fn set_in(
        &self,
        object: &Object,
        starts_at: usize,
        name: &str,
        rest: &[&str],
        splices: &mut Splices,
    ) -> Result<bool, Rejection> {
        let mut is_set = false;
        let text = self.text.get(starts_at..).unwrap_or_default();
        let other = self.places.other_spelling(name);
        for member in &object.members {
            let found = member.name(text);
            if found == name || found == other {
                self.set_at(starts_at + member.value.start..starts_at + member.value.end, name, rest, splices)?;
                is_set = true;
            } else if matches!(folded(found), found if found == folded(name) || found == other) {
                return Err(misspelt(name));
            }
        }
        Ok(is_set)
    }

    /// Sets it in the value of a member.
    fn set_at(&self, at: Range<usize>, name: &str, rest: &[&str], splices: &mut Splices) -> Result<(), Rejection> {
        let value = self.text.get(at.clone()).unwrap_or_default();
        let Some((next, further)) = rest.split_first() else {
            if value != self.tokens {
                splices.put(at, self.tokens.clone());
            }
            return Ok(());
        };
        if value == "null" {
            splices.put(at, self.built(rest));
            return Ok(());
        }
        let not_an_object = |_| Rejection::of(name, Reason::Type("an object"));
        let object = json::object(value, &mut json::Ignore).map_err(not_an_object)?;
        if !self.set_in(&object, at.start, next, further, splices)? {
            splices.add_within(at.start, object.members.is_empty(), next, &self.built(further));
        }
        Ok(())
    }

    /// The limit within objects of these names.
    fn built(&self, names: &[&str]) -> String {
        let nest = |json: String, name: &&str| format!("{{\"{name}\":{json}}}");
        names.iter().rev().fold(self.tokens.clone(), nest)
    }
}

#[cfg(test)]
mod tests;
