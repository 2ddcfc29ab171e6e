//! From the client's body to the upstream's: only the spans that must change are rewritten.

use std::ops::Range;

use bytes::Bytes;

use super::request::Request;
use crate::dialect::json;
use crate::dialect::splices::Splices;

/// What must change on the way to one deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The name that the upstream knows the model by.
    pub model: &'a str,
    /// Whether to ask for the usage of a stream: all vendors that know the option should be asked.
    pub meter_stream: bool,
    /// The limit of output that the gateway sets, in place of the client's or where there is none.
    pub output_limit: Option<OutputLimit>,
}

/// A limit of output that the gateway sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// The tokens of each answer.
    pub tokens: u64,
    /// The field to add where the client gave none of its own.
    pub field: LimitField,
}

/// What a vendor calls the limit of output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitField {
    /// `max_tokens`, which all but the newest models know.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, the only one that models which reason take.
    MaxCompletionTokens,
}

impl LimitField {
    const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

const METERED: &str = r#"{"include_usage":true}"#;

impl Request {
    /// The body for the upstream. Fields for the gateway are cut out, the model is renamed, usage and limit are asked
    /// for as said; every other byte is the client's own.
    #[must_use]
    pub fn rewrite(&self, rewrite: &Rewrite<'_>) -> Bytes {
        let mut splices = Splices::default();
        self.rename(rewrite.model, &mut splices);
        if rewrite.meter_stream && self.streams_a_chat() && !self.asks_for_usage {
            self.ask_for_usage(&mut splices);
        }
        if let Some(limit) = rewrite.output_limit {
            self.limit_output(limit, &mut splices);
        }
        splices.cut(&self.members, |index| self.kept_back.get(index).copied().unwrap_or_default());
        // The prompt is always there, and stays.
        splices.apply(&self.body, &self.members, self.end, true)
    }

    fn place(&self, name: &str) -> Option<Range<usize>> {
        self.members.iter().find(|member| member.is(name, &self.body)).map(|member| member.value.clone())
    }

    fn rename(&self, model: &str, splices: &mut Splices) {
        // Every text can be written as JSON.
        let quoted = serde_json::to_string(model).unwrap_or_default();
        match self.place("model") {
            Some(at) if self.body.get(at.clone()) == Some(quoted.as_bytes()) => {}
            Some(at) => splices.put(at, quoted),
            None => splices.add("model", &quoted),
        }
    }

    fn ask_for_usage(&self, splices: &mut Splices) {
        let Some(at) = self.place("stream_options") else {
            splices.add("stream_options", METERED);
            return;
        };
        let text = self.text();
        // Null is no object; the request was checked to hold nothing else.
        let Some(Ok(options)) = text.get(at.clone()).map(|value| json::object(value, &mut json::Ignore)) else {
            splices.put(at, METERED.to_owned());
            return;
        };
        let value = text.get(at.clone()).unwrap_or_default();
        match options.members.iter().find(|member| member.name(value) == "include_usage") {
            Some(member) => {
                let within = at.start + member.value.start..at.start + member.value.end;
                splices.put(within, "true".to_owned());
            }
            None => splices.add_within(at.start, options.members.is_empty(), "include_usage", "true"),
        }
    }

    fn limit_output(&self, limit: OutputLimit, splices: &mut Splices) {
        let tokens = limit.tokens.to_string();
        match self.output_limit {
            Some((_, given)) if given == limit.tokens => {}
            Some((index, _)) => {
                if let Some(member) = self.members.get(index) {
                    splices.put(member.value.clone(), tokens);
                }
            }
            None => match self.place(limit.field.name()) {
                // It was given as null.
                Some(at) => splices.put(at, tokens),
                None => splices.add(limit.field.name(), &tokens),
            },
        }
    }
}
