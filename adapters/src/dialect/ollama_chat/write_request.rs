//! A request for an upstream of this dialect.

use tallygate_core::conversation::{
    Content, Effort, Format, Message, Part, Request, Role, Source, Switch, Text, Thought, Tool, ToolCall, ToolChoice,
    ToolKind,
};

use super::read_request::OPTIONS;
use crate::dialect::back::{Back, arguments_as_json, free_parameters, free_tools};
use crate::dialect::efforts;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::json::writer::{List, Object, object};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::target::{Drops, ReasoningForm, Target, output_limit};
use crate::dialect::wire::Written;

/// Fields of other dialects that would change the answer much.
const REFUSED_EXTRAS: [&str; 3] = ["audio", "modalities", "web_search_options"];

pub(super) fn write(request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
    let mut drops = Drops::new(target);
    check(request, target, &mut drops)?;
    let limit = output_limit(target, request.max_output_tokens, None);
    let is_ours = request.extras.dialect == super::NAME;
    let body = object(|body| {
        body.text("model", target.model);
        body.list("messages", |list| request.messages.iter().for_each(|said| message(list, said)));
        tools(body, request);
        match &request.format {
            None | Some(Format::Text) => {}
            Some(Format::Json) => {
                body.text("format", "json");
            }
            Some(Format::Schema(schema)) => {
                body.raw("format", &schema.schema);
            }
        }
        think(body, request, target);
        body.object(OPTIONS, |object| options(object, request, limit));
        if request.sampling.logprobs == Some(true) {
            body.flag("logprobs", true).number_if("top_logprobs", request.sampling.top_logprobs);
        }
        if is_ours {
            let own = request.extras.fields.iter().filter(|extra| !extra.name.starts_with(OPTIONS));
            own.for_each(|extra| {
                body.raw(&extra.name, &extra.value);
            });
        }
        // A stream is what it does where nothing is said.
        body.flag("stream", request.streams);
    });
    let back = Back { free_tools: free_tools(request), ..Back::default() };
    Ok(Written { path: "/api/chat".to_owned(), body, dropped: drops.names(), output_limit: limit, back })
}

fn check(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    drops.sampling(request, &["n", "logit_bias"])?;
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        // No tools at all is the same as none that may be called.
        Some(ToolChoice::None) => drops.note("tool_choice"),
        Some(_) => drops.unsupported("tool_choice")?,
    }
    if request.parallel_tools == Some(false) {
        drops.note("parallel_tool_calls");
    }
    if request.metadata.is_some() {
        drops.note("metadata");
    }
    if request.extras.dialect != super::NAME {
        drops.extras(request, &REFUSED_EXTRAS)?;
    }
    for (index, tool) in request.tools.iter().enumerate() {
        if matches!(tool.kind, ToolKind::Hosted { .. }) {
            drops.note(&format!("tools[{index}]"));
        }
    }
    for (message, said) in request.messages.iter().enumerate() {
        let results = said.results().flat_map(|result| &result.parts);
        for (index, part) in said.parts.iter().chain(results).enumerate() {
            check_part(part, message, index, target, drops)?;
        }
    }
    Ok(())
}

fn check_part(
    part: &Part,
    message: usize,
    index: usize,
    target: &Target<'_>,
    drops: &mut Drops<'_>,
) -> Result<(), Rejection> {
    let place = || format!("messages[{message}].content[{index}]");
    match &part.content {
        Content::Image { .. } if !target.abilities.images => drops.unsupported(&place()),
        Content::Image { source: Source::Base64 { .. }, .. } => Ok(()),
        Content::Image { .. } => Err(Rejection::of(place(), Reason::NotInline)),
        Content::File { source: Source::Plain(_), .. } => Ok(()),
        Content::Audio { .. } | Content::File { .. } => drops.unsupported(&place()),
        Content::ToolCall(ToolCall { arguments, is_free: false, .. })
            if !arguments.is_blank() && Fields::parse(arguments, &Place::Root).is_err() =>
        {
            let place = format!("messages[{message}].tool_calls");
            Err(Rejection::of(place, Reason::Value("has arguments that are no JSON object")))
        }
        Content::Other { .. } => {
            drops.note(&place());
            Ok(())
        }
        _ => Ok(()),
    }
}

fn texts(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::Text(text) | Content::Refusal(text) | Content::File { source: Source::Plain(text), .. } => {
                Some(text.as_str())
            }
            _ => None,
        })
        .collect();
    texts.join("\n\n")
}

fn images(parts: &[Part]) -> Vec<&Text> {
    parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::Image { source: Source::Base64 { data, .. }, .. } => Some(data),
            _ => None,
        })
        .collect()
}

