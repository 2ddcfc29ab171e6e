//! A request for an upstream of this dialect.

use tallygate_core::conversation::{Effort, Format, Request, Schema, Switch, Tool, ToolChoice, ToolKind};

use super::write_message;
use crate::dialect::back::{Back, free_parameters, free_tools};
use crate::dialect::efforts;
use crate::dialect::json::writer::{Object, object};
use crate::dialect::openai_chat::LimitField;
use crate::dialect::rejection::Rejection;
use crate::dialect::target::{Drops, ReasoningForm, SamplingRule, Structure, Target, output_limit};
use crate::dialect::wire::Written;

/// The most stop sequences.
const STOPS_MAX: usize = 4;
/// Fields of the sibling dialect that this one has under the same name.
const SIBLING_FIELDS: [&str; 5] = ["store", "safety_identifier", "prompt_cache_key", "verbosity", "top_logprobs"];
/// Fields of this dialect that belong to this dialect's own upstreams and mean nothing without their partner.
const STORE: &str = "store";

pub(super) fn write(request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
    let mut drops = Drops::new(target);
    let limit = output_limit(target, request.max_output_tokens, None);
    let schema_text = schema_in_words(request, target);
    let messages = write_message::messages(request, target, schema_text.as_deref(), &mut drops)?;
    check(request, target, &mut drops)?;
    let abilities = target.abilities;
    let effort = effort(request, target, &mut drops);
    let body = object(|body| {
        body.text("model", target.model).json("messages", &messages);
        tools(body, request, target, &mut drops);
        if abilities.sampling != SamplingRule::None {
            sampling(body, request, &abilities.seed_field);
        }
        let limit_name = match abilities.limit_field {
            LimitField::MaxTokens => "max_tokens",
            LimitField::MaxCompletionTokens => "max_completion_tokens",
        };
        body.number_if(limit_name, limit);
        if abilities.stop && !request.stop.is_empty() {
            body.texts("stop", request.stop.iter().take(STOPS_MAX).map(|text| text.as_str()));
        }
        body.number_if("n", request.choices.filter(|choices| *choices != 1));
        format(body, request, abilities.structure);
        body.text_if("reasoning_effort", effort.map(Effort::name));
        if abilities.user_field {
            body.text_if("user", request.user.as_deref());
        } else if request.user.is_some() {
            drops.note("user");
        }
        body.text_if("service_tier", request.service_tier.as_deref());
        extras(body, request, target, &mut drops);
        if request.streams {
            body.flag("stream", true);
            if abilities.usage_on_request {
                body.object("stream_options", |options| {
                    options.flag("include_usage", true);
                });
            }
        }
    });
    let path = "/chat/completions".to_owned();
    let mut back = Back::default();
    if !abilities.free_tools {
        back.free_tools = free_tools(request);
    }
    Ok(Written { path, body, dropped: drops.names(), output_limit: limit, back })
}

