//! Messages for an upstream of this dialect.

use tallygate_core::conversation::{
    Content, Message, Part, Request, Role, Source, Text, Thought, ToolCall, ToolResult,
};

use crate::dialect::back::arguments_as_json;
use crate::dialect::ids;
use crate::dialect::json::writer::{List, Object, list_into};
use crate::dialect::media;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::target::{CallIds, Drops, History, Target};

/// What stands between texts that were blocks of their own.
const BETWEEN: &str = "\n\n";

/// The list of messages. `more_system` is added to the instructions.
pub(super) fn messages(
    request: &Request,
    target: &Target<'_>,
    more_system: Option<&str>,
    drops: &mut Drops<'_>,
) -> Result<Vec<u8>, Rejection> {
    check(request, target, drops)?;
    let is_system = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let last_user = request.messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
    let mut out = Vec::with_capacity(1_024);
    list_into(&mut out, |list| {
        let writer = Writer { target };
        let mut more_system = more_system;
        if let Some(more) = more_system.filter(|_| request.messages.first().filter(is_system).is_none()) {
            writer.system(list, Role::System, more);
            more_system = None;
        }
        for (index, message) in request.messages.iter().enumerate() {
            match message.role {
                Role::System | Role::Developer => {
                    let texts = texts(&message.parts);
                    let said = texts.iter().filter(|text| !text.is_blank()).map(|text| text.as_str());
                    let texts: Vec<&str> = said.chain(more_system.take()).collect();
                    writer.system(list, message.role, &texts.join(BETWEEN));
                }
                Role::User => list.object(|object| {
                    object.text("role", "user").text_if("name", message.name.as_deref());
                    content(object, &message.parts);
                }),
                Role::Assistant => writer.assistant(list, message, index > last_user),
                Role::Tool => writer.results(list, message),
            }
        }
    });
    Ok(out)
}

/// What cannot be written, by its place.
fn check(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    for (message, said) in request.messages.iter().enumerate() {
        for (part, one) in said.parts.iter().enumerate() {
            let place = || format!("messages[{message}].content[{part}]");
            match &one.content {
                Content::Image { .. } if !target.abilities.images => drops.unsupported(&place())?,
                Content::Image { source: Source::Id(_), .. } => {
                    return Err(Rejection::of(place(), Reason::Unsupported));
                }
                Content::Audio { source: Source::Url(_), .. } | Content::File { source: Source::Url(_), .. } => {
                    return Err(Rejection::of(place(), Reason::NotInline));
                }
                Content::Other { dialect, .. } if *dialect != super::NAME => drops.note(&place()),
                _ => {}
            }
        }
    }
    Ok(())
}

fn texts(parts: &[Part]) -> Vec<&Text> {
    parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::Text(text) => Some(text),
            _ => None,
        })
        .collect()
}

struct Writer<'t> {
    target: &'t Target<'t>,
}

