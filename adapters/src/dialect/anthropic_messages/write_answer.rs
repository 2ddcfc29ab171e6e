//! A whole answer for a client of this dialect.

use tallygate_core::conversation::{Content, Ending, Finish, Response, Seal, SealForm, Thought, ToolCall};
use tallygate_core::usage::Usage;

use super::usage;
use crate::dialect::back::arguments_as_json;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::json::writer::{List, Object, object};
use crate::dialect::wire::Asked;

pub(super) fn write(response: &Response, asked: &Asked) -> Vec<u8> {
    let used = response
        .used
        .map_or_else(|| Usage { input_tokens: asked.input_estimate_tokens, ..Usage::default() }, |used| used.usage);
    // One answer is all that this dialect has.
    let choice = response.choices.first();
    object(|body| {
        body.text("id", &id(asked)).text("type", "message").text("role", "assistant");
        body.text("model", asked.model(response.model.as_deref()));
        body.list("content", |list| {
            let parts = choice.map(|choice| choice.parts.as_slice()).unwrap_or_default();
            parts.iter().for_each(|part| block(list, &part.content));
        });
        let ending = choice.map(|choice| choice.ending.clone()).unwrap_or_default();
        write_ending(body, &ending);
        body.object("usage", |object| usage::write(object, &used));
    })
}

/// The id of an answer.
pub(super) fn id(asked: &Asked) -> String {
    format!("msg_{}", asked.id)
}

fn block(list: &mut List<'_>, content: &Content) {
    match content {
        Content::Text(text) | Content::Refusal(text) if !text.is_empty() => list.object(|block| {
            block.text("type", "text").text("text", text);
        }),
        Content::Thought(thought) => thought_block(list, thought),
        Content::ToolCall(call) => list.object(|block| {
            block.text("type", "tool_use").text("id", &call.id).text("name", &call.name);
            block.json("input", input(call).as_bytes());
        }),
        Content::Other { dialect, raw, .. } if *dialect == super::NAME => list.raw(raw),
        _ => {}
    }
}

fn thought_block(list: &mut List<'_>, thought: &Thought) {
    match &thought.seal {
        Some(Seal { form: SealForm::Redacted, data }) => list.object(|block| {
            block.text("type", "redacted_thinking").text("data", data);
        }),
        seal if !thought.text.is_empty() || seal.as_ref().is_some_and(|seal| seal.form == SealForm::Signature) => {
            let signature = seal.as_ref().filter(|seal| seal.form == SealForm::Signature);
            list.object(|block| {
                block.text("type", "thinking").text("thinking", &thought.text);
                // Clients expect the field; without a signature the reasoning cannot be sent back, and is left out then.
                block.text("signature", signature.map_or("", |seal| seal.data.as_str()));
            });
        }
        _ => {}
    }
}

/// Arguments as an object; those that are none are put into one, since clients parse nothing else.
fn input(call: &ToolCall) -> String {
    let arguments = arguments_as_json(call);
    if arguments.is_blank() {
        return "{}".to_owned();
    }
    match (Fields::parse(&arguments, &Place::Root), tallygate_core::conversation::Raw::parse(&arguments)) {
        (Ok(_), Ok(raw)) => raw.as_str().to_owned(),
        _ => crate::dialect::json::writer::object_text(|object| {
            object.text("arguments", &arguments);
        }),
    }
}

/// `stop_reason` and `stop_sequence`.
pub(super) fn write_ending(object: &mut Object<'_>, ending: &Ending) {
    let reason = match ending.finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ContextFull => "model_context_window_exceeded",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered => "refusal",
        Finish::Paused => "pause_turn",
    };
    object.text("stop_reason", reason).text_or_null("stop_sequence", ending.stop_sequence.as_deref());
}
