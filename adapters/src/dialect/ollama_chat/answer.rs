//! Whole answers: read from an upstream, written for a client.

use serde_json::value::RawValue;
use tallygate_core::conversation::{
    Choice, Content, Ending, Finish, LIMITS, Part, Response, Text, Thought, ToolCall, Used,
};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Kind, Said};
use tallygate_core::usage::Usage;

use super::write_request::write_call;
use crate::dialect::ids;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::json::writer::{Object, object};
use crate::dialect::wire::Asked;
use crate::provider::error_body;

pub(super) fn read(body: &[u8], seed: &str) -> Result<Response, Failure> {
    let garbage = || Failure::new(Kind::Protocol);
    let text = std::str::from_utf8(body).map_err(|_| garbage())?.trim();
    let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
    if fields.take("error").is_some() {
        return Err(told_error(text.as_bytes()));
    }
    let mut message = fields.told_fields("message").ok_or_else(garbage)?;
    let mut contents: Vec<Content> = Vec::new();
    let thought = message.told_some_text("thinking");
    contents.extend(thought.map(|text| Content::Thought(Thought { text, seal: None })));
    contents.extend(message.told_some_text("content").map(Content::Text));
    let calls = calls(&mut message, seed, 0).ok_or_else(garbage)?;
    let has_calls = !calls.is_empty();
    contents.extend(calls.into_iter().map(Content::ToolCall));
    let ending = ending(fields.told_text("done_reason").as_deref(), has_calls);
    let parts = contents.into_iter().map(Part::from).collect();
    Ok(Response {
        id: None,
        model: fields.told_text("model"),
        choices: vec![Choice { parts, ending, logprobs: None }],
        used: used(&mut fields),
        service_tier: None,
    })
}

/// An error in an answer or stream whose status was 2xx.
pub(super) fn told_error(json: &[u8]) -> Failure {
    let said = Said { status: 200, content_type: None, request_id: None, body: bytes::Bytes::copy_from_slice(json) };
    match error_body::code(json) {
        Some(code) => Failure::told(said, None, Some(&code)),
        None => Failure { said: Some(Box::new(said)), ..Failure::new(Kind::ServerError) },
    }
}

/// The calls of a message; `first` is the number of the first one. None where one is none.
pub(super) fn calls(message: &mut Fields<'_, '_>, seed: &str, first: u32) -> Option<Vec<ToolCall>> {
    let list = message.told_list("tool_calls");
    (first..).zip(list.into_iter().take(LIMITS.calls)).map(|(number, raw)| call(raw, seed, number)).collect()
}

fn call(raw: &RawValue, seed: &str, number: u32) -> Option<ToolCall> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let id = fields.told_text("id").filter(|id| !id.is_empty()).unwrap_or_else(|| ids::minted(seed, 0, number));
    let mut function = fields.told_fields("function")?;
    let arguments = function.take("arguments").map(|raw| {
        let value = Value::new(raw, &Place::Root);
        value.text().unwrap_or_else(|_| Text::from(value.raw().as_str()))
    });
    let arguments = arguments.unwrap_or_else(|| "{}".into());
    Some(ToolCall { id, name: function.told_text("name")?, arguments, is_free: false, seal: None })
}

/// Why an answer ended. A model that was only loaded or unloaded said nothing.
pub(super) fn ending(told: Option<&str>, has_calls: bool) -> Ending {
    let finish = match told {
        Some("length") => Finish::Length,
        // There is no word of its own for an answer that calls tools.
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    };
    let told = told.filter(|word| !matches!(*word, "stop" | "length")).map(str::to_owned);
    Ending { finish, stop_sequence: None, told }
}

/// What was used. A prompt that was cached as a whole is not counted.
pub(super) fn used(fields: &mut Fields<'_, '_>) -> Option<Used> {
    let input = fields.told_tokens("prompt_eval_count");
    let output = fields.told_tokens("eval_count");
    if input.is_none() && output.is_none() {
        return None;
    }
    let usage = Usage {
        input_tokens: input.unwrap_or_default(),
        output_tokens: output.unwrap_or_default(),
        ..Usage::default()
    };
    Some(Used { usage, is_final: output.is_some() })
}

pub(super) fn write(response: &Response, asked: &Asked) -> Vec<u8> {
    // One answer is all that this dialect has.
    let parts = response.choices.first().map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let ending = response.choices.first().map(|choice| choice.ending.clone()).unwrap_or_default();
    let joined = |pick: fn(&Content) -> Option<&Text>| -> String {
        parts.iter().filter_map(|part| pick(&part.content)).map(|text| text.as_str()).collect()
    };
    let text = joined(|content| match content {
        Content::Text(text) | Content::Refusal(text) => Some(text),
        _ => None,
    });
    let thoughts = joined(|content| match content {
        Content::Thought(thought) => Some(&thought.text),
        _ => None,
    });
    let calls: Vec<&ToolCall> = parts
        .iter()
        .filter_map(|part| if let Content::ToolCall(call) = &part.content { Some(call) } else { None })
        .collect();
    object(|body| {
        head(body, asked, response.model.as_deref());
        body.object("message", |message| {
            message.text("role", "assistant").text("content", &text);
            if !thoughts.is_empty() {
                message.text("thinking", &thoughts);
            }
            if !calls.is_empty() {
                message.list("tool_calls", |list| calls.iter().for_each(|call| write_call(list, call)));
            }
        });
        end(body, &ending, response.used.as_ref());
    })
}

/// What every line begins with.
pub(super) fn head(body: &mut Object<'_>, asked: &Asked, model: Option<&str>) {
    body.text("model", asked.model(model)).text("created_at", &moment(asked.created_s));
}

/// What the last line ends with. Durations are not known here.
pub(super) fn end(body: &mut Object<'_>, ending: &Ending, used: Option<&Used>) {
    let reason = match ending.finish {
        Finish::Length | Finish::ContextFull => "length",
        _ => "stop",
    };
    body.flag("done", true).text("done_reason", reason);
    for name in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        body.number(name, 0);
    }
    if let Some(used) = used {
        body.number("prompt_eval_count", used.usage.prompt_tokens()).number("eval_count", used.usage.output_tokens);
    }
}

/// A moment as `2026-11-20T10:15:30Z`.
fn moment(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days are counted in years that begin in March, so that a leap day is a year's last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_moment_is_written_as_a_date() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(moment(1_795_860_930), "2026-11-28T10:15:30Z");
        assert_eq!(moment(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(moment(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
