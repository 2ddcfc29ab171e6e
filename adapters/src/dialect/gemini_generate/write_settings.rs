//! Tools and settings for an upstream of this dialect.

use tallygate_core::conversation::{Effort, Format, Request, Switch, Tool, ToolChoice, ToolKind};

use super::read_settings::CONFIG;
use crate::dialect::back::free_parameters;
use crate::dialect::efforts;
use crate::dialect::ids::Names;
use crate::dialect::json::writer::{List, Object};
use crate::dialect::rejection::Rejection;
use crate::dialect::target::{Drops, ReasoningForm, SamplingRule, Structure, Target};

/// The most stop sequences.
const STOPS_MAX: usize = 5;

/// What cannot be written.
pub(super) fn check(request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
    drops.sampling(request, &["min_p", "logit_bias"])?;
    if target.abilities.sampling == SamplingRule::None {
        drops.sampling(request, &["temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"])?;
    }
    if request.stop.len() > STOPS_MAX {
        drops.unsupported("stop")?;
    }
    if let Some(ToolChoice::Among { required: false, .. }) = request.tool_choice {
        drops.unsupported("tool_choice")?;
    }
    Ok(())
}

fn is_sent(tool: &&Tool) -> bool {
    !matches!(tool.kind, ToolKind::Hosted { dialect, .. } if dialect != super::NAME)
}

pub(super) fn tools(body: &mut Object<'_>, request: &Request, names: &mut Names) {
    let (hosted, functions): (Vec<&Tool>, Vec<&Tool>) =
        request.tools.iter().filter(is_sent).partition(|tool| matches!(tool.kind, ToolKind::Hosted { .. }));
    if hosted.is_empty() && functions.is_empty() {
        return;
    }
    body.list("tools", |list| {
        if !functions.is_empty() {
            list.object(|object| {
                object.list("functionDeclarations", |list| {
                    functions.iter().for_each(|tool| function(list, tool, names));
                });
            });
        }
        for tool in hosted {
            if let ToolKind::Hosted { raw, .. } = &tool.kind {
                list.raw(raw);
            }
        }
    });
    if functions.is_empty() {
        return;
    }
    let is_strict = functions.iter().any(|tool| tool.strict == Some(true));
    let (mode, only): (&str, &[String]) = match &request.tool_choice {
        None | Some(ToolChoice::Auto) if is_strict => ("VALIDATED", &[]),
        None => return,
        Some(ToolChoice::Auto | ToolChoice::Among { required: false, .. }) => ("AUTO", &[]),
        Some(ToolChoice::None) => ("NONE", &[]),
        Some(ToolChoice::Required) => ("ANY", &[]),
        Some(ToolChoice::Named(name)) => ("ANY", std::slice::from_ref(name)),
        Some(ToolChoice::Among { names, required: true }) => ("ANY", names),
    };
    let only: Vec<String> = only.iter().map(|name| names.send(name)).collect();
    body.object("toolConfig", |config| {
        config.object("functionCallingConfig", |config| {
            config.text("mode", mode);
            if !only.is_empty() {
                config.texts("allowedFunctionNames", only.iter().map(String::as_str));
            }
        });
    });
}

fn function(list: &mut List<'_>, tool: &Tool, names: &mut Names) {
    let name = names.send(&tool.name);
    list.object(|object| {
        object.text("name", &name).text_if("description", tool.description.as_deref());
        match &tool.kind {
            // An object without properties is refused: no parameters are left out.
            ToolKind::Function { parameters: Some(schema) } if schema.as_str() != "{}" => {
                object.raw("parametersJsonSchema", schema);
            }
            ToolKind::Free { .. } => {
                object.json("parametersJsonSchema", free_parameters().as_bytes());
            }
            ToolKind::Function { .. } | ToolKind::Hosted { .. } => {}
        }
    });
}