impl Writer<'_> {
    fn system(&self, list: &mut List<'_>, role: Role, text: &str) {
        let is_developer = role == Role::Developer && self.target.abilities.developer_role;
        list.object(|object| {
            object.text("role", if is_developer { "developer" } else { "system" }).text("content", text);
        });
    }

    fn id(&self, id: &str) -> String {
        match self.target.abilities.call_ids {
            CallIds::Short => ids::short(id),
            CallIds::Nine => ids::nine(id),
        }
    }

    fn assistant(&self, list: &mut List<'_>, message: &Message, is_in_loop: bool) {
        let text: String = texts(&message.parts).iter().map(|text| text.as_str()).collect();
        let calls: Vec<&ToolCall> = message.calls().collect();
        let refusal = message.parts.iter().find_map(|part| match &part.content {
            Content::Refusal(text) => Some(text.as_str()),
            _ => None,
        });
        list.object(|object| {
            object.text("role", "assistant").text_if("name", message.name.as_deref());
            let has_text = !text.is_empty() || (calls.is_empty() && refusal.is_none());
            object.text_or_null("content", has_text.then_some(&text)).text_if("refusal", refusal);
            self.thoughts(object, message, is_in_loop);
            if !calls.is_empty() {
                object.list("tool_calls", |list| calls.iter().for_each(|call| self.call(list, call)));
            }
        });
    }

    fn thoughts(&self, object: &mut Object<'_>, message: &Message, is_in_loop: bool) {
        let text: String = message
            .parts
            .iter()
            .filter_map(|part| match &part.content {
                Content::Thought(Thought { text, .. }) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        match self.target.abilities.reasoning_history {
            History::Strip => {}
            History::ToolLoop if !is_in_loop || text.is_empty() => {}
            History::ToolLoop | History::Always => {
                object.text("reasoning_content", &text);
            }
        }
    }

    fn call(&self, list: &mut List<'_>, call: &ToolCall) {
        list.object(|object| {
            object.text("id", &self.id(&call.id));
            if call.is_free && self.target.abilities.free_tools {
                object.text("type", "custom").object("custom", |custom| {
                    custom.text("name", &call.name).text("input", &call.arguments);
                });
            } else {
                let arguments = arguments_as_json(call);
                let arguments = if arguments.is_empty() { "{}" } else { arguments.as_str() };
                object.text("type", "function").object("function", |function| {
                    function.text("name", &call.name).text("arguments", arguments);
                });
            }
        });
    }

    /// A message for each result; what is not text follows in a message of the user's, since results are text here.
    fn results(&self, list: &mut List<'_>, message: &Message) {
        let mut media: Vec<&Part> = Vec::new();
        for result in message.results() {
            list.object(|object| {
                object.text("role", "tool").text("tool_call_id", &self.id(&result.call_id));
                object.text("content", &result_text(result));
            });
            media.extend(result.parts.iter().filter(|part| !matches!(part.content, Content::Text(_))));
        }
        if !media.is_empty() {
            list.object(|object| {
                object.text("role", "user").list("content", |list| {
                    media.iter().for_each(|part| write_part(list, part));
                });
            });
        }
    }
}

fn result_text(result: &ToolResult) -> String {
    let texts: Vec<&str> = texts(&result.parts).iter().map(|text| text.as_str()).collect();
    texts.join("\n")
}

/// The field `content`: a text where there is nothing else, else parts.
fn content(object: &mut Object<'_>, parts: &[Part]) {
    if let [Part { content: Content::Text(text), .. }] = parts {
        object.text("content", text);
        return;
    }
    object.list("content", |list| parts.iter().for_each(|part| write_part(list, part)));
}

fn write_part(list: &mut List<'_>, part: &Part) {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => list.object(|object| {
            object.text("type", "text").text("text", text);
        }),
        Content::Image { source, detail } => list.object(|object| {
            object.text("type", "image_url").object("image_url", |image| {
                image.text("url", &media::url(source).unwrap_or_default()).text_if("detail", detail.as_deref());
            });
        }),
        Content::Audio { source: Source::Base64 { data, .. }, format } => list.object(|object| {
            object.text("type", "input_audio").object("input_audio", |sound| {
                sound.text("data", data).text("format", format);
            });
        }),
        Content::File { source: Source::Plain(text), .. } => list.object(|object| {
            object.text("type", "text").text("text", text);
        }),
        Content::File { source, name } => list.object(|object| {
            object.text("type", "file").object("file", |file| match source {
                Source::Id(id) => {
                    file.text("file_id", id);
                }
                source => {
                    file.text("filename", name.as_deref().unwrap_or("document.pdf"));
                    file.text("file_data", &media::url(source).unwrap_or_default());
                }
            });
        }),
        Content::Other { dialect, raw, .. } if *dialect == super::NAME => list.raw(raw),
        Content::Audio { .. }
        | Content::Other { .. }
        | Content::Thought(_)
        | Content::ToolCall(_)
        | Content::ToolResult(_) => {}
    }
}
