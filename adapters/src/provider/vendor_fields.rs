//! Fields that vendors and gateways have added to a dialect that many speak, under names of their own.

use tallygate_core::conversation::Text;

use crate::dialect::json::fields::{Place, Value};
use crate::dialect::json::writer::Object;

/// What stands between an id and the mark that LiteLLM's clients carry in it.
const MARK_IN_ID: &str = "__thought__";

/// The mark of the reasoning before a tool call, in its `extra_content`, under whatever vendor's name.
#[must_use]
pub fn mark(value: Value<'_, '_>) -> Option<Text> {
    let fields = value.fields().ok()?;
    fields.rest().into_iter().find_map(|vendor| {
        let mut fields = crate::dialect::json::fields::Fields::parse(vendor.value.as_str(), &Place::Root).ok()?;
        fields.told_some_text("thought_signature")
    })
}

/// Writes that mark as the vendor does whose models make it.
pub fn write_mark(object: &mut Object<'_>, mark: &Text) {
    object.object("extra_content", |object| {
        object.object("google", |object| {
            object.text("thought_signature", mark);
        });
    });
}

/// An id, and the mark that it carries.
#[must_use]
pub fn split_mark(id: &str) -> (String, Option<Text>) {
    match id.split_once(MARK_IN_ID) {
        Some((id, mark)) if !mark.is_empty() => (id.to_owned(), Some(mark.into())),
        _ => (id.to_owned(), None),
    }
}

/// What stands for a mark that was lost, in the words of the vendor that wants one.
pub const MARK_LOST: &str = "skip_thought_signature_validator";