/// What the target has not, and what must be refused for it.
fn check(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    let abilities = target.abilities;
    if abilities.sampling == SamplingRule::None {
        let all =
            ["temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs"];
        drops.sampling(request, &all)?;
    }
    if !abilities.unknown_fields {
        drops.sampling(request, &["top_k", "min_p"])?;
    }
    if !request.stop.is_empty() && (!abilities.stop || request.stop.len() > STOPS_MAX) {
        drops.unsupported("stop")?;
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

fn sampling(body: &mut Object<'_>, request: &Request, seed_field: &str) {
    let sampling = &request.sampling;
    body.number_if("temperature", sampling.temperature.as_ref())
        .number_if("top_p", sampling.top_p.as_ref())
        .number_if("top_k", sampling.top_k)
        .number_if("min_p", sampling.min_p.as_ref())
        .number_if(seed_field, sampling.seed.as_ref())
        .number_if("frequency_penalty", sampling.frequency_penalty.as_ref())
        .number_if("presence_penalty", sampling.presence_penalty.as_ref())
        .raw_if("logit_bias", sampling.logit_bias.as_ref())
        .flag_if("logprobs", sampling.logprobs)
        .number_if("top_logprobs", sampling.top_logprobs);
}

/// How hard the model shall think, in the words that it knows.
fn effort(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Option<Effort> {
    let reasoning = &request.reasoning;
    let wanted = match (reasoning.effort, reasoning.switch) {
        (_, Some(Switch::Off)) => Some(Effort::None),
        (Some(effort), _) => Some(effort),
        (None, Some(Switch::Budget(tokens))) => Some(efforts::of_budget(tokens)),
        (None, _) => None,
    }?;
    let can_be_said = target.abilities.reasoning == ReasoningForm::Effort;
    let is_off = wanted == Effort::None;
    if !can_be_said || (is_off && !target.abilities.reasoning_can_be_off) {
        if !is_off {
            drops.note("reasoning_effort");
        }
        return None;
    }
    Some(wanted.min(target.abilities.effort_max))
}

fn tools(body: &mut Object<'_>, request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) {
    let is_sent = |tool: &&Tool| !matches!(tool.kind, ToolKind::Hosted { dialect, .. } if dialect != super::NAME);
    let sent: Vec<&Tool> = request.tools.iter().filter(is_sent).collect();
    if sent.is_empty() {
        if request.tool_choice.is_some() && !request.tools.is_empty() {
            drops.note("tool_choice");
        }
        return;
    }
    body.list("tools", |list| {
        for tool in sent {
            match &tool.kind {
                ToolKind::Hosted { raw, .. } => list.raw(raw),
                ToolKind::Function { parameters } => list.object(|object| {
                    object.text("type", "function").object("function", |function| {
                        function.text("name", &tool.name).text_if("description", tool.description.as_deref());
                        function.raw_if("parameters", parameters.as_ref()).flag_if("strict", tool.strict);
                    });
                }),
                ToolKind::Free { .. } if !target.abilities.free_tools => list.object(|object| {
                    object.text("type", "function").object("function", |function| {
                        function.text("name", &tool.name).text_if("description", tool.description.as_deref());
                        function.json("parameters", free_parameters().as_bytes());
                    });
                }),
                ToolKind::Free { format } => list.object(|object| {
                    object.text("type", "custom").object("custom", |custom| {
                        custom.text("name", &tool.name).text_if("description", tool.description.as_deref());
                        custom.raw_if("format", format.as_ref());
                    });
                }),
            }
        }
    });
    tool_choice(body, request, target);
    body.flag_if("parallel_tool_calls", request.parallel_tools);
}

fn tool_choice(body: &mut Object<'_>, request: &Request, target: &Target<'_>) {
    let kind = |name: &str| {
        let is_free = |tool: &Tool| tool.name == name && matches!(tool.kind, ToolKind::Free { .. });
        let is_free = target.abilities.free_tools && request.tools.iter().any(is_free);
        if is_free { "custom" } else { "function" }
    };
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => {
            body.text("tool_choice", "auto");
        }
        Some(ToolChoice::None) => {
            body.text("tool_choice", "none");
        }
        Some(ToolChoice::Required) => {
            body.text("tool_choice", &target.abilities.required_word);
        }
        Some(ToolChoice::Named(name)) => {
            body.object("tool_choice", |choice| {
                choice.text("type", kind(name)).object(kind(name), |object| {
                    object.text("name", name);
                });
            });
        }
        Some(ToolChoice::Among { names, required }) => {
            body.object("tool_choice", |choice| {
                choice.text("type", "allowed_tools").object("allowed_tools", |allowed| {
                    allowed.text("mode", if *required { "required" } else { "auto" }).list("tools", |list| {
                        for name in names {
                            list.object(|object| {
                                object.text("type", kind(name)).object(kind(name), |object| {
                                    object.text("name", name);
                                });
                            });
                        }
                    });
                });
            });
        }
    }
}

fn format(body: &mut Object<'_>, request: &Request, structure: Structure) {
    let json_object = |body: &mut Object<'_>| {
        body.object("response_format", |format| {
            format.text("type", "json_object");
        });
    };
    match (&request.format, structure) {
        (None | Some(Format::Text), _) | (_, Structure::None) => {}
        (Some(Format::Json), _) | (Some(Format::Schema(_)), Structure::Json) => json_object(body),
        (Some(Format::Schema(schema)), Structure::Schema) => {
            body.object("response_format", |format| {
                format.text("type", "json_schema").object("json_schema", |object| write_schema(object, schema));
            });
        }
    }
}

fn write_schema(object: &mut Object<'_>, schema: &Schema) {
    object.text("name", schema.name.as_deref().unwrap_or("response"));
    object.text_if("description", schema.description.as_deref());
    object.raw("schema", &schema.schema).flag_if("strict", schema.strict);
}

/// The form of the answer in words, for targets that cannot be given it by a parameter.
fn schema_in_words(request: &Request, target: &Target<'_>) -> Option<String> {
    match (&request.format, target.abilities.structure) {
        (Some(Format::Schema(schema)), Structure::Json | Structure::None) => {
            Some(format!("Answer with JSON alone that fits this schema: {}", schema.schema.as_str()))
        }
        (Some(Format::Json), Structure::None) => Some("Answer with one JSON object alone.".to_owned()),
        _ => None,
    }
}

fn extras(body: &mut Object<'_>, request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) {
    let is_ours = request.extras.dialect == super::NAME;
    let is_stored = request.extras.fields.iter().any(|extra| extra.name == STORE && extra.value.as_str() == "true");
    match &request.metadata {
        Some(metadata) if is_ours && is_stored => {
            body.raw("metadata", metadata);
        }
        Some(_) => drops.note("metadata"),
        None => {}
    }
    for extra in &request.extras.fields {
        let is_known = is_ours || SIBLING_FIELDS.contains(&extra.name.as_str());
        if is_known && target.abilities.unknown_fields {
            body.raw(&extra.name, &extra.value);
        } else {
            drops.note(&extra.name);
        }
    }
}
