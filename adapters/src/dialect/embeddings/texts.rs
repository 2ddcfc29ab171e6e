//! Ollama's `/api/embed` and the older `/api/embeddings`, read.

use super::{Asked, Form, TEXTS_MAX};
use crate::dialect::bodies;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

/// What says how the server runs its model, and changes nothing of an answer: left out elsewhere without a word.
const OF_THE_SERVER: [&str; 2] = ["keep_alive", "truncate"];

pub(super) fn read(form: Form, body: &[u8], path: &PathSays<'_>) -> Result<(String, Asked), Rejection> {
    let mut fields = Fields::parse(bodies::strict(body)?, &Place::Root)?;
    let model = bodies::model(&mut fields, path)?;
    let mut asked = Asked::default();
    if form == Form::Prompt {
        let prompt = fields.string("prompt")?;
        asked.texts.push(fields.require("prompt", prompt)?);
    } else {
        let input = fields.with("input", |value| {
            if value.is_text() {
                value.string().map(|one| vec![one])
            } else {
                value.list(TEXTS_MAX, |item| item.string())
            }
        })?;
        asked.texts = fields.require("input", input)?;
        if asked.texts.is_empty() {
            return Err(fields.reject("input", Reason::Value("must have at least one text")));
        }
        asked.dimensions = fields.count("dimensions")?;
    }
    for extra in bodies::carried(fields, crate::dialect::ollama_chat::NAME)?.fields {
        let means_nothing = OF_THE_SERVER.contains(&extra.name.as_str()) || extra.value.as_str() == "{}";
        if !means_nothing {
            asked.only_here.push(extra.name);
        }
    }
    Ok((model, asked))
}
