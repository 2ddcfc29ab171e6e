//! Answers with vectors: what they used, and how the client gets them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::usage::Usage;

use super::{Back, Form};
use crate::dialect::json::writer::object;
use crate::dialect::metering::Metered;
use crate::dialect::openai_chat::error;
use crate::dialect::openai_chat::usage::count_of;

/// OpenAI's form of an answer.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default, borrow)]
    data: Vec<Entry<'a>>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    error: Value,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(default)]
    index: usize,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

/// What an answer in the client's own dialect used.
pub(super) fn through(form: Form, prompt_estimate: u64, status: u16, body: &[u8]) -> Result<Metered, Failure> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| Failure::new(Kind::Protocol))?;
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Err(error::within_answer(body, status));
    }
    let (vectors, usage) = match form {
        Form::Content => ("embedding", "/usageMetadata/promptTokenCount"),
        Form::Contents => ("embeddings", "/usageMetadata/promptTokenCount"),
        Form::Input => ("embeddings", "/prompt_eval_count"),
        Form::Prompt => ("embedding", "/prompt_eval_count"),
    };
    if answer.get(vectors).is_none() {
        return Err(Failure::new(Kind::Protocol));
    }
    Ok(metered(answer.pointer(usage).and_then(count_of), prompt_estimate))
}

/// The client's answer, out of one in OpenAI's form. Every vector that was asked for must be there, as numbers.
pub(super) fn translated(back: &Back, status: u16, body: &[u8]) -> Result<(Bytes, Metered), Failure> {
    let garbage = || Failure::new(Kind::Protocol);
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| garbage())?;
    if !answer.error.is_null() {
        return Err(error::within_answer(body, status));
    }
    let mut vectors: Vec<Option<&str>> = vec![None; back.count];
    for entry in &answer.data {
        let vector = Some(entry.embedding.get()).filter(|vector| vector.starts_with('['));
        *vectors.get_mut(entry.index).ok_or_else(garbage)? = vector;
    }
    let vectors: Option<Vec<&str>> = vectors.into_iter().collect();
    let vectors = vectors.filter(|_| answer.data.len() == back.count).ok_or_else(garbage)?;
    let metered = metered(answer.usage.get("prompt_tokens").and_then(count_of), back.prompt_estimate);
    let model = answer.model.as_deref().unwrap_or_default();
    Ok((written(back.form, &vectors, model, metered.usage.input_tokens).into(), metered))
}

fn written(form: Form, vectors: &[&str], model: &str, tokens: u64) -> Vec<u8> {
    let first = vectors.first().copied().unwrap_or("[]").as_bytes();
    object(|answer| match form {
        Form::Content => {
            answer.object("embedding", |entry| {
                entry.json("values", first);
            });
        }
        Form::Contents => {
            let entries: Vec<String> = vectors.iter().map(|vector| format!("{{\"values\":{vector}}}")).collect();
            answer.json("embeddings", format!("[{}]", entries.join(",")).as_bytes());
        }
        Form::Input => {
            answer.text("model", model).json("embeddings", format!("[{}]", vectors.join(",")).as_bytes());
            answer.number("total_duration", 0).number("load_duration", 0).number("prompt_eval_count", tokens);
        }
        Form::Prompt => {
            answer.json("embedding", first);
        }
    })
}

fn metered(told: Option<u64>, prompt_estimate: u64) -> Metered {
    let usage = Usage { input_tokens: told.unwrap_or(prompt_estimate), ..Usage::default() };
    Metered { usage, estimated: told.is_none() }
}
