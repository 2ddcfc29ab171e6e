//! The object around an answer, which repeats the settings of its request, and the items in it.

use tallygate_core::conversation::{Ending, Finish, Seal, Text};
use tallygate_core::usage::Usage;

use super::seals::pack;
use super::write_request::{write_choice, write_format, write_tool};
use crate::dialect::json::writer::{Object, list_into, object_into};
use crate::dialect::wire::Asked;

/// Where an answer is.
#[derive(Debug, Clone, Copy)]
pub(super) enum State<'a> {
    InProgress,
    Ended(&'a Ending),
    Failed { code: &'a str, message: &'a str },
}

impl State<'_> {
    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Failed { .. } => "failed",
            Self::Ended(ending) if incomplete(ending).is_some() => "incomplete",
            Self::Ended(_) => "completed",
        }
    }
}

/// Why an answer is not complete.
fn incomplete(ending: &Ending) -> Option<&'static str> {
    match ending.finish {
        Finish::Length | Finish::ContextFull => Some("max_output_tokens"),
        Finish::Filtered => Some("content_filter"),
        _ => None,
    }
}

/// Writes the fields of a response. `output` is the list of its items, as JSON.
pub(super) fn write(
    object: &mut Object<'_>,
    asked: &Asked,
    model: Option<&str>,
    state: State<'_>,
    output: &[u8],
    used: Option<&Usage>,
) {
    let request = &asked.request;
    object.text("id", &format!("resp_{}", asked.id)).text("object", "response");
    object.number("created_at", asked.created_s).text("status", state.status());
    match state {
        State::Failed { code, message } => object.object("error", |error| {
            error.text("code", code).text("message", message);
        }),
        _ => object.null("error"),
    };
    match state {
        State::Ended(ending) if incomplete(ending).is_some() => object.object("incomplete_details", |details| {
            details.text("reason", incomplete(ending).unwrap_or_default());
        }),
        _ => object.null("incomplete_details"),
    };
    object.null("instructions");
    match request.max_output_tokens {
        Some(limit) => object.number("max_output_tokens", limit),
        None => object.null("max_output_tokens"),
    };
    object.text("model", asked.model(model)).json("output", output);
    object.flag("parallel_tool_calls", request.parallel_tools.unwrap_or(true)).null("previous_response_id");
    object.object("reasoning", |reasoning| {
        reasoning.text_or_null("effort", request.reasoning.effort.map(|effort| effort.name()));
        reasoning.text_or_null("summary", request.reasoning.summary.as_deref());
    });
    object.flag("store", false);
    match &request.sampling.temperature {
        Some(temperature) => object.number("temperature", temperature),
        None => object.number("temperature", "1.0"),
    };
    object.object("text", |text| {
        text.object("format", |object| match &request.format {
            Some(format) => write_format(object, format),
            None => {
                object.text("type", "text");
            }
        });
    });
    match &request.tool_choice {
        Some(choice) => write_choice(object, choice, request),
        None => {
            object.text("tool_choice", "auto");
        }
    }
    object.list("tools", |list| request.tools.iter().for_each(|tool| write_tool(list, tool)));
    match &request.sampling.top_p {
        Some(share) => object.number("top_p", share),
        None => object.number("top_p", "1.0"),
    };
    object.text("truncation", "disabled");
    match used {
        Some(used) => object.object("usage", |object| usage(object, used)),
        None => object.null("usage"),
    };
    object.text_or_null("user", request.user.as_deref());
    match &request.metadata {
        Some(metadata) => object.raw("metadata", metadata),
        None => object.object("metadata", |_| {}),
    };
}

fn usage(object: &mut Object<'_>, usage: &Usage) {
    let usage = &usage.in_five_classes();
    object.number("input_tokens", usage.prompt_tokens());
    object.object("input_tokens_details", |details| {
        details.number("cached_tokens", usage.cached_input_tokens);
        if usage.cache_write_tokens > 0 {
            details.number("cache_write_tokens", usage.cache_write_tokens);
        }
    });
    object.number("output_tokens", usage.output_tokens);
    object.object("output_tokens_details", |details| {
        details.number("reasoning_tokens", usage.reasoning_tokens);
    });
    object.number("total_tokens", usage.total_tokens());
}

/// An item of an answer.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Message { parts: Vec<(bool, Text)> },
    Reasoning { text: Text, seal: Option<Seal> },
    Call { call_id: String, name: String, arguments: Text, is_free: bool },
}

impl Item {
    /// The item, as JSON. What is still growing has no words in it.
    pub(super) fn write(&self, out: &mut Vec<u8>, is_done: bool) {
        let status = if is_done { "completed" } else { "in_progress" };
        object_into(out, |object| {
            object.text("id", &self.id);
            match &self.kind {
                Kind::Message { parts } => {
                    object.text("type", "message").text("status", status).text("role", "assistant");
                    object.list("content", |list| {
                        for (is_refusal, text) in parts.iter().filter(|_| is_done) {
                            list.object(|part| write_part(part, *is_refusal, text));
                        }
                    });
                }
                Kind::Reasoning { text, seal } => {
                    object.text("type", "reasoning").list("summary", |list| {
                        if is_done && !text.is_empty() {
                            list.object(|part| {
                                part.text("type", "summary_text").text("text", text);
                            });
                        }
                    });
                    object.text_if("encrypted_content", seal.as_ref().filter(|_| is_done).map(pack).as_deref());
                }
                Kind::Call { call_id, name, arguments, is_free } => {
                    let (kind, field) =
                        if *is_free { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
                    object.text("type", kind).text("status", status).text("call_id", call_id).text("name", name);
                    object.text(field, if is_done { arguments } else { "" });
                }
            }
        });
    }
}

/// A part of a message: text, or the words of a refusal.
pub(super) fn write_part(part: &mut Object<'_>, is_refusal: bool, text: &str) {
    if is_refusal {
        part.text("type", "refusal").text("refusal", text);
    } else {
        part.text("type", "output_text").text("text", text);
        part.list("annotations", |_| {}).list("logprobs", |_| {});
    }
}

/// A list of items, as JSON.
pub(super) fn list(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    list_into(&mut out, |list| {
        for item in items {
            let mut json = Vec::new();
            item.write(&mut json, true);
            list.json(&json);
        }
    });
    out
}
