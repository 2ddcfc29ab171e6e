//! Google's `embedContent` and `batchEmbedContents`, read.

use std::ops::Range;

use serde_json::value::RawValue;

use super::{Asked, Form, TEXTS_MAX};
use crate::dialect::bodies;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

/// What stands before the names of models in bodies.
const PREFIX: &str = "models/";
/// The most parts of one content.
const PARTS_MAX: usize = 1_000;

pub(super) fn read(form: Form, body: &[u8], path: &PathSays<'_>) -> Result<(String, Asked), Rejection> {
    let text = bodies::strict(body)?;
    let mut fields = Fields::parse(text, &Place::Root)?.in_two_spellings();
    let model = path.model.unwrap_or_default().to_owned();
    let mut asked = Asked::default();
    if form == Form::Content {
        if let Some(named) = fields.take("model") {
            same_model(named, &model, fields.place())?;
        }
        request(fields, &mut asked)?;
    } else {
        let requests = fields.with("requests", |value| {
            value.list(TEXTS_MAX, |item| {
                let mut fields = item.fields()?.in_two_spellings();
                if let Some(named) = fields.take("model") {
                    same_model(named, &model, fields.place())?;
                    asked.model_places.extend(place_of(text, named));
                }
                request(fields, &mut asked)
            })
        })?;
        if fields.require("requests", requests)?.is_empty() {
            return Err(fields.reject("requests", Reason::Value("must have at least one entry")));
        }
        bodies::carried(fields, crate::dialect::gemini_generate::NAME)?;
    }
    Ok((model, asked))
}

/// One content.
fn request(mut fields: Fields<'_, '_>, asked: &mut Asked) -> Result<(), Rejection> {
    let content = fields.with("content", |value| content(value, asked))?;
    let text = fields.require("content", content)?;
    asked.texts.push(text);
    let dimensions = fields.count("outputDimensionality")?;
    let is_first = asked.texts.len() == 1;
    if !is_first && asked.dimensions != dimensions {
        let of_each = fields.reject("outputDimensionality", Reason::Value("must be the same in all requests"));
        asked.not_text.get_or_insert(of_each);
    }
    asked.dimensions = dimensions;
    for extra in bodies::carried(fields, crate::dialect::gemini_generate::NAME)?.fields {
        if !asked.only_here.contains(&extra.name) {
            asked.only_here.push(extra.name);
        }
    }
    Ok(())
}

/// The text of a content: its parts together. What is no text is noted.
fn content(value: Value<'_, '_>, asked: &mut Asked) -> Result<String, Rejection> {
    let mut fields = value.fields()?.in_two_spellings();
    let parts = fields.with("parts", |value| {
        if value.is_list() {
            value.list(PARTS_MAX, |item| part(item, asked))
        } else {
            part(value, asked).map(|one| vec![one])
        }
    })?;
    Ok(fields.require("parts", parts)?.concat())
}

fn part(value: Value<'_, '_>, asked: &mut Asked) -> Result<String, Rejection> {
    let mut fields = value.fields()?.in_two_spellings();
    match fields.string("text")? {
        Some(text) => Ok(text),
        None => {
            asked.not_text.get_or_insert(value.reject(Reason::Type("a text, for the model that this leads to")));
            Ok(String::new())
        }
    }
}

/// The path names the model, and a body may name no other.
fn same_model(named: &RawValue, model: &str, place: &Place<'_>) -> Result<(), Rejection> {
    let place = Place::Field(place, "model");
    let name = Value::new(named, &place).string()?;
    if name.strip_prefix(PREFIX).unwrap_or(&name) == model {
        return Ok(());
    }
    Err(Rejection::new(&place, Reason::Value("and the path name different models")))
}

/// Where a value stands in the text that it borrows from.
fn place_of(text: &str, value: &RawValue) -> Option<Range<usize>> {
    let start = (value.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let place = start..start.checked_add(value.get().len())?;
    text.get(place.clone()).is_some().then_some(place)
}
