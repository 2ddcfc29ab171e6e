//! A request for an upstream of this dialect.

use tallygate_core::conversation::{
    Content, Effort, Format, Part, Request, Schema, Switch, Tool, ToolChoice, ToolKind,
};

use super::write_item;
use crate::dialect::back::Back;
use crate::dialect::efforts;
use crate::dialect::json::writer::{Object, object};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::target::{Drops, ReasoningForm, SamplingRule, Target, output_limit};
use crate::dialect::wire::Written;

/// Fields of the sibling dialect that this one has under the same name.
const SIBLING_FIELDS: [&str; 4] = ["store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"];
/// Fields of other dialects that would change the answer much.
const REFUSED_EXTRAS: [&str; 3] = ["audio", "modalities", "web_search_options"];

pub(super) fn write(request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
    let mut drops = Drops::new(target);
    check(request, target, &mut drops)?;
    let limit = output_limit(target, request.max_output_tokens, None);
    let is_ours = request.extras.dialect == super::NAME;
    let body = object(|body| {
        body.text("model", target.model);
        body.list("input", |list| write_item::items(list, request, target));
        tools(body, request);
        body.number_if("max_output_tokens", limit);
        if target.abilities.sampling != SamplingRule::None {
            body.number_if("temperature", request.sampling.temperature.as_ref());
            body.number_if("top_p", request.sampling.top_p.as_ref());
            body.number_if("top_logprobs", request.sampling.top_logprobs.filter(|count| *count > 0));
        }
        reasoning(body, request, target);
        text(body, request);
        body.text_if("user", request.user.as_deref()).raw_if("metadata", metadata(request));
        body.text_if("service_tier", request.service_tier.as_deref());
        let mut keeps = false;
        for extra in &request.extras.fields {
            if is_ours || SIBLING_FIELDS.contains(&extra.name.as_str()) {
                keeps |= extra.name == "store";
                if extra.name != "verbosity" {
                    body.raw(&extra.name, &extra.value);
                }
            }
        }
        if !is_ours {
            // Clients of other dialects send the whole history each time, and reasoning back only as they got it.
            if !keeps {
                body.flag("store", false);
            }
            body.texts("include", ["reasoning.encrypted_content"]);
        }
        if request.streams {
            body.flag("stream", true);
        }
    });
    Ok(Written {
        path: "/responses".to_owned(),
        body,
        dropped: drops.names(),
        output_limit: limit,
        back: Back::default(),
    })
}

/// Labels are for answers that the provider keeps.
fn metadata(request: &Request) -> Option<&tallygate_core::conversation::Raw> {
    let keeps = request.extras.fields.iter().any(|extra| extra.name == "store" && extra.value.as_str() == "true");
    request.metadata.as_ref().filter(|_| keeps || request.extras.dialect == super::NAME)
}

fn check(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    let missing = ["top_k", "min_p", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "n"];
    drops.sampling(request, &missing)?;
    if target.abilities.sampling == SamplingRule::None {
        drops.sampling(request, &["temperature", "top_p", "top_logprobs"])?;
    }
    if !request.stop.is_empty() {
        drops.unsupported("stop")?;
    }
    if request.metadata.is_some() && metadata(request).is_none() {
        drops.note("metadata");
    }
    if request.extras.dialect != super::NAME {
        for extra in request.extras.fields.iter().filter(|extra| !SIBLING_FIELDS.contains(&extra.name.as_str())) {
            match extra.name.as_str() {
                "verbosity" => {}
                name if REFUSED_EXTRAS.contains(&name) => drops.unsupported(name)?,
                name => drops.note(name),
            }
        }
    }
    for (index, tool) in request.tools.iter().enumerate() {
        if !is_sent(&tool) {
            drops.note(&format!("tools[{index}]"));
        }
    }
    for (message, said) in request.messages.iter().enumerate() {
        for (index, part) in said.parts.iter().enumerate() {
            check_part(part, &format!("messages[{message}].content[{index}]"), target, drops)?;
        }
    }
    Ok(())
}

