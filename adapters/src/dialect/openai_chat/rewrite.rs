//! From the client's body to the upstream's: only the spans that must change are rewritten.

use std::ops::Range;

use bytes::Bytes;

use super::request::Request;
use crate::dialect::json;

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

/// Some bytes in place of others. Those of one body do not overlap and are in order.
struct Splice {
    at: Range<usize>,
    with: String,
}

impl Request {
    /// The body for the upstream. Fields for the gateway are cut out, the model is renamed, usage and limit are asked
    /// for as said; every other byte is the client's own.
    #[must_use]
    pub fn rewrite(&self, rewrite: &Rewrite<'_>) -> Bytes {
        let mut splices = Vec::with_capacity(4);
        let mut added = String::new();
        self.rename(rewrite.model, &mut splices, &mut added);
        if rewrite.meter_stream && self.streams && !self.asks_for_usage {
            self.ask_for_usage(&mut splices, &mut added);
        }
        if let Some(limit) = rewrite.output_limit {
            self.limit_output(limit, &mut splices, &mut added);
        }
        self.cut_kept_back(&mut splices);
        if splices.is_empty() && added.is_empty() {
            return self.body.clone();
        }
        if !added.is_empty() {
            // After the last member: the prompt is always there, so there is one to follow.
            let end = self.members.last().map_or(self.end, |member| member.value.end);
            splices.push(Splice { at: end..end, with: added });
        }
        splices.sort_by_key(|splice| splice.at.start);
        splice(&self.body, &splices)
    }

    fn place(&self, name: &str) -> Option<Range<usize>> {
        let text = self.text();
        self.members.iter().find(|member| member.name(text) == name).map(|member| member.value.clone())
    }

    fn rename(&self, model: &str, splices: &mut Vec<Splice>, added: &mut String) {
        let quoted = serde_json::Value::from(model).to_string();
        match self.place("model") {
            Some(at) if self.body.get(at.clone()) == Some(quoted.as_bytes()) => {}
            Some(at) => splices.push(Splice { at, with: quoted }),
            None => *added += &format!(",\"model\":{quoted}"),
        }
    }

    fn ask_for_usage(&self, splices: &mut Vec<Splice>, added: &mut String) {
        let Some(at) = self.place("stream_options") else {
            *added += &format!(",\"stream_options\":{METERED}");
            return;
        };
        let text = self.text();
        // Null is no object; the request was checked to hold nothing else.
        let Some(Ok(options)) = text.get(at.clone()).map(|value| json::object(value, &mut json::Ignore)) else {
            splices.push(Splice { at, with: METERED.to_owned() });
            return;
        };
        let value = text.get(at.clone()).unwrap_or_default();
        match options.members.iter().find(|member| member.name(value) == "include_usage") {
            Some(member) => {
                let within = at.start + member.value.start..at.start + member.value.end;
                splices.push(Splice { at: within, with: "true".to_owned() });
            }
            None => {
                let comma = if options.members.is_empty() { "" } else { "," };
                let within = at.start + 1..at.start + 1;
                splices.push(Splice { at: within, with: format!("\"include_usage\":true{comma}") });
            }
        }
    }

    fn limit_output(&self, limit: OutputLimit, splices: &mut Vec<Splice>, added: &mut String) {
        let tokens = limit.tokens.to_string();
        match self.output_limit {
            Some((_, given)) if given == limit.tokens => {}
            Some((index, _)) => {
                if let Some(member) = self.members.get(index) {
                    splices.push(Splice { at: member.value.clone(), with: tokens });
                }
            }
            None => match self.place(limit.field.name()) {
                // It was given as null.
                Some(at) => splices.push(Splice { at, with: tokens }),
                None => *added += &format!(",\"{}\":{tokens}", limit.field.name()),
            },
        }
    }

    /// Each cut takes one comma with it: the one before, or, before the first member that stays, the one after.
    fn cut_kept_back(&self, splices: &mut Vec<Splice>) {
        let mut follows_another = false;
        for (index, member) in self.members.iter().enumerate() {
            if !self.kept_back.get(index).copied().unwrap_or_default() {
                follows_another = true;
                continue;
            }
            let before = index.checked_sub(1).and_then(|before| self.members.get(before));
            let at = match (follows_another, before, self.members.get(index + 1)) {
                (true, Some(before), _) => before.value.end..member.value.end,
                (_, _, Some(after)) => member.start()..after.start(),
                (_, _, None) => member.start()..member.value.end,
            };
            splices.push(Splice { at, with: String::new() });
        }
    }
}

fn splice(body: &[u8], splices: &[Splice]) -> Bytes {
    let grown: usize = splices.iter().map(|splice| splice.with.len()).sum();
    let mut rewritten = Vec::with_capacity(body.len() + grown);
    let mut at = 0;
    for splice in splices {
        rewritten.extend_from_slice(body.get(at..splice.at.start).unwrap_or_default());
        rewritten.extend_from_slice(splice.with.as_bytes());
        at = splice.at.end;
    }
    rewritten.extend_from_slice(body.get(at..).unwrap_or_default());
    rewritten.into()
}
