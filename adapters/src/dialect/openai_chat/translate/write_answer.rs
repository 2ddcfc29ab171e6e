//! A whole answer for a client of this dialect.

use tallygate_core::conversation::{
    Choice, Content, Ending, Finish, Response, Seal, SealForm, Text, Thought, ToolCall,
};
use tallygate_core::usage::Usage;

use crate::dialect::json::writer::{List, Object, object};
use crate::dialect::wire::Asked;
use crate::provider::vendor_fields;

pub(super) fn write(response: &Response, asked: &Asked) -> Vec<u8> {
    object(|body| {
        body.text("id", &id(asked)).text("object", "chat.completion").number("created", asked.created_s);
        body.text("model", asked.model(response.model.as_deref()));
        body.list("choices", |list| {
            for (index, choice) in response.choices.iter().enumerate() {
                list.object(|object| write_choice(object, index, choice, asked));
            }
        });
        if let Some(used) = &response.used {
            body.object("usage", |object| usage(object, &used.usage));
        }
        body.text_if("service_tier", response.service_tier.as_deref());
    })
}

/// The id of an answer.
pub(super) fn id(asked: &Asked) -> String {
    format!("chatcmpl-{}", asked.id)
}

fn write_choice(object: &mut Object<'_>, index: usize, choice: &Choice, asked: &Asked) {
    let text = |pick: fn(&Content) -> Option<&Text>| -> Option<String> {
        let texts: Vec<&str> =
            choice.parts.iter().filter_map(|part| pick(&part.content)).map(|text| text.as_str()).collect();
        (!texts.is_empty()).then(|| texts.concat())
    };
    let said = text(|content| if let Content::Text(text) = content { Some(text) } else { None });
    let refusal = text(|content| if let Content::Refusal(text) = content { Some(text) } else { None });
    let calls: Vec<&ToolCall> = choice
        .parts
        .iter()
        .filter_map(|part| if let Content::ToolCall(call) = &part.content { Some(call) } else { None })
        .collect();
    object.number("index", index).object("message", |message| {
        message.text("role", "assistant").text_or_null("content", said.as_deref());
        message.text_or_null("refusal", refusal.as_deref());
        thoughts(message, choice);
        match calls.first() {
            Some(call) if asked.request.old_functions => {
                message.object("function_call", |function| {
                    function.text("name", &call.name).text("arguments", arguments(call));
                });
            }
            Some(_) => {
                message.list("tool_calls", |list| calls.iter().for_each(|call| write_call(list, call)));
            }
            None => {}
        }
    });
    match &choice.logprobs {
        Some(logprobs) => object.raw("logprobs", logprobs),
        None => object.null("logprobs"),
    };
    object.text("finish_reason", finish_reason(&choice.ending, asked));
    native_finish(object, &choice.ending);
}

fn thoughts(message: &mut Object<'_>, choice: &Choice) {
    let thoughts: Vec<&Thought> = choice
        .parts
        .iter()
        .filter_map(|part| if let Content::Thought(thought) = &part.content { Some(thought) } else { None })
        .collect();
    let text: String = thoughts.iter().map(|thought| thought.text.as_str()).collect();
    if !text.is_empty() {
        message.text("reasoning_content", &text);
    }
    let is_block = |form| matches!(form, SealForm::Signature | SealForm::Redacted);
    if thoughts.iter().any(|thought| thought.seal.as_ref().is_some_and(|seal| is_block(seal.form))) {
        message.list("thinking_blocks", |list| {
            for Thought { text, seal } in thoughts {
                match seal {
                    Some(seal) if is_block(seal.form) => thinking_block(list, text, seal),
                    _ => {}
                }
            }
        });
    }
}

/// A block of reasoning with its seal, as clients must send it back.
pub(super) fn thinking_block(list: &mut List<'_>, text: &str, seal: &Seal) {
    list.object(|block| {
        if seal.form == SealForm::Redacted {
            block.text("type", "redacted_thinking").text("data", &seal.data);
        } else {
            block.text("type", "thinking").text("thinking", text).text("signature", &seal.data);
        }
    });
}

fn arguments(call: &ToolCall) -> &str {
    // Clients parse arguments as JSON, and a tool that takes nothing is called with nothing by some models.
    if call.arguments.is_blank() && !call.is_free { "{}" } else { &call.arguments }
}

fn write_call(list: &mut List<'_>, call: &ToolCall) {
    list.object(|object| {
        object.text("id", &call.id);
        if call.is_free {
            object.text("type", "custom").object("custom", |custom| {
                custom.text("name", &call.name).text("input", arguments(call));
            });
        } else {
            object.text("type", "function").object("function", |function| {
                function.text("name", &call.name).text("arguments", arguments(call));
            });
        }
        if let Some(Seal { form: SealForm::Mark, data }) = &call.seal {
            vendor_fields::write_mark(object, data);
        }
    });
}

/// The dialect's word for how an answer ended.
pub(in crate::dialect::openai_chat) fn finish_reason(ending: &Ending, asked: &Asked) -> &'static str {
    match ending.finish {
        Finish::Stop | Finish::StopSequence | Finish::Paused => "stop",
        Finish::Length | Finish::ContextFull => "length",
        Finish::ToolCalls if asked.request.old_functions => "function_call",
        Finish::ToolCalls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}

/// The upstream's own word for it, where it says more.
pub(super) fn native_finish(object: &mut Object<'_>, ending: &Ending) {
    if let Some(told) = &ending.told {
        object.object("provider_specific_fields", |object| {
            object.text("native_finish_reason", told);
        });
    }
}

/// The fields of `usage`. Cached tokens are part of the prompt here, and reasoning of the completion.
pub(in crate::dialect::openai_chat) fn usage(object: &mut Object<'_>, usage: &Usage) {
    let usage = &usage.in_five_classes();
    object.number("prompt_tokens", usage.prompt_tokens()).number("completion_tokens", usage.output_tokens);
    object.number("total_tokens", usage.total_tokens());
    object.object("prompt_tokens_details", |details| {
        details.number("cached_tokens", usage.cached_input_tokens);
        if usage.cache_write_tokens > 0 {
            details.number("cache_write_tokens", usage.cache_write_tokens);
        }
    });
    object.object("completion_tokens_details", |details| {
        details.number("reasoning_tokens", usage.reasoning_tokens);
    });
    // Where LiteLLM's clients look for them.
    if usage.cache_write_tokens > 0 || usage.cached_input_tokens > 0 {
        object.number("cache_creation_input_tokens", usage.cache_write_tokens);
        object.number("cache_read_input_tokens", usage.cached_input_tokens);
    }
}
