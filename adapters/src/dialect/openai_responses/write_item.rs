//! Items of the input for an upstream of this dialect.

use std::collections::BTreeSet;

use tallygate_core::conversation::{
    Content, Message, Part, Request, Role, Seal, SealForm, Source, Thought, ToolCall, ToolResult,
};

use crate::dialect::ids;
use crate::dialect::json::writer::{List, Object};
use crate::dialect::media;
use crate::dialect::target::Target;

pub(super) fn items(list: &mut List<'_>, request: &Request, target: &Target<'_>) {
    let free: BTreeSet<&str> = request
        .messages
        .iter()
        .flat_map(Message::calls)
        .filter(|call| call.is_free)
        .map(|call| call.id.as_str())
        .collect();
    for message in &request.messages {
        match message.role {
            Role::System | Role::Developer => {
                let is_developer = message.role == Role::Developer && target.abilities.developer_role;
                let role = if is_developer { "developer" } else { "system" };
                write_message(list, role, &message.parts.iter().collect::<Vec<_>>());
            }
            Role::User => write_message(list, "user", &message.parts.iter().collect::<Vec<_>>()),
            Role::Assistant => assistant(list, message),
            Role::Tool => message.results().for_each(|result| {
                let is_free = free.contains(result.call_id.as_str());
                output(list, result, is_free);
            }),
        }
    }
}

fn assistant(list: &mut List<'_>, message: &Message) {
    // What is said is a message, whatever stands between its parts is an item.
    let mut said: Vec<&Part> = Vec::new();
    for part in &message.parts {
        match &part.content {
            Content::Thought(thought) => {
                flush(list, &mut said);
                write_thought(list, thought);
            }
            Content::ToolCall(call) => {
                flush(list, &mut said);
                write_call(list, call);
            }
            Content::Other { dialect, raw, .. } if *dialect == super::NAME => {
                flush(list, &mut said);
                list.raw(raw);
            }
            _ => said.push(part),
        }
    }
    flush(list, &mut said);
}

fn flush(list: &mut List<'_>, said: &mut Vec<&Part>) {
    let is_said = |part: &&Part| !matches!(&part.content, Content::Text(text) if text.is_empty());
    said.retain(is_said);
    if !said.is_empty() {
        write_message(list, "assistant", said);
        said.clear();
    }
}

fn write_message(list: &mut List<'_>, role: &str, parts: &[&Part]) {
    list.object(|item| {
        item.text("type", "message").text("role", role).list("content", |list| {
            parts.iter().for_each(|part| write_part(list, &part.content, role == "assistant"));
        });
    });
}

/// Only reasoning that this dialect encrypted itself is taken back.
fn write_thought(list: &mut List<'_>, thought: &Thought) {
    let Some(Seal { form: SealForm::Ciphertext, data }) = &thought.seal else { return };
    list.object(|item| {
        item.text("type", "reasoning").list("summary", |list| {
            if !thought.text.is_empty() {
                list.object(|part| {
                    part.text("type", "summary_text").text("text", &thought.text);
                });
            }
        });
        item.text("encrypted_content", data);
    });
}

fn write_call(list: &mut List<'_>, call: &ToolCall) {
    list.object(|item| {
        let (kind, field) = if call.is_free { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
        let arguments = if call.arguments.is_empty() && !call.is_free { "{}" } else { call.arguments.as_str() };
        item.text("type", kind).text("call_id", &ids::short(&call.id)).text("name", &call.name).text(field, arguments);
    });
}

fn output(list: &mut List<'_>, result: &ToolResult, is_free: bool) {
    list.object(|item| {
        let kind = if is_free { "custom_tool_call_output" } else { "function_call_output" };
        item.text("type", kind).text("call_id", &ids::short(&result.call_id));
        match result.parts.as_slice() {
            [] => {
                item.text("output", "");
            }
            [Part { content: Content::Text(text), .. }] => {
                item.text("output", text);
            }
            parts => {
                item.list("output", |list| parts.iter().for_each(|part| write_part(list, &part.content, false)));
            }
        }
    });
}

fn write_part(list: &mut List<'_>, content: &Content, is_model: bool) {
    match content {
        Content::Text(text) => list.object(|part| {
            part.text("type", if is_model { "output_text" } else { "input_text" }).text("text", text);
        }),
        Content::Refusal(text) => list.object(|part| {
            part.text("type", "refusal").text("refusal", text);
        }),
        Content::Image { source, detail } => list.object(|part| {
            part.text("type", "input_image");
            match source {
                Source::Id(id) => part.text("file_id", id),
                source => part.text("image_url", &media::url(source).unwrap_or_default()),
            };
            part.text("detail", detail.as_deref().unwrap_or("auto"));
        }),
        Content::Audio { source: Source::Base64 { data, .. }, format } => list.object(|part| {
            part.text("type", "input_audio").object("input_audio", |sound| {
                sound.text("data", data).text("format", format);
            });
        }),
        Content::File { source, name } => list.object(|part| file(part, source, name.as_deref())),
        Content::Other { dialect, raw, .. } if *dialect == super::NAME => list.raw(raw),
        _ => {}
    }
}

fn file(part: &mut Object<'_>, source: &Source, name: Option<&str>) {
    match source {
        Source::Plain(text) => {
            part.text("type", "input_text").text("text", text);
        }
        Source::Id(id) => {
            part.text("type", "input_file").text("file_id", id);
        }
        Source::Url(url) => {
            part.text("type", "input_file").text("file_url", url);
        }
        Source::Base64 { .. } => {
            part.text("type", "input_file").text("filename", name.unwrap_or("document.pdf"));
            part.text("file_data", &media::url(source).unwrap_or_default());
        }
    }
}
