//! A client's request in this dialect.

use tallygate_core::conversation::{Content, LIMITS, Message, Request, Role, Sampling, Text};

use crate::dialect::bodies;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::openai_chat::{CHOICES_MAX, OUTPUT_TOKENS_MAX};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

/// What OpenAI writes where the client sets no limit, in tokens.
const OUTPUT_TOKENS_DEFAULT: u64 = 16;
/// Fields that ask for what a chat cannot give. What says nothing passes.
const CHAT_HAS_NONE: [&str; 3] = ["echo", "suffix", "logprobs"];

pub(super) fn read(body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
    let mut fields = Fields::parse(bodies::strict(body)?, &Place::Root)?;
    let model = bodies::model(&mut fields, path)?;
    let prompt = fields.with("prompt", prompt)?;
    let prompt = fields.require("prompt", prompt)?;
    for name in CHAT_HAS_NONE {
        if fields.take(name).is_some_and(|value| !matches!(value.get(), "false" | "\"\"" | "0")) {
            return Err(fields.reject(name, Reason::Unsupported));
        }
    }
    let max_output_tokens = fields.count("max_tokens")?.unwrap_or(OUTPUT_TOKENS_DEFAULT);
    if !(1..=OUTPUT_TOKENS_MAX).contains(&max_output_tokens) {
        return Err(fields.reject("max_tokens", Reason::Value("must be at least 1")));
    }
    let choices = fields.count("n")?;
    if choices.is_some_and(|choices| !(1..=CHOICES_MAX).contains(&choices)) {
        return Err(fields.reject("n", Reason::Value("must be a whole number from 1 to 128")));
    }
    let asks_for_usage = fields.with("stream_options", |value| value.fields()?.flag("include_usage"))?.flatten();
    let request = Request {
        model,
        messages: vec![Message::new(Role::User, [Content::Text(prompt)])],
        max_output_tokens: Some(max_output_tokens),
        choices,
        sampling: Sampling {
            temperature: fields.number("temperature")?,
            top_p: fields.number("top_p")?,
            seed: fields.number("seed")?,
            frequency_penalty: fields.number("frequency_penalty")?,
            presence_penalty: fields.number("presence_penalty")?,
            logit_bias: fields.with("logit_bias", |value| value.raw_object())?,
            ..Sampling::default()
        },
        stop: fields.with("stop", stop)?.unwrap_or_default(),
        user: fields.text("user")?,
        streams: fields.flag("stream")?.unwrap_or_default(),
        asks_for_usage: asks_for_usage.unwrap_or_default(),
        ..Request::default()
    };
    Ok(Request { extras: bodies::carried(fields, super::NAME)?, ..request })
}

/// One text, or a list of one.
fn prompt(value: Value<'_, '_>) -> Result<Text, Rejection> {
    if value.is_text() {
        return value.text();
    }
    let mut texts = value.list(LIMITS.messages, |item| item.text())?;
    match (texts.pop(), texts.is_empty()) {
        (Some(text), true) => Ok(text),
        _ => Err(value.reject(Reason::Value("must be one text: several prompts are several requests"))),
    }
}

fn stop(value: Value<'_, '_>) -> Result<Vec<Text>, Rejection> {
    if value.is_text() { Ok(vec![value.text()?]) } else { value.list(LIMITS.stops, |item| item.text()) }
}