fn check_part(part: &Part, place: &str, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    match &part.content {
        Content::Image { .. } if !target.abilities.images => drops.unsupported(place),
        Content::Audio { source: tallygate_core::conversation::Source::Url(_), .. } => {
            Err(Rejection::of(place, Reason::NotInline))
        }
        Content::Other { dialect, .. } if *dialect != super::NAME => {
            drops.note(place);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_sent(tool: &&Tool) -> bool {
    !matches!(tool.kind, ToolKind::Hosted { dialect, .. } if dialect != super::NAME)
}

fn tools(body: &mut Object<'_>, request: &Request) {
    let sent: Vec<&Tool> = request.tools.iter().filter(is_sent).collect();
    if sent.is_empty() {
        return;
    }
    body.list("tools", |list| sent.iter().for_each(|tool| write_tool(list, tool)));
    if let Some(choice) = &request.tool_choice {
        write_choice(body, choice, request);
    }
    body.flag_if("parallel_tool_calls", request.parallel_tools);
}

pub(super) fn write_tool(list: &mut crate::dialect::json::writer::List<'_>, tool: &Tool) {
    match &tool.kind {
        ToolKind::Hosted { raw, .. } => list.raw(raw),
        ToolKind::Function { parameters } => list.object(|object| {
            object.text("type", "function").text("name", &tool.name);
            object.text_if("description", tool.description.as_deref());
            // Both fields are required here, if only to say that there is nothing.
            match parameters {
                Some(parameters) => object.raw("parameters", parameters),
                None => object.object("parameters", |schema| {
                    schema.text("type", "object").object("properties", |_| {});
                }),
            };
            object.flag("strict", tool.strict.unwrap_or_default());
        }),
        ToolKind::Free { format } => list.object(|object| {
            object.text("type", "custom").text("name", &tool.name);
            object.text_if("description", tool.description.as_deref()).raw_if("format", format.as_ref());
        }),
    }
}

pub(super) fn write_choice(body: &mut Object<'_>, choice: &ToolChoice, request: &Request) {
    let kind = |name: &str| match request.tools.iter().find(|tool| tool.name == name).map(|tool| &tool.kind) {
        Some(ToolKind::Free { .. }) => "custom",
        _ => "function",
    };
    match choice {
        ToolChoice::Auto => body.text("tool_choice", "auto"),
        ToolChoice::None => body.text("tool_choice", "none"),
        ToolChoice::Required => body.text("tool_choice", "required"),
        ToolChoice::Named(name) => body.object("tool_choice", |object| {
            object.text("type", kind(name)).text("name", name);
        }),
        ToolChoice::Among { names, required } => body.object("tool_choice", |object| {
            object.text("type", "allowed_tools").text("mode", if *required { "required" } else { "auto" });
            object.list("tools", |list| {
                for name in names {
                    list.object(|object| {
                        object.text("type", kind(name)).text("name", name);
                    });
                }
            });
        }),
    };
}

fn reasoning(body: &mut Object<'_>, request: &Request, target: &Target<'_>) {
    if target.abilities.reasoning != ReasoningForm::Effort {
        return;
    }
    let reasoning = &request.reasoning;
    let effort = match (reasoning.effort, reasoning.switch) {
        (_, Some(Switch::Off)) => Some(Effort::None),
        (Some(effort), _) => Some(effort),
        (None, Some(Switch::Budget(tokens))) => Some(efforts::of_budget(tokens)),
        (None, _) => None,
    };
    let effort = effort.filter(|effort| *effort != Effort::None || target.abilities.reasoning_can_be_off);
    let asks =
        reasoning.switch.is_some_and(|switch| switch != Switch::Off) || effort.is_some_and(|e| e != Effort::None);
    let summary = reasoning.summary.as_deref().or(asks.then_some("auto"));
    if effort.is_some() || summary.is_some() {
        body.object("reasoning", |object| {
            object.text_if("effort", effort.map(|effort| effort.min(target.abilities.effort_max).name()));
            object.text_if("summary", summary);
        });
    }
}

fn text(body: &mut Object<'_>, request: &Request) {
    let verbosity = request.extras.fields.iter().find(|extra| extra.name == "verbosity");
    let has_format = !matches!(request.format, None | Some(Format::Text));
    if verbosity.is_none() && !has_format {
        return;
    }
    body.object("text", |text| {
        if let Some(format) = &request.format {
            text.object("format", |object| write_format(object, format));
        }
        text.raw_if("verbosity", verbosity.map(|extra| &extra.value));
    });
}

pub(super) fn write_format(object: &mut Object<'_>, format: &Format) {
    match format {
        Format::Text => {
            object.text("type", "text");
        }
        Format::Json => {
            object.text("type", "json_object");
        }
        Format::Schema(Schema { name, description, schema, strict }) => {
            object.text("type", "json_schema").text("name", name.as_deref().unwrap_or("response"));
            object.text_if("description", description.as_deref()).raw("schema", schema).flag_if("strict", *strict);
        }
    }
}
