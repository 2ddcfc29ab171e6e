//! A client's request: parsed once, strictly, and kept with the place of every field.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use tallygate_core::id::ModelName;

use super::fields::{Fate, fate, folded};
use super::operation::Operation;
use super::prompt::PromptCounter;
use super::request_error::RequestError;
use crate::dialect::json::{self, Member};
use crate::dialect::metering::InputBound;
use crate::dialect::openai_chat::media::Asked;

/// The most answers to one prompt: OpenAI's own limit.
pub const CHOICES_MAX: u64 = 128;
/// The largest limit of output that is taken for one, in tokens. No model writes more, and sums of it stay far from
/// overflowing.
pub const OUTPUT_TOKENS_MAX: u64 = 100_000_000;

/// A client's request, checked. Nothing in it is the client's to spell in two ways: what was read here is what
/// [`Request::rewrite`] forwards.
///
/// `metadata` is forwarded only with `"store":true`, since an upstream has no use for it otherwise, while gateways do:
/// clients of LiteLLM put tags and trace ids there that OpenAI would refuse.
#[derive(Clone)]
pub struct Request {
    pub(super) body: Bytes,
    pub(super) members: Vec<Member>,
    /// The place of the closing brace.
    pub(super) end: usize,
    /// By member: whether it stays here.
    pub(super) kept_back: Vec<bool>,
    pub(super) streams: bool,
    pub(super) asks_for_usage: bool,
    pub(super) output_limit: Option<(usize, u64)>,
    operation: Operation,
    model: ModelName,
    choices: u64,
    prediction_bytes: u64,
    input: InputBound,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({:?} of {:?}, {} bytes)", self.operation, self.model, self.body.len())
    }
}

impl Request {
    /// Parses a body. `path_model` is the model that the request's path names, if it does; the body may then leave it
    /// out, or must name the same.
    ///
    /// # Errors
    /// [`RequestError`], the first one found. The length of the body is the caller's to limit.
    pub fn parse(operation: Operation, body: Bytes, path_model: Option<&str>) -> Result<Self, RequestError> {
        let text = json::text(&body)?;
        let mut prompt = PromptCounter::default();
        let object = json::object(text, &mut prompt)?;
        let mut request = Self {
            members: Vec::new(),
            end: object.end,
            kept_back: fates(text, &object.members)?,
            streams: false,
            asks_for_usage: false,
            output_limit: None,
            operation,
            model: model(text, &object.members, path_model)?,
            choices: 1,
            prediction_bytes: 0,
            input: prompt.bound(body.len()),
            body: Bytes::new(),
        };
        request.read_fields(text, &object.members)?;
        request.members = object.members;
        request.body = body;
        Ok(request)
    }

    /// The client's bytes.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Which operation it is.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The model that the client names.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// Whether the client wants the answer as a stream. Speech always comes as one: of sound.
    #[must_use]
    pub const fn streams(&self) -> bool {
        self.streams || matches!(self.operation, Operation::Speech)
    }

    /// Whether the answer is a stream of the dialect's own kind, whose usage must be asked for.
    pub(super) const fn streams_a_chat(&self) -> bool {
        self.streams && matches!(self.operation, Operation::Chat)
    }

    /// Whether the client asked for the usage of a stream. If not, what the gateway asks for itself is not forwarded.
    #[must_use]
    pub const fn asks_for_usage(&self) -> bool {
        self.asks_for_usage
    }

