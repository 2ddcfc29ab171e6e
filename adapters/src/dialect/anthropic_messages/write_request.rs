//! A request for an upstream of this dialect.

use tallygate_core::conversation::{CachePoint, Content, Part, Request, Tool, ToolChoice, ToolKind};

use super::schema;
use super::settings::{Form, Settings, Thinking};
use super::write_block::{Blocks, check};
use crate::dialect::back::{Back, FORM_TOOL, free_parameters, free_tools};
use crate::dialect::ids::Names;
use crate::dialect::json::writer::{List, Object, object};
use crate::dialect::marks::write_cache_point;
use crate::dialect::rejection::Rejection;
use crate::dialect::target::{Drops, Target};
use crate::dialect::turns::{Late, Script, Turn, script};
use crate::dialect::wire::Written;

/// The most places of a request up to which the prompt can be cached.
const CACHE_POINTS_MAX: usize = 4;
/// What is said where something must be said and nothing is.
const FILLER: &str = ".";
/// What makes the model go on where it may not be given the beginning of its answer.
const GO_ON: &str = "Continue.";
/// Fields of other dialects that would change the answer much.
const REFUSED_EXTRAS: [&str; 3] = ["audio", "modalities", "web_search_options"];

pub(super) fn write(request: &Request, target: &Target<'_>) -> Result<Written, Rejection> {
    let mut drops = Drops::new(target);
    let script = script(&request.messages, Late::Hoisted);
    check(request, target, &mut drops)?;
    let settings = Settings::of(request, target, &script, &mut drops)?;
    let mut back = Back { by_form_tool: matches!(settings.form, Form::Tool(_)), ..Back::default() };
    note_left_out(request, &script, &mut drops)?;
    let has_history = script.turns.iter().any(|turn| turn.parts.iter().any(|part| is_call(part)));
    let mut blocks = Blocks::new(&mut back.names, caches_left(request));
    let body = object(|body| {
        body.text("model", target.model).number("max_tokens", settings.max_tokens);
        system(body, &script, &mut blocks);
        body.list("messages", |list| turns(list, &script, &mut blocks, settings.thinks(), target));
        tools(body, request, &settings, has_history, &mut blocks);
        choice(body, request, &settings, blocks.names);
        body.number_if("temperature", settings.temperature.as_ref()).number_if("top_p", settings.top_p.as_ref());
        body.number_if("top_k", settings.top_k);
        let stops: Vec<&str> = request.stop.iter().filter(|text| !text.is_blank()).map(|text| text.as_str()).collect();
        if !stops.is_empty() {
            body.texts("stop_sequences", stops);
        }
        thinking(body, &settings);
        if let Some(user) = &request.user {
            body.object("metadata", |metadata| {
                metadata.text("user_id", user);
            });
        }
        service_tier(body, request);
        if request.extras.dialect == super::NAME {
            request.extras.fields.iter().for_each(|extra| {
                body.raw(&extra.name, &extra.value);
            });
        }
        if request.streams {
            body.flag("stream", true);
        }
    });
    back.free_tools = free_tools(request);
    let output_limit = Some(settings.max_tokens);
    Ok(Written { path: "/messages".to_owned(), body, dropped: drops.names(), output_limit, back })
}

/// What is left out and told, or refused.
fn note_left_out(request: &Request, script: &Script<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    if request.extras.dialect != super::NAME {
        drops.extras(request, &REFUSED_EXTRAS)?;
    }
    if request.metadata.is_some() {
        drops.note("metadata");
    }
    if request.stop.iter().any(|text| text.is_blank()) {
        drops.note("stop");
    }
    for index in &script.orphans {
        drops.note(&format!("messages[{index}]"));
    }
    for (index, tool) in request.tools.iter().enumerate() {
        if !is_sent(&tool) {
            drops.note(&format!("tools[{index}]"));
        }
    }
    Ok(())
}

fn is_call(part: &Part) -> bool {
    matches!(part.content, Content::ToolCall(_))
}

/// How many places of the request can be cached, the client's own first. Those of tools count first, as they come first
/// in the prompt.
fn caches_left(request: &Request) -> usize {
    let in_tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
    CACHE_POINTS_MAX.saturating_sub(in_tools.min(CACHE_POINTS_MAX))
}

fn system(body: &mut Object<'_>, script: &Script<'_>, blocks: &mut Blocks<'_>) {
    let is_said = |part: &&&Part| matches!(&part.content, Content::Text(text) if !text.is_blank());
    let parts: Vec<&&Part> = script.system.iter().filter(is_said).collect();
    if !parts.is_empty() {
        body.list("system", |list| parts.iter().for_each(|part| blocks.part(list, part)));
    }
}

fn turns(list: &mut List<'_>, script: &Script<'_>, blocks: &mut Blocks<'_>, thinks: bool, target: &Target<'_>) {
    // The first turn is the user's.
    if script.turns.first().is_none_or(|turn| turn.is_model) {
        say(list, FILLER);
    }
    let last = script.turns.len().saturating_sub(1);
    for (index, turn) in script.turns.iter().enumerate() {
        let is_prefill = turn.is_model && index == last;
        list.object(|object| {
            object.text("role", if turn.is_model { "assistant" } else { "user" });
            object.list("content", |list| turn_blocks(list, turn, blocks, thinks, is_prefill));
        });
        if is_prefill && (!target.abilities.prefill || thinks) {
            say(list, GO_ON);
        }
    }
}