fn write_images(object: &mut Object<'_>, images: &[&Text]) {
    if !images.is_empty() {
        object.texts("images", images.iter().map(|data| data.as_str()));
    }
}

fn message(list: &mut List<'_>, message: &Message) {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => return results(list, message),
    };
    list.object(|object| {
        object.text("role", role).text("content", &texts(&message.parts));
        write_images(object, &images(&message.parts));
        let thoughts = message.parts.iter().filter_map(|part| match &part.content {
            Content::Thought(Thought { text, .. }) => Some(text.as_str()),
            _ => None,
        });
        let thoughts: String = thoughts.collect();
        if !thoughts.is_empty() {
            object.text("thinking", &thoughts);
        }
        let calls: Vec<&ToolCall> = message.calls().collect();
        if !calls.is_empty() {
            object.list("tool_calls", |list| calls.iter().for_each(|call| write_call(list, call)));
        }
    });
}

/// A call with its arguments as an object.
pub(super) fn write_call(list: &mut List<'_>, call: &ToolCall) {
    let arguments = arguments_as_json(call);
    let is_object = Fields::parse(&arguments, &Place::Root).is_ok();
    let arguments = tallygate_core::conversation::Raw::parse(&arguments).ok().filter(|_| is_object);
    list.object(|object| {
        object.text("id", &call.id).object("function", |function| {
            function.text("name", &call.name);
            match &arguments {
                Some(arguments) => function.raw("arguments", arguments),
                None => function.object("arguments", |_| {}),
            };
        });
    });
}

fn results(list: &mut List<'_>, message: &Message) {
    for result in message.results() {
        list.object(|object| {
            object.text("role", "tool").text("content", &texts(&result.parts));
            write_images(object, &images(&result.parts));
            object.text_if("tool_name", result.name.as_deref()).text("tool_call_id", &result.call_id);
        });
    }
}

fn tools(body: &mut Object<'_>, request: &Request) {
    let is_sent = |tool: &&Tool| !matches!(tool.kind, ToolKind::Hosted { .. });
    let sent: Vec<&Tool> = request.tools.iter().filter(is_sent).collect();
    if sent.is_empty() || request.tool_choice == Some(ToolChoice::None) {
        return;
    }
    body.list("tools", |list| {
        for tool in sent {
            list.object(|object| {
                object.text("type", "function").object("function", |function| {
                    function.text("name", &tool.name).text("description", tool.description.as_deref().unwrap_or(""));
                    match &tool.kind {
                        ToolKind::Function { parameters: Some(parameters) } => function.raw("parameters", parameters),
                        ToolKind::Free { .. } => function.json("parameters", free_parameters().as_bytes()),
                        _ => function.object("parameters", |schema| {
                            schema.text("type", "object").object("properties", |_| {});
                        }),
                    };
                });
            });
        }
    });
}

fn think(body: &mut Object<'_>, request: &Request, target: &Target<'_>) {
    let reasoning = &request.reasoning;
    let effort = match (reasoning.switch, reasoning.effort) {
        (Some(Switch::Off), _) | (_, Some(Effort::None)) => {
            body.flag("think", false);
            return;
        }
        (_, Some(effort)) => Some(effort),
        (Some(Switch::Budget(tokens)), None) => Some(efforts::of_budget(tokens)),
        (Some(Switch::Auto), None) => None,
        (None, None) => return,
    };
    match (target.abilities.reasoning, effort) {
        (ReasoningForm::None, _) => {}
        (ReasoningForm::Effort, Some(effort)) => {
            let effort = effort.max(Effort::Low).min(target.abilities.effort_max);
            // There is nothing between high and all.
            body.text("think", if effort == Effort::ExtraHigh { "max" } else { effort.name() });
        }
        _ => {
            body.flag("think", true);
        }
    }
}

fn options(object: &mut Object<'_>, request: &Request, limit: Option<u64>) {
    let sampling = &request.sampling;
    object
        .number_if("temperature", sampling.temperature.as_ref())
        .number_if("top_p", sampling.top_p.as_ref())
        .number_if("top_k", sampling.top_k)
        .number_if("min_p", sampling.min_p.as_ref())
        .number_if("seed", sampling.seed.as_ref())
        .number_if("presence_penalty", sampling.presence_penalty.as_ref())
        .number_if("frequency_penalty", sampling.frequency_penalty.as_ref())
        .number_if("num_predict", limit);
    if !request.stop.is_empty() {
        object.texts("stop", request.stop.iter().map(|text| text.as_str()));
    }
    if request.extras.dialect == super::NAME {
        for extra in &request.extras.fields {
            if let Some(name) = extra.name.strip_prefix(OPTIONS).and_then(|name| name.strip_prefix('.')) {
                object.raw(name, &extra.value);
            }
        }
    }
}