    /// The limit of output that the client gave, in tokens an answer.
    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        self.output_limit.map(|(_, tokens)| tokens)
    }

    /// How many answers the client wants: at least 1.
    #[must_use]
    pub const fn choices(&self) -> u64 {
        self.choices
    }

    /// The most output tokens that the call can be billed, if each answer is limited to so many. Embeddings and moderations
    /// have none.
    #[must_use]
    pub const fn output_bound(&self, tokens_an_answer: u64) -> u64 {
        match self.operation {
            Operation::Embeddings | Operation::Moderations => 0,
            // Rejected tokens of a prediction are billed as output.
            Operation::Chat => tokens_an_answer.saturating_add(self.prediction_bytes).saturating_mul(self.choices),
            _ => tokens_an_answer.saturating_mul(self.choices),
        }
    }

    /// What the reading of an answer of images or sound depends on; none for other operations.
    #[must_use]
    pub fn media(&self) -> Option<Asked> {
        let spoken_bytes = self.field("input").map_or(0, |text| text.len() as u64);
        let (operation, count, input) = (self.operation, self.choices, self.input);
        operation.is_media().then_some(Asked {
            operation,
            count,
            input,
            spoken_bytes,
            file_bytes: 0,
            wants_text: false,
        })
    }

    /// What bounds the prompt.
    #[must_use]
    pub const fn input(&self) -> &InputBound {
        &self.input
    }

    /// The JSON text of a top-level field, kept back or not: for tags in `metadata` and the like.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let member = self.members.iter().find(|member| member.is(name, &self.body))?;
        // The body was checked to be UTF-8 when it was parsed, and a value begins and ends at a character.
        std::str::from_utf8(self.body.get(member.value.clone())?).ok()
    }

    /// A top-level field that is a string, such as `user` or `service_tier`.
    #[must_use]
    pub fn string_field(&self, name: &str) -> Option<Cow<'_, str>> {
        string(self.field(name)?)
    }

    /// The body was checked to be UTF-8 when it was parsed.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    fn read_fields(&mut self, text: &str, members: &[Member]) -> Result<(), RequestError> {
        let mut has_prompt = false;
        let is_chat = self.operation == Operation::Chat;
        for (index, member) in members.iter().enumerate() {
            let name = member.name(text);
            let value = slice(text, &member.value);
            // OpenAI takes null for "not given".
            if value == "null" {
                continue;
            }
            match name {
                "stream" => self.streams = boolean("stream", value)?,
                "stream_options" => self.asks_for_usage = include_usage(value)?,
                // Elsewhere they limit nothing, whatever an upstream makes of them.
                "max_tokens" if is_chat => self.set_output_limit(index, "max_tokens", value)?,
                "max_completion_tokens" if is_chat => self.set_output_limit(index, "max_completion_tokens", value)?,
                "n" => {
                    let choices = whole_number(value).filter(|choices| (1..=CHOICES_MAX).contains(choices));
                    self.choices = choices.ok_or(RequestError::Choices)?;
                }
                "user" if !value.starts_with('"') => {
                    return Err(RequestError::Type { param: "user", expected: "a string" });
                }
                "prediction" => self.prediction_bytes = value.len() as u64,
                "store" => self.forward_metadata(text, members, boolean("store", value)?),
                _ if name == self.operation.prompt_field() => {
                    check_prompt(self.operation, value)?;
                    has_prompt = true;
                }
                _ => {}
            }
        }
        if has_prompt { Ok(()) } else { Err(RequestError::Missing(self.operation.prompt_field())) }
    }

    fn set_output_limit(&mut self, index: usize, param: &'static str, value: &str) -> Result<(), RequestError> {
        let tokens = whole_number(value).filter(|tokens| (1..=OUTPUT_TOKENS_MAX).contains(tokens));
        let tokens = tokens.ok_or(RequestError::OutputLimit(param))?;
        match self.output_limit.replace((index, tokens)) {
            None => Ok(()),
            Some(_) => Err(RequestError::TwoOutputLimits),
        }
    }

    fn forward_metadata(&mut self, text: &str, members: &[Member], is_stored: bool) {
        let metadata = members.iter().position(|member| member.name(text) == "metadata");
        if let Some(kept_back) = metadata.and_then(|index| self.kept_back.get_mut(index)) {
            *kept_back = !is_stored;
        }
    }
}

/// Checks the names of all fields, and says which stay here.
fn fates(text: &str, members: &[Member]) -> Result<Vec<bool>, RequestError> {
    let mut seen: Vec<Cow<'_, str>> = Vec::with_capacity(members.len());
    let mut kept_back = Vec::with_capacity(members.len());
    for member in members {
        let name = member.name(text);
        let folded = folded(name);
        let fate = fate(&folded);
        let known = match fate {
            Fate::Refused(param) => return Err(RequestError::NotAllowed(param)),
            Fate::Read(known) => Some(known),
            Fate::KeptBack | Fate::Forwarded => None,
        };
        if seen.contains(&folded) {
            return Err(RequestError::Duplicate(known));
        }
        if let Some(known) = known.filter(|known| *known != name) {
            return Err(RequestError::Misspelled(known));
        }
        kept_back.push(fate == Fate::KeptBack || known == Some("metadata"));
        seen.push(folded);
    }
    Ok(kept_back)
}

fn model(text: &str, members: &[Member], path_model: Option<&str>) -> Result<ModelName, RequestError> {
    let value = members.iter().find(|member| member.name(text) == "model").map(|member| slice(text, &member.value));
    let body_model = match value {
        None | Some("null") => None,
        Some(value) => Some(string(value).ok_or(RequestError::Type { param: "model", expected: "a string" })?),
    };
    RequestError::one_model(body_model, path_model)
}

fn slice<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    text.get(range.clone()).unwrap_or_default()
}

/// A JSON string's text; none for anything else.
fn string(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(value).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

const fn boolean_of(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn boolean(param: &'static str, value: &str) -> Result<bool, RequestError> {
    boolean_of(value.as_bytes()).ok_or(RequestError::Type { param, expected: "true or false" })
}

/// Digits alone: `1.0` and `1e2` are numbers that some readers take for whole and some do not.
fn whole_number(value: &str) -> Option<u64> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

fn include_usage(value: &str) -> Result<bool, RequestError> {
    let options = json::object(value, &mut json::Ignore)
        .map_err(|_| RequestError::Type { param: "stream_options", expected: "an object" })?;
    let mut found = None;
    for member in &options.members {
        let name = member.name(value);
        if folded(name) != "include_usage" {
            continue;
        }
        if name != "include_usage" {
            return Err(RequestError::Misspelled("stream_options.include_usage"));
        }
        let wanted = match slice(value, &member.value) {
            "null" => false,
            wanted => boolean("stream_options.include_usage", wanted)?,
        };
        if found.replace(wanted).is_some() {
            return Err(RequestError::Duplicate(Some("stream_options.include_usage")));
        }
    }
    Ok(found.unwrap_or_default())
}

fn check_prompt(operation: Operation, value: &str) -> Result<(), RequestError> {
    let is_empty_list = value.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(']'));
    let is_well_typed = match operation {
        Operation::Chat => value.starts_with('['),
        Operation::Embeddings | Operation::Moderations => value.starts_with(['[', '"']),
        _ => value.starts_with('"'),
    };
    if is_well_typed && !is_empty_list && value != "\"\"" {
        return Ok(());
    }
    Err(RequestError::Type { param: operation.prompt_field(), expected: operation.prompt_form() })
}

#[cfg(test)]
mod tests;