fn say(list: &mut List<'_>, text: &str) {
    list.object(|object| {
        object.text("role", "user").list("content", |list| {
            list.object(|block| {
                block.text("type", "text").text("text", text);
            });
        });
    });
}

fn turn_blocks(list: &mut List<'_>, turn: &Turn<'_>, blocks: &mut Blocks<'_>, thinks: bool, is_prefill: bool) {
    turn.results.iter().for_each(|outcome| blocks.result(list, outcome));
    let last_text = turn.parts.iter().rposition(|part| matches!(part.content, Content::Text(_)));
    for (index, part) in turn.parts.iter().enumerate() {
        match &part.content {
            // Reasoning is taken back only while the model reasons.
            Content::Thought(_) if !thinks => {}
            // The beginning of an answer must not end in white space.
            Content::Text(text) if is_prefill && last_text == Some(index) => {
                blocks.text(list, text.trim_end(), part.cache);
            }
            _ => blocks.part(list, part),
        }
    }
    if list.is_empty() {
        blocks.text(list, FILLER, None);
    }
}

fn tools(body: &mut Object<'_>, request: &Request, settings: &Settings, has_history: bool, blocks: &mut Blocks<'_>) {
    let sent: Vec<&Tool> = request.tools.iter().filter(is_sent).collect();
    let needs_any = sent.is_empty() && has_history && !matches!(settings.form, Form::Tool(_));
    if sent.is_empty() && !needs_any && !matches!(settings.form, Form::Tool(_)) {
        return;
    }
    body.list("tools", |list| {
        let mut caches = CACHE_POINTS_MAX;
        for tool in sent {
            let cache = tool.cache.filter(|_| caches > 0);
            caches -= usize::from(cache.is_some());
            write_tool(list, tool, cache, blocks.names);
        }
        if let Form::Tool(schema) = &settings.form {
            bare_tool(list, FORM_TOOL, "Give the answer by calling this tool.", schema);
        }
        // A history with calls is refused where there is no tool at all.
        if needs_any {
            bare_tool(list, "no_tool", "Not to be called.", &schema::of_input(None));
        }
    });
}

fn is_sent(tool: &&Tool) -> bool {
    !matches!(tool.kind, ToolKind::Hosted { dialect, .. } if dialect != super::NAME)
}

fn bare_tool(list: &mut List<'_>, name: &str, description: &str, schema: &str) {
    list.object(|object| {
        object.text("name", name).text("description", description).json("input_schema", schema.as_bytes());
    });
}

fn write_tool(list: &mut List<'_>, tool: &Tool, cache: Option<CachePoint>, names: &mut Names) {
    let schema = match &tool.kind {
        ToolKind::Hosted { raw, .. } => return list.raw(raw),
        ToolKind::Function { parameters } => schema::of_input(parameters.as_ref()),
        ToolKind::Free { .. } => free_parameters(),
    };
    let name = names.send(&tool.name);
    list.object(|object| {
        object.text("name", &name).text_if("description", tool.description.as_deref());
        object.json("input_schema", schema.as_bytes()).flag_if("strict", tool.strict.filter(|strict| *strict));
        write_cache_point(object, cache);
    });
}

fn choice(body: &mut Object<'_>, request: &Request, settings: &Settings, names: &mut Names) {
    let has_tools = request.tools.iter().any(|tool| is_sent(&tool)) || matches!(settings.form, Form::Tool(_));
    let is_single = request.parallel_tools == Some(false);
    let choice = settings.choice.clone().or_else(|| is_single.then_some(ToolChoice::Auto));
    let Some(choice) = choice.filter(|_| has_tools) else { return };
    body.object("tool_choice", |object| {
        match &choice {
            ToolChoice::Auto | ToolChoice::Among { .. } => object.text("type", "auto"),
            ToolChoice::Required => object.text("type", "any"),
            ToolChoice::None => object.text("type", "none"),
            ToolChoice::Named(name) => object.text("type", "tool").text("name", &names.send(name)),
        };
        if is_single && choice != ToolChoice::None {
            object.flag("disable_parallel_tool_use", true);
        }
    });
}

fn thinking(body: &mut Object<'_>, settings: &Settings) {
    match settings.thinking {
        Thinking::Unsaid => {}
        Thinking::Disabled => {
            body.object("thinking", |object| {
                object.text("type", "disabled");
            });
        }
        Thinking::Adaptive => {
            body.object("thinking", |object| {
                object.text("type", "adaptive");
            });
        }
        Thinking::Budget(tokens) => {
            body.object("thinking", |object| {
                object.text("type", "enabled").number("budget_tokens", tokens);
            });
        }
    }
    let schema = if let Form::Schema(schema) = &settings.form { Some(schema) } else { None };
    if settings.effort.is_some() || schema.is_some() {
        body.object("output_config", |object| {
            object.text_if("effort", settings.effort.map(tallygate_core::conversation::Effort::name));
            if let Some(schema) = schema {
                object.object("format", |format| {
                    format.text("type", "json_schema").json("schema", schema.as_bytes());
                });
            }
        });
    }
}

/// The words for a class of service differ; those of other dialects that mean no more than "as usual" are left out.
fn service_tier(body: &mut Object<'_>, request: &Request) {
    match request.service_tier.as_deref() {
        Some(tier @ ("auto" | "standard_only")) => {
            body.text("service_tier", tier);
        }
        Some("default") => {
            body.text("service_tier", "standard_only");
        }
        _ => {}
    }
}
