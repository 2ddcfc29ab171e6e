//! Tools and settings of a request.

use tallygate_core::conversation::{
    Effort, Extra, Format, LIMITS, Number, Reasoning, Request, Sampling, Schema, Switch, Text, Tool, ToolChoice,
    ToolKind,
};

use super::schema::to_json_schema;
use crate::dialect::json::fields::{Fields, Value};
use crate::dialect::openai_chat::OUTPUT_TOKENS_MAX;
use crate::dialect::rejection::{Reason, Rejection};

/// What stands before the names of settings that are carried.
pub(super) const CONFIG: &str = "generationConfig";

pub(super) fn tools(fields: &mut Fields<'_, '_>, request: &mut Request) -> Result<(), Rejection> {
    let tools = fields.with("tools", |value| value.list(LIMITS.tools, tool))?;
    request.tools = tools.unwrap_or_default().into_iter().flatten().collect();
    let choice =
        fields.with("toolConfig", |value| value.fields()?.in_two_spellings().with("functionCallingConfig", choice))?;
    request.tool_choice = choice.flatten();
    Ok(())
}

fn choice(value: Value<'_, '_>) -> Result<ToolChoice, Rejection> {
    let mut fields = value.fields()?.in_two_spellings();
    let mode = fields.string("mode")?.unwrap_or_else(|| "AUTO".to_owned());
    let names = fields.with("allowedFunctionNames", |value| value.list(LIMITS.tools, |item| item.string()))?;
    let names = names.unwrap_or_default();
    match mode.to_ascii_uppercase().as_str() {
        "AUTO" | "VALIDATED" => Ok(ToolChoice::Auto),
        "NONE" => Ok(ToolChoice::None),
        "ANY" => Ok(match names.as_slice() {
            [] => ToolChoice::Required,
            [one] => ToolChoice::Named(one.clone()),
            _ => ToolChoice::Among { names, required: true },
        }),
        _ => Err(fields.reject("mode", Reason::Value("must be `AUTO`, `ANY`, `NONE` or `VALIDATED`"))),
    }
}

fn tool(value: Value<'_, '_>) -> Result<Vec<Tool>, Rejection> {
    let mut fields = value.fields()?.in_two_spellings();
    if let Some(tools) = fields.with("functionDeclarations", |value| value.list(LIMITS.tools, function))? {
        return Ok(tools);
    }
    let name = fields.rest().into_iter().next().map_or_else(String::new, |field| field.name);
    let kind = ToolKind::Hosted { dialect: super::NAME, raw: value.raw() };
    Ok(vec![Tool { name, description: None, kind, strict: None, cache: None }])
}

fn function(value: Value<'_, '_>) -> Result<Tool, Rejection> {
    let mut fields = value.fields()?.in_two_spellings();
    let name = fields.string("name")?;
    let parameters = fields.with("parametersJsonSchema", |value| value.raw_object())?;
    let own = fields.with("parameters", |value| value.raw_object())?;
    Ok(Tool {
        name: fields.require("name", name)?,
        description: fields.text("description")?,
        kind: ToolKind::Function { parameters: parameters.or(own.map(|schema| to_json_schema(&schema))) },
        strict: None,
        cache: None,
    })
}

/// Reads the settings, and gives back those without a canonical form.
pub(super) fn generation(fields: &mut Fields<'_, '_>, request: &mut Request) -> Result<Vec<Extra>, Rejection> {
    let rest = fields.with(CONFIG, |value| {
        let mut fields = value.fields()?.in_two_spellings();
        read(&mut fields, request)?;
        Ok(fields.rest())
    })?;
    let carried = rest.into_iter().flatten().filter(|extra| extra.value.as_str() != "null");
    Ok(carried.map(|extra| Extra { name: format!("{CONFIG}.{}", extra.name), value: extra.value }).collect())
}

fn read(fields: &mut Fields<'_, '_>, request: &mut Request) -> Result<(), Rejection> {
    request.sampling = Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("topP")?,
        // Some clients write whole numbers with a point.
        top_k: fields.number("topK")?.as_ref().and_then(whole),
        seed: fields.number("seed")?,
        presence_penalty: fields.number("presencePenalty")?,
        frequency_penalty: fields.number("frequencyPenalty")?,
        logprobs: fields.flag("responseLogprobs")?,
        top_logprobs: fields.count("logprobs")?,
        ..Sampling::default()
    };
    request.choices = fields.count("candidateCount")?;
    // Of two spellings the larger one counts: nobody knows which of them an upstream reads.
    for name in ["maxOutputTokens", "max_output_tokens"] {
        let limit = fields.count(name)?;
        if limit.is_some_and(|limit| !(1..=OUTPUT_TOKENS_MAX).contains(&limit)) {
            return Err(fields.reject(name, Reason::Value("must be at least 1")));
        }
        request.max_output_tokens = limit.max(request.max_output_tokens);
    }
    let stop: Option<Vec<Text>> = fields.with("stopSequences", |value| value.list(LIMITS.stops, |item| item.text()))?;
    request.stop = stop.unwrap_or_default();
    request.format = format(fields)?;
    let reasoning = fields.with("thinkingConfig", reasoning)?;
    request.reasoning = reasoning.unwrap_or_default();
    Ok(())
}

fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && (0.0..=1e6).contains(&float)).then_some(float as u64)
    })
}

fn format(fields: &mut Fields<'_, '_>) -> Result<Option<Format>, Rejection> {
    let media_type = fields.string("responseMimeType")?;
    let json = fields.with("responseJsonSchema", |value| value.raw_object())?;
    let own = fields.with("responseSchema", |value| value.raw_object())?.map(|schema| to_json_schema(&schema));
    let schema = json.or(own).map(|schema| Schema { name: None, description: None, schema, strict: None });
    Ok(match (media_type.as_deref(), schema) {
        (_, Some(schema)) => Some(Format::Schema(schema)),
        (Some("application/json"), None) => Some(Format::Json),
        (Some(_), None) => Some(Format::Text),
        (None, None) => None,
    })
}

fn reasoning(value: Value<'_, '_>) -> Result<Reasoning, Rejection> {
    let mut fields = value.fields()?.in_two_spellings();
    let budget = fields.number("thinkingBudget")?;
    let level = fields.with("thinkingLevel", |value| {
        let level = value.string()?.to_ascii_lowercase();
        Effort::of_name(&level).ok_or_else(|| value.reject(Reason::Value("is no level that is known")))
    })?;
    let switch = match budget.as_ref().map(Number::as_i64) {
        Some(Some(0)) => Some(Switch::Off),
        Some(Some(tokens)) => Some(u64::try_from(tokens).map_or(Switch::Auto, Switch::Budget)),
        Some(None) => return Err(fields.reject("thinkingBudget", Reason::Type("a whole number"))),
        None => None,
    };
    let shows = fields.flag("includeThoughts")?.filter(|shows| *shows).map(|_| Switch::Auto);
    Ok(Reasoning { switch: switch.or(shows.filter(|_| level.is_none())), effort: level, summary: None })
}
