//! A request for an upstream of this dialect.

use tallygate_core::conversation::{Content, Part, Request, ToolKind};

use super::read_settings::CONFIG;
use super::write_contents::{self, Contents};
use super::write_settings;
use crate::dialect::back::{Back, free_tools};
use crate::dialect::json::writer::object;
use crate::dialect::rejection::Rejection;
use crate::dialect::target::{Drops, Target, output_limit};
use crate::dialect::turns::{Late, script};
use crate::dialect::wire::Written;

/// Fields of other dialects that would change the answer much.
const REFUSED_EXTRAS: [&str; 3] = ["audio", "modalities", "web_search_options"];

pub(super) fn write(request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
    let mut drops = Drops::new(target);
    let script = script(&request.messages, Late::SaidByUser);
    write_contents::check(request, target, &mut drops)?;
    write_settings::check(request, target, &mut drops)?;
    note_left_out(request, &mut drops)?;
    for index in &script.orphans {
        drops.note(&format!("messages[{index}]"));
    }
    let limit = output_limit(target, request.max_output_tokens, None);
    let in_words = write_settings::form_in_words(request, target);
    let mut back = Back::default();
    let is_ours = request.extras.dialect == super::NAME;
    let body = object(|body| {
        let texts = script.system.iter().filter_map(|part| said(part)).chain(in_words.as_deref());
        let texts: Vec<&str> = texts.filter(|text| !text.trim().is_empty()).collect();
        if !texts.is_empty() {
            body.object("systemInstruction", |system| {
                system.list("parts", |list| {
                    for text in texts {
                        list.object(|part| {
                            part.text("text", text);
                        });
                    }
                });
            });
        }
        let mut contents = Contents { names: &mut back.names, wants_marks: target.abilities.wants_marks };
        body.list("contents", |list| contents.write(list, &script));
        write_settings::tools(body, request, &mut back.names);
        body.object(CONFIG, |config| write_settings::generation(config, request, target, limit, &mut drops));
        if is_ours {
            let own = request.extras.fields.iter().filter(|extra| !extra.name.starts_with(CONFIG));
            own.for_each(|extra| {
                body.raw(&extra.name, &extra.value);
            });
            body.text_if("serviceTier", request.service_tier.as_deref());
        }
    });
    back.free_tools = free_tools(request);
    let path = path(target.model, request.streams);
    Ok(Written { path, body, dropped: drops.names(), output_limit: limit, back })
}

/// Where a model's answers are made.
pub(super) fn path(model: &str, streams: bool) -> String {
    if streams {
        format!("/models/{model}:streamGenerateContent?alt=sse")
    } else {
        format!("/models/{model}:generateContent")
    }
}

/// Where tokens are counted.
pub(super) fn count_path(model: &str) -> String {
    format!("/models/{model}:countTokens")
}

fn said(part: &Part) -> Option<&str> {
    match &part.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

fn note_left_out(request: &Request, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    if request.extras.dialect != super::NAME {
        drops.extras(request, &REFUSED_EXTRAS)?;
        if request.service_tier.as_deref().is_some_and(|tier| !matches!(tier, "auto" | "default")) {
            drops.note("service_tier");
        }
    }
    if request.metadata.is_some() {
        drops.note("metadata");
    }
    if request.parallel_tools == Some(false) {
        drops.note("parallel_tool_calls");
    }
    for (index, tool) in request.tools.iter().enumerate() {
        if let ToolKind::Hosted { dialect, .. } = tool.kind
            && dialect != super::NAME
        {
            drops.note(&format!("tools[{index}]"));
        }
    }
    Ok(())
}
