//! Setting one thing in a client's own bytes, wherever its dialect has it.

use std::ops::Range;

use super::places::Places;
use crate::dialect::json::{self, Object};
use crate::dialect::openai_chat::fields::folded;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::splices::Splices;

/// One thing of a request that is to be so.
pub(super) struct Setting<'a> {
    /// The whole body.
    pub(super) text: &'a str,
    pub(super) places: &'a Places,
    /// Where it stands.
    pub(super) path: &'a [&'a str],
    pub(super) json: String,
}

impl Setting<'_> {
    /// Sets it wherever there is a place for it, in whatever spelling: whichever of them the upstream reads, it holds.
    pub(super) fn set(&self, object: &Object, splices: &mut Splices) -> Result<(), Rejection> {
        let Some((name, rest)) = self.path.split_first() else { return Ok(()) };
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
            if value != self.json {
                splices.put(at, self.json.clone());
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

    /// It within objects of these names.
    fn built(&self, names: &[&str]) -> String {
        let nest = |json: String, name: &&str| format!("{{\"{name}\":{json}}}");
        names.iter().rev().fold(self.json.clone(), nest)
    }
}

pub(super) fn misspelt(name: &str) -> Rejection {
    Rejection::of(name, Reason::Value("is spelt in another case, and some programs read it as this"))
}
