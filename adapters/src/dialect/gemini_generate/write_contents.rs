//! Contents for an upstream of this dialect.

use tallygate_core::conversation::{Content, Part, Request, Seal, SealForm, Source, Text, Thought, ToolCall};

use crate::dialect::back::arguments_as_json;
use crate::dialect::ids::Names;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::json::writer::{List, Object, object_text};
use crate::dialect::media;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::target::{Drops, Target};
use crate::dialect::turns::{Outcome, Script, Turn};
use crate::provider::vendor_fields::MARK_LOST;

/// What is said where something must be said and nothing is.
const FILLER: &str = ".";
/// What is said beside media alone.
const BESIDE_MEDIA: &str = " ";
/// The result of a call that the client sent none for.
const NO_RESULT: &str = "(no result)";
/// Beginnings of ids that other dialects made, and this one need not see.
const FOREIGN_IDS: [&str; 5] = ["call_", "toolu_", "function_", "fc_", "result_"];

/// Writes contents.
pub(super) struct Contents<'n> {
    pub(super) names: &'n mut Names,
    pub(super) wants_marks: bool,
}

/// What cannot be written, by its place.
pub(super) fn check(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    for (message, said) in request.messages.iter().enumerate() {
        let mut call = 0;
        for (part, one) in said.parts.iter().enumerate() {
            let place = || format!("messages[{message}].content[{part}]");
            match &one.content {
                Content::Image { .. } if !target.abilities.images => drops.unsupported(&place())?,
                Content::Image { source, .. } | Content::File { source, .. } | Content::Audio { source, .. } if matches!(source, Source::Url(url) if !is_at_provider(url)) =>
                {
                    return Err(Rejection::of(place(), Reason::NotInline));
                }
                Content::ToolCall(ToolCall { arguments, is_free, .. }) => {
                    if !is_free && !arguments.is_blank() && Fields::parse(arguments, &Place::Root).is_err() {
                        let place = format!("messages[{message}].tool_calls[{call}]");
                        return Err(Rejection::of(place, Reason::Value("has arguments that are no JSON object")));
                    }
                    call += 1;
                }
                Content::Other { dialect, .. } if *dialect != super::NAME => drops.note(&place()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether an address is one that the provider reads itself: of its own store.
fn is_at_provider(url: &str) -> bool {
    url.starts_with("gs://") || url.contains("/v1beta/files/")
}

impl Contents<'_> {
    pub(super) fn write(&mut self, list: &mut List<'_>, script: &Script<'_>) {
        if script.turns.first().is_none_or(|turn| turn.is_model) {
            content(list, false, |list| text_part(list, FILLER));
        }
        let mut order: Vec<&str> = Vec::new();
        for turn in &script.turns {
            if turn.is_model {
                order = turn.parts.iter().filter_map(|part| call_id(part)).collect();
                content(list, true, |list| self.model_parts(list, turn));
                continue;
            }
            if !turn.results.is_empty() {
                // Results belong to calls by their place.
                let mut results: Vec<&Outcome<'_>> = turn.results.iter().collect();
                results.sort_by_key(|outcome| order.iter().position(|id| *id == outcome.call().id));
                content(list, false, |list| results.iter().for_each(|outcome| self.result(list, outcome)));
            }
            let media: Vec<&Part> = turn.results.iter().flat_map(media_of).collect();
            let says_more = turn.parts.iter().any(|part| is_something(part)) || !media.is_empty();
            if says_more || turn.results.is_empty() {
                content(list, false, |list| user_parts(list, turn, &media));
            }
        }
    }

    fn model_parts(&mut self, list: &mut List<'_>, turn: &Turn<'_>) {
        let mut is_first_call = true;
        for part in &turn.parts {
            match &part.content {
                Content::ToolCall(call) => {
                    self.call(list, call, std::mem::take(&mut is_first_call));
                }
                Content::Text(text) | Content::Refusal(text) if !text.is_blank() => text_part(list, text),
                Content::Thought(Thought { text, seal: Some(Seal { form: SealForm::Mark, data }) }) => {
                    list.object(|part| {
                        part.text("text", text);
                        if !text.is_empty() {
                            part.flag("thought", true);
                        }
                        part.text("thoughtSignature", data);
                    });
                }
                Content::Other { dialect, raw, .. } if *dialect == super::NAME => list.raw(raw),
                _ => {}
            }
        }
        if list.is_empty() {
            text_part(list, FILLER);
        }
    }

    fn call(&mut self, list: &mut List<'_>, call: &ToolCall, is_first: bool) {
        let name = self.names.send(&call.name);
        let arguments = arguments_as_json(call);
        let arguments = tallygate_core::conversation::Raw::parse(&arguments);
        let mark = match &call.seal {
            Some(Seal { form: SealForm::Mark, data }) => Some(data.as_str()),
            // Only the first of several calls has a mark.
            _ if is_first && self.wants_marks => Some(MARK_LOST),
            _ => None,
        };
        list.object(|part| {
            part.object("functionCall", |object| {
                write_id(object, &call.id);
                object.text("name", &name);
                match &arguments {
                    Ok(arguments) => object.raw("args", arguments),
                    Err(_) => object.object("args", |_| {}),
                };
            });
            part.text_if("thoughtSignature", mark);
        });
    }

    fn result(&mut self, list: &mut List<'_>, outcome: &Outcome<'_>) {
        let name = self.names.send(&outcome.call().name);
        list.object(|part| {
            part.object("functionResponse", |object| {
                write_id(object, &outcome.call().id);
                object.text("name", &name).json("response", response(outcome).as_bytes());
            });
        });
    }
}

fn content(list: &mut List<'_>, is_model: bool, fill: impl FnOnce(&mut List<'_>)) {
    list.object(|content| {
        content.text("role", if is_model { "model" } else { "user" }).list("parts", fill);
    });
}

fn text_part(list: &mut List<'_>, text: &str) {
    list.object(|part| {
        part.text("text", text);
    });
}

fn call_id(part: &Part) -> Option<&str> {
    match &part.content {
        Content::ToolCall(call) => Some(&call.id),
        _ => None,
    }
}

fn write_id(object: &mut Object<'_>, id: &str) {
    if !FOREIGN_IDS.iter().any(|foreign| id.starts_with(foreign)) {
        object.text("id", id);
    }
}

/// A result as an object: its own if it is one, else around the text.
fn response(outcome: &Outcome<'_>) -> String {
    let wrapped = |name: &str, text: &str| {
        object_text(|object| {
            object.text(name, text);
        })
    };
    let Outcome::Told(_, result) = outcome else { return wrapped("error", NO_RESULT) };
    let texts: Vec<&str> = result
        .parts
        .iter()
        .filter_map(|part| if let Content::Text(text) = &part.content { Some(text.as_str()) } else { None })
        .collect();
    let text = texts.join("\n");
    if result.is_error {
        return wrapped("error", &text);
    }
    let is_object = Fields::parse(&text, &Place::Root).is_ok();
    match tallygate_core::conversation::Raw::parse(&text) {
        Ok(raw) if is_object => raw.as_str().to_owned(),
        _ => wrapped("content", &text),
    }
}

fn media_of<'m>(outcome: &Outcome<'m>) -> Vec<&'m Part> {
    match outcome {
        Outcome::Told(_, result) => {
            result.parts.iter().filter(|part| !matches!(part.content, Content::Text(_))).collect()
        }
        Outcome::Missing(_) => Vec::new(),
    }
}

fn is_something(part: &Part) -> bool {
    !matches!(&part.content, Content::Text(text) if text.is_blank())
}

fn user_parts(list: &mut List<'_>, turn: &Turn<'_>, media: &[&Part]) {
    let has_text = turn.parts.iter().any(|part| matches!(&part.content, Content::Text(text) if !text.is_blank()));
    for part in turn.parts.iter().copied().chain(media.iter().copied()) {
        match &part.content {
            Content::Text(text) if !text.is_blank() => text_part(list, text),
            Content::Image { source, .. } | Content::File { source, .. } | Content::Audio { source, .. } => {
                media_part(list, source);
            }
            Content::Other { dialect, raw, .. } if *dialect == super::NAME => list.raw(raw),
            _ => {}
        }
    }
    if list.is_empty() {
        text_part(list, FILLER);
    } else if !has_text {
        text_part(list, BESIDE_MEDIA);
    }
}

fn media_part(list: &mut List<'_>, source: &Source) {
    match source {
        Source::Base64 { media_type, data } => list.object(|part| {
            let media_type =
                if media_type.starts_with("image/") { media::image_type(media_type, data) } else { media_type };
            part.object("inlineData", |object| {
                object.text("mimeType", media_type).text("data", data);
            });
        }),
        Source::Plain(text) => text_part(list, text),
        Source::Url(uri) => file_part(list, uri),
        Source::Id(uri) => file_part(list, &Text::from(uri.as_str())),
    }
}

fn file_part(list: &mut List<'_>, uri: &Text) {
    list.object(|part| {
        part.object("fileData", |object| {
            object.text("fileUri", uri);
        });
    });
}