pub(super) fn generation(
    config: &mut Object<'_>,
    request: &Request,
    target: &Target<'_>,
    limit: Option<u64>,
    drops: &mut Drops<'_>,
) {
    let sampling = &request.sampling;
    if target.abilities.sampling != SamplingRule::None {
        config.number_if("temperature", sampling.temperature.as_ref()).number_if("topP", sampling.top_p.as_ref());
        config.number_if("topK", sampling.top_k);
        let is_said = |number: &&tallygate_core::conversation::Number| number.as_f64() != Some(0.0);
        config.number_if("presencePenalty", sampling.presence_penalty.as_ref().filter(is_said));
        config.number_if("frequencyPenalty", sampling.frequency_penalty.as_ref().filter(is_said));
    }
    config.number_if("seed", sampling.seed.as_ref());
    config.number_if("candidateCount", request.choices.filter(|choices| *choices != 1));
    config.number_if("maxOutputTokens", limit);
    if !request.stop.is_empty() {
        config.texts("stopSequences", request.stop.iter().take(STOPS_MAX).map(|text| text.as_str()));
    }
    if sampling.logprobs == Some(true) {
        config.flag("responseLogprobs", true).number_if("logprobs", sampling.top_logprobs);
    }
    format(config, request, target);
    thinking(config, request, target, drops);
    if request.extras.dialect == super::NAME {
        for extra in &request.extras.fields {
            if let Some(name) = extra.name.strip_prefix(CONFIG).and_then(|name| name.strip_prefix('.')) {
                config.raw(name, &extra.value);
            }
        }
    }
}

/// Whether the form of the answer can be set by a parameter.
fn can_be_formed(request: &Request, target: &Target<'_>) -> bool {
    let calls = |message: &tallygate_core::conversation::Message| message.calls().next().is_some();
    let has_tools = request.tools.iter().any(|tool| is_sent(&tool)) || request.messages.iter().any(calls);
    target.abilities.structure != Structure::None && (target.abilities.structure_with_tools || !has_tools)
}

fn format(config: &mut Object<'_>, request: &Request, target: &Target<'_>) {
    if !can_be_formed(request, target) {
        return;
    }
    match &request.format {
        None | Some(Format::Text) => {}
        Some(Format::Json) => {
            config.text("responseMimeType", "application/json");
        }
        Some(Format::Schema(schema)) => {
            config.text("responseMimeType", "application/json").raw("responseJsonSchema", &schema.schema);
        }
    }
}

/// The form of the answer in words, where it cannot be set.
pub(super) fn form_in_words(request: &Request, target: &Target<'_>) -> Option<String> {
    if can_be_formed(request, target) {
        return None;
    }
    match &request.format {
        None | Some(Format::Text) => None,
        Some(Format::Json) => Some("Answer with one JSON object alone.".to_owned()),
        Some(Format::Schema(schema)) => {
            Some(format!("Answer with JSON alone that fits this schema: {}", schema.schema.as_str()))
        }
    }
}

fn thinking(config: &mut Object<'_>, request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) {
    let (abilities, reasoning) = (target.abilities, &request.reasoning);
    let is_off =
        reasoning.switch == Some(Switch::Off) || (reasoning.switch.is_none() && reasoning.effort == Some(Effort::None));
    if (reasoning.switch.is_none() && reasoning.effort.is_none()) || abilities.reasoning == ReasoningForm::None {
        return;
    }
    if is_off && !abilities.reasoning_can_be_off {
        drops.note("reasoning_effort");
    }
    config.object("thinkingConfig", |thinking| match abilities.reasoning {
        ReasoningForm::Budget => {
            let least = if abilities.reasoning_can_be_off { 0 } else { abilities.reasoning_budget_min };
            let tokens = match (reasoning.switch, reasoning.effort) {
                _ if is_off => Some(least),
                (Some(Switch::Budget(tokens)), _) => Some(tokens.max(abilities.reasoning_budget_min)),
                (_, Some(effort)) => {
                    efforts::to_budget(effort).map(|tokens| tokens.max(abilities.reasoning_budget_min))
                }
                _ => None,
            };
            match tokens {
                Some(tokens) => thinking.number("thinkingBudget", tokens),
                None => thinking.number("thinkingBudget", -1),
            };
            if !is_off {
                thinking.flag("includeThoughts", true);
            }
        }
        ReasoningForm::Effort | ReasoningForm::None => {
            if is_off && abilities.reasoning_can_be_off {
                thinking.number("thinkingBudget", 0);
                return;
            }
            let by_budget = match reasoning.switch {
                Some(Switch::Budget(tokens)) => Some(efforts::of_budget(tokens)),
                _ => None,
            };
            let effort = if is_off { Some(Effort::Low) } else { reasoning.effort.or(by_budget) };
            if let Some(effort) = effort {
                thinking.text("thinkingLevel", level(effort));
            }
            if !is_off {
                thinking.flag("includeThoughts", true);
            }
        }
    });
}

const fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::ExtraHigh | Effort::Max => "HIGH",
    }
}
