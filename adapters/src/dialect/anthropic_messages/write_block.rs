//! Blocks for an upstream of this dialect.

use tallygate_core::conversation::{
    CachePoint, Content, Part, Request, Seal, SealForm, Source, Text, Thought, ToolCall,
};

use crate::dialect::back::arguments_as_json;
use crate::dialect::ids::{self, Names};
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::json::writer::List;
use crate::dialect::marks::write_cache_point;
use crate::dialect::media;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::target::{Drops, Target};
use crate::dialect::turns::Outcome;

/// The result of a call that the client sent none for.
const NO_RESULT: &str = "(no result)";

/// Writes blocks.
pub(super) struct Blocks<'n> {
    pub(super) names: &'n mut Names,
    caches_left: usize,
}

/// What cannot be written, by its place.
pub(super) fn check(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    for (message, said) in request.messages.iter().enumerate() {
        let mut call = 0;
        for (part, one) in said.parts.iter().enumerate() {
            let place = || format!("messages[{message}].content[{part}]");
            match &one.content {
                Content::Image { .. } if !target.abilities.images => drops.unsupported(&place())?,
                Content::Image { source: Source::Url(url), .. } if !url.starts_with("https://") => {
                    return Err(Rejection::of(place(), Reason::NotInline));
                }
                Content::Audio { .. } => drops.unsupported(&place())?,
                Content::File { source: Source::Base64 { media_type, .. }, .. }
                    if !matches!(media_type.as_str(), "application/pdf" | "text/plain") =>
                {
                    drops.unsupported(&place())?;
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

impl<'n> Blocks<'n> {
    pub(super) const fn new(names: &'n mut Names, caches_left: usize) -> Self {
        Self { names, caches_left }
    }

    fn cache(&mut self, cache: Option<CachePoint>) -> Option<CachePoint> {
        let cache = cache.filter(|_| self.caches_left > 0);
        self.caches_left -= usize::from(cache.is_some());
        cache
    }

    /// A text that has something in it.
    pub(super) fn text(&mut self, list: &mut List<'_>, text: &str, cache: Option<CachePoint>) {
        if text.trim().is_empty() {
            return;
        }
        let cache = self.cache(cache);
        list.object(|block| {
            block.text("type", "text").text("text", text);
            write_cache_point(block, cache);
        });
    }

    pub(super) fn part(&mut self, list: &mut List<'_>, part: &Part) {
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => self.text(list, text, part.cache),
            Content::Image { source, .. } => self.media(list, "image", source, None, part.cache),
            Content::File { source, name } => self.media(list, "document", source, name.as_ref(), part.cache),
            Content::Thought(thought) => write_thought(list, thought),
            Content::ToolCall(call) => {
                let name = self.names.send(&call.name);
                let cache = self.cache(part.cache);
                let arguments = arguments_as_json(call);
                let input = if arguments.is_blank() { "{}" } else { arguments.trim() };
                list.object(|block| {
                    block.text("type", "tool_use").text("id", &ids::plain(&call.id)).text("name", &name);
                    block.json("input", on_one_line(input).as_bytes());
                    write_cache_point(block, cache);
                });
            }
            Content::Other { dialect, raw, .. } if *dialect == super::NAME => list.raw(raw),
            Content::Audio { .. } | Content::ToolResult(_) | Content::Other { .. } => {}
        }
    }

    fn media(
        &mut self,
        list: &mut List<'_>,
        kind: &str,
        source: &Source,
        title: Option<&Text>,
        cache: Option<CachePoint>,
    ) {
        let cache = self.cache(cache);
        list.object(|block| {
            block.text("type", kind).object("source", |object| match source {
                Source::Base64 { media_type, data } => {
                    let media_type = if kind == "image" { media::image_type(media_type, data) } else { media_type };
                    object.text("type", "base64").text("media_type", media_type).text("data", data);
                }
                Source::Url(url) => {
                    object.text("type", "url").text("url", url);
                }
                Source::Id(id) => {
                    object.text("type", "file").text("file_id", id);
                }
                Source::Plain(text) => {
                    object.text("type", "text").text("media_type", "text/plain").text("data", text);
                }
            });
            block.text_if("title", title.map(|title| title.as_str()));
            write_cache_point(block, cache);
        });
    }

    /// What became of a call.
    pub(super) fn result(&mut self, list: &mut List<'_>, outcome: &Outcome<'_>) {
        let id = ids::plain(&outcome.call().id);
        match outcome {
            Outcome::Missing(_) => list.object(|block| {
                block.text("type", "tool_result").text("tool_use_id", &id).text("content", NO_RESULT);
                block.flag("is_error", true);
            }),
            Outcome::Told(_, result) => list.object(|block| {
                block.text("type", "tool_result").text("tool_use_id", &id);
                match result.parts.as_slice() {
                    [] => {}
                    [Part { content: Content::Text(text), cache: None }] => {
                        block.text("content", text);
                    }
                    parts => {
                        block.list("content", |list| parts.iter().for_each(|part| self.part(list, part)));
                    }
                }
                if result.is_error {
                    block.flag("is_error", true);
                }
            }),
        }
    }
}

/// Reasoning goes back unchanged or not at all: what has no seal of this form would be refused.
fn write_thought(list: &mut List<'_>, thought: &Thought) {
    match &thought.seal {
        Some(Seal { form: SealForm::Signature, data }) => list.object(|block| {
            block.text("type", "thinking").text("thinking", &thought.text).text("signature", data);
        }),
        Some(Seal { form: SealForm::Redacted, data }) => list.object(|block| {
            block.text("type", "redacted_thinking").text("data", data);
        }),
        _ => {}
    }
}

/// Arguments without line feeds between their parts. They were found to be an object before.
fn on_one_line(json: &str) -> String {
    tallygate_core::conversation::Raw::parse(json).map_or_else(|_| "{}".to_owned(), |raw| raw.as_str().to_owned())
}
