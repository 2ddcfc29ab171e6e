//! A whole answer for a client of this dialect.

use tallygate_core::conversation::{Choice, Content, Ending, Finish, Raw, Response, Seal, SealForm, Thought, ToolCall};
use tallygate_core::usage::Usage;

use crate::dialect::back::arguments_as_json;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::json::writer::{List, Object, object};
use crate::dialect::wire::Asked;

pub(super) fn write(response: &Response, asked: &Asked) -> Vec<u8> {
    object(|body| {
        body.list("candidates", |list| {
            for (index, choice) in response.choices.iter().enumerate() {
                list.object(|candidate| write_candidate(candidate, index, choice));
            }
        });
        if let Some(used) = &response.used {
            body.object("usageMetadata", |object| usage(object, &used.usage));
        }
        body.text("modelVersion", asked.model(response.model.as_deref())).text("responseId", &asked.id);
    })
}

fn write_candidate(candidate: &mut Object<'_>, index: usize, choice: &Choice) {
    candidate.object("content", |content| {
        content.text("role", "model").list("parts", |list| {
            choice.parts.iter().for_each(|part| write_part(list, &part.content));
        });
    });
    candidate.text("finishReason", &finish_reason(&choice.ending)).number("index", index);
}

fn write_part(list: &mut List<'_>, content: &Content) {
    match content {
        Content::Text(text) | Content::Refusal(text) => list.object(|part| {
            part.text("text", text);
        }),
        Content::Thought(Thought { text, seal }) => thought(list, text, seal.as_ref()),
        Content::ToolCall(call) => list.object(|part| write_call(part, call)),
        _ => {}
    }
}

/// A piece of reasoning; only a mark is a seal that this dialect knows.
pub(super) fn thought(list: &mut List<'_>, text: &str, seal: Option<&Seal>) {
    let mark = seal.filter(|seal| seal.form == SealForm::Mark);
    if text.is_empty() && mark.is_none() {
        return;
    }
    list.object(|part| {
        part.text("text", text);
        if !text.is_empty() {
            part.flag("thought", true);
        }
        part.text_if("thoughtSignature", mark.map(|mark| mark.data.as_str()));
    });
}

/// A call, whole: its arguments are an object.
pub(super) fn write_call(part: &mut Object<'_>, call: &ToolCall) {
    let arguments = arguments_as_json(call);
    let arguments = Raw::parse(&arguments).ok().filter(|_| Fields::parse(&arguments, &Place::Root).is_ok());
    part.object("functionCall", |object| {
        object.text("id", &call.id).text("name", &call.name);
        match &arguments {
            Some(arguments) => object.raw("args", arguments),
            None => object.object("args", |_| {}),
        };
    });
    if let Some(Seal { form: SealForm::Mark, data }) = &call.seal {
        part.text("thoughtSignature", data);
    }
}

/// The dialect's word for how an answer ended: the upstream's own where that is of this dialect.
pub(super) fn finish_reason(ending: &Ending) -> String {
    let is_ours = |word: &&String| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let word = match ending.finish {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Paused => "STOP",
        Finish::Length | Finish::ContextFull => "MAX_TOKENS",
        Finish::Filtered => "SAFETY",
    };
    ending.told.as_ref().filter(is_ours).map_or(word, String::as_str).to_owned()
}

/// The fields of `usageMetadata`.
pub(super) fn usage(object: &mut Object<'_>, usage: &Usage) {
    object.number("promptTokenCount", usage.prompt_tokens());
    object.number("candidatesTokenCount", usage.output_tokens.saturating_sub(usage.reasoning_tokens));
    if usage.reasoning_tokens > 0 {
        object.number("thoughtsTokenCount", usage.reasoning_tokens);
    }
    if usage.cached_input_tokens > 0 {
        object.number("cachedContentTokenCount", usage.cached_input_tokens);
    }
    object.number("totalTokenCount", usage.total_tokens());
}
