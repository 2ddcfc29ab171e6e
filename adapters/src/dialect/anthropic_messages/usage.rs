//! The usage that this dialect tells. Its classes are disjoint: tokens of the cache are not among `input_tokens`.

use serde_json::value::RawValue;
use tallygate_core::conversation::Used;
use tallygate_core::usage::Usage;

use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::json::writer::Object;

/// Rounds of one answer whose tokens are added up.
const ROUNDS_MAX: usize = 1_000;

/// What was told so far. A stream tells it several times; what is told later counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    /// How many of `cache_write` are kept for an hour.
    cache_write_1h: Option<u64>,
    reasoning: Option<u64>,
}

impl Told {
    pub(super) fn take(&mut self, raw: &RawValue) {
        let Ok(mut fields) = Fields::parse(raw.get(), &Place::Root) else { return };
        let rounds = fields.told_list("iterations");
        let mut sum: Option<Self> = None;
        for round in rounds.into_iter().take(ROUNDS_MAX) {
            let Ok(mut fields) = Fields::parse(round.get(), &Place::Root) else { continue };
            // A round of another model has a price of its own.
            if matches!(fields.told_text("type").as_deref(), Some("message" | "compaction")) {
                let round = Self::read(&mut fields);
                sum = Some(sum.map_or(round, |sum| sum.plus(round)));
            }
        }
        let told = Self::read(&mut fields);
        let told = match sum {
            // The numbers outside leave rounds out that are billed.
            Some(sum) => Self { reasoning: told.reasoning.or(sum.reasoning), ..sum },
            None => told,
        };
        self.input = told.input.or(self.input);
        self.output = told.output.or(self.output);
        self.cache_read = told.cache_read.or(self.cache_read);
        self.cache_write = told.cache_write.or(self.cache_write);
        self.cache_write_1h = told.cache_write_1h.or(self.cache_write_1h);
        self.reasoning = told.reasoning.or(self.reasoning);
    }

    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let details = fields.told_fields("output_tokens_details");
        let written = fields.told_fields("cache_creation");
        Self {
            input: fields.told_tokens("input_tokens"),
            output: fields.told_tokens("output_tokens"),
            cache_read: fields.told_tokens("cache_read_input_tokens"),
            cache_write: fields.told_tokens("cache_creation_input_tokens"),
            cache_write_1h: written.and_then(|mut written| written.told_tokens("ephemeral_1h_input_tokens")),
            reasoning: details.and_then(|mut details| details.told_tokens("thinking_tokens")),
        }
    }

    fn plus(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            input: sum(self.input, other.input),
            output: sum(self.output, other.output),
            cache_read: sum(self.cache_read, other.cache_read),
            cache_write: sum(self.cache_write, other.cache_write),
            cache_write_1h: sum(self.cache_write_1h, other.cache_write_1h),
            reasoning: sum(self.reasoning, other.reasoning),
        }
    }

    /// What is known; none if nothing is. `is_end` says that nothing more will be told.
    pub(super) fn used(&self, is_end: bool) -> Option<Used> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let output = self.output.unwrap_or_default();
        let written = self.cache_write.or(self.cache_write_1h).unwrap_or_default();
        let hour = self.cache_write_1h.unwrap_or_default().min(written);
        let usage = Usage {
            input_tokens: self.input.unwrap_or_default(),
            cached_input_tokens: self.cache_read.unwrap_or_default(),
            cache_write_tokens: written - hour,
            cache_write_1h_tokens: hour,
            output_tokens: output,
            reasoning_tokens: self.reasoning.unwrap_or_default().min(output),
            ..Usage::default()
        };
        Some(Used { usage, is_final: is_end && self.input.is_some() && self.output.is_some() })
    }
}

/// Writes the fields of `usage`.
pub(super) fn write(object: &mut Object<'_>, usage: &Usage) {
    let usage = &usage.in_five_classes();
    object.number("input_tokens", usage.input_tokens);
    object.number("cache_creation_input_tokens", usage.cache_write_tokens);
    object.number("cache_read_input_tokens", usage.cached_input_tokens);
    object.number("output_tokens", usage.output_tokens);
    if usage.reasoning_tokens > 0 {
        object.object("output_tokens_details", |details| {
            details.number("thinking_tokens", usage.reasoning_tokens);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Told;

    #[test]
    fn what_is_cached_for_an_hour_is_a_class_of_its_own() {
        let used = |text: &str| {
            let mut told = Told::default();
            told.take(serde_json::from_str(text).unwrap());
            let usage = told.used(true).unwrap().usage;
            (usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.prompt_tokens())
        };
        let split = r#"{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":30,
            "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}}"#;
        assert_eq!(used(split), (10, 20, 31));
        assert_eq!(used(r#"{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":30}"#), (30, 0, 31));
        let absurd = r#"{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":20}}"#;
        assert_eq!(used(absurd), (0, 3, 4));
    }
}
