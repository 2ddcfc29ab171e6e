//! The `usage` object of an answer, read with suspicion: it decides what a call costs, and upstreams send nonsense.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tallygate_core::price::ServiceTier;
use tallygate_core::usage::Usage;

use crate::dialect::metering::Metered;

/// More tokens than this in one call are nonsense: a hundred times the longest context window.
const TOKENS_MAX: u64 = 100_000_000;

/// The usage as an upstream wrote it. What is missing, null or nonsense is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    #[serde(deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    total_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    prompt_tokens_details: PromptDetails,
    #[serde(deserialize_with = "lenient")]
    completion_tokens_details: CompletionDetails,
    /// Where some vendors put what others call `prompt_tokens_details.cached_tokens`.
    #[serde(deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    /// How the answer says that it was served. It stands beside the usage, not in it.
    #[serde(skip)]
    service_tier: ServiceTier,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct PromptDetails {
    #[serde(deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    audio_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    image_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    #[serde(deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    audio_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    image_tokens: Option<u64>,
}

impl Told {
    /// Reads a usage; none if it is no object.
    pub(super) fn read(usage: &RawValue) -> Option<Self> {
        // A list would do for a struct too.
        usage.get().starts_with('{').then(|| serde_json::from_str(usage.get()).ok()).flatten()
    }

    /// Whether the upstream told what it wrote: an estimate of that is not looked at.
    pub(super) const fn tells_output(&self) -> bool {
        self.completion_tokens.is_some()
    }

    /// What the call used, with an estimate for what was not told. `prompt_estimate` and `output_estimate` are in tokens.
    ///
    /// The parts are made to fit: parts of the prompt are at most the prompt, and where the total is more than prompt
    /// and completion together, the rest was output (some vendors leave reasoning out of the completion).
    pub(super) fn metered(self, prompt_estimate: u64, output_estimate: u64) -> Metered {
        let estimated = self.prompt_tokens.is_none() || self.completion_tokens.is_none();
        let prompt = self.prompt_tokens.unwrap_or(prompt_estimate);
        let output = self.completion_tokens.unwrap_or(output_estimate);
        let output = match self.total_tokens {
            Some(total) if !estimated => output.max(total.saturating_sub(prompt)),
            _ => output,
        };
        let details = self.prompt_tokens_details;
        let cached = details.cached_tokens.or(self.prompt_cache_hit_tokens).unwrap_or_default().min(prompt);
        let mut rest = prompt - cached;
        let written = part(details.cache_write_tokens, &mut rest);
        let audio = part(details.audio_tokens, &mut rest);
        let image = part(details.image_tokens, &mut rest);
        let parts = self.completion_tokens_details;
        let mut said = output;
        let usage = Usage {
            input_tokens: rest,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            audio_input_tokens: audio,
            image_input_tokens: image,
            output_tokens: output,
            reasoning_tokens: part(parts.reasoning_tokens, &mut said),
            audio_output_tokens: part(parts.audio_tokens, &mut said),
            image_output_tokens: part(parts.image_tokens, &mut said),
            service_tier: self.service_tier,
            ..Usage::default()
        };
        Metered { usage, estimated }
    }

    /// The same, served in a tier: the word that the answer has for it, if it has one.
    pub(super) fn served(mut self, tier: Option<&str>) -> Self {
        self.service_tier = tier.map_or(ServiceTier::Standard, ServiceTier::of_word);
        self
    }

    /// Whether it tells anything.
    pub(super) const fn is_empty(&self) -> bool {
        self.prompt_tokens.is_none() && self.completion_tokens.is_none()
    }

    /// Embeddings have no completion, and most vendors say so by leaving it out.
    pub(super) fn without_completion(mut self) -> Self {
        self.completion_tokens = self.completion_tokens.or(Some(0));
        self
    }
}

/// A part of what is left, at most all of it, which is then no longer left.
pub(in crate::dialect) fn part(told: Option<u64>, left: &mut u64) -> u64 {
    let part = told.unwrap_or_default().min(*left);
    *left -= part;
    part
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(count_of(&serde_json::Value::deserialize(deserializer)?))
}

/// A count of tokens; none for everything that is not one: negative, fractional, a text, far too large.
pub(in crate::dialect) fn count_of(value: &serde_json::Value) -> Option<u64> {
    let whole = || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=TOKENS_MAX as f64).contains(number));
    // Some serialisers write whole numbers as `12.0`. Within the limit every one of them is exact.
    let count = value.as_u64().or_else(|| whole().map(|number| number as u64));
    count.filter(|count| *count <= TOKENS_MAX)
}

/// The object if it is one, else nothing: `null`, a text and a list all mean that nothing was told.
fn lenient<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    // Its text, not its value: that would be a map of names, made for every answer to read a number or two from it.
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(if raw.get().starts_with('{') { serde_json::from_str(raw.get()).unwrap_or_default() } else { T::default() })
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::dialect::metering::Metered;
    use tallygate_core::price::ServiceTier;
    use tallygate_core::usage::Usage;

    fn metered(json: &str) -> Metered {
        serde_json::from_str::<Told>(json).unwrap().metered(70, 7)
    }

    fn told(input: u64, cached: u64, written: u64, output: u64, reasoning: u64) -> Metered {
        let usage = Usage {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: output,
            reasoning_tokens: reasoning,
            ..Usage::default()
        };
        Metered { usage, estimated: false }
    }

    #[test]
    fn the_classes_of_tokens_do_not_overlap() {
        let json = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
            "prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":5}}"#;
        assert_eq!(metered(json), told(30, 60, 10, 20, 5));
    }

    #[test]
    fn vendors_tell_the_same_in_other_ways() {
        assert_eq!(
            metered(
                r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6}"#
            ),
            told(6, 4, 0, 2, 0)
        );
        // Reasoning left out of the completion.
        let json = r#"{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196}}"#;
        assert_eq!(metered(json), told(291, 0, 0, 222, 196));
        assert_eq!(
            metered(r#"{"prompt_tokens":12.0,"completion_tokens":3,"prompt_tokens_details":null}"#),
            told(12, 0, 0, 3, 0)
        );
    }

    #[test]
    fn sound_and_images_are_classes_of_their_own_and_the_tier_is_the_answers() {
        let json = r#"{"prompt_tokens":100,"completion_tokens":50,
            "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":30,"image_tokens":20},
            "completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":10,"image_tokens":900}}"#;
        let usage = metered(json).usage;
        // What was said twice of one token counts once: the cached ones are told first.
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (0, 60));
        assert_eq!((usage.audio_input_tokens, usage.image_input_tokens, usage.prompt_tokens()), (30, 10, 100));
        assert_eq!((usage.reasoning_tokens, usage.audio_output_tokens, usage.image_output_tokens), (5, 10, 35));
        assert_eq!(usage.service_tier, ServiceTier::Standard);
        let told = |tier: &str| {
            serde_json::from_str::<Told>(json).unwrap().served(Some(tier)).metered(0, 0).usage.service_tier
        };
        let tiers = ["flex", "priority", "default", "", "7"].map(told);
        let standard = ServiceTier::Standard;
        assert_eq!(tiers, [ServiceTier::Flex, ServiceTier::Priority, standard, standard, standard]);
    }

    #[test]
    fn zero_is_an_answer_and_not_a_missing_one() {
        assert_eq!(metered(r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#), told(0, 0, 0, 0, 0));
    }

    #[test]
    fn parts_are_made_to_fit() {
        let json = r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":900,"cache_write_tokens":5},"completion_tokens_details":{"reasoning_tokens":9}}"#;
        assert_eq!(metered(json), told(0, 10, 0, 2, 2));
    }

    #[test]
    fn nonsense_is_estimated() {
        for nonsense in
            ["-1", "1e300", "1.5", "\"12\"", "null", "[]", "{}", "18446744073709551615", "100000001", "true"]
        {
            let found =
                metered(&format!(r#"{{"prompt_tokens":{nonsense},"completion_tokens":3,"total_tokens":99999}}"#));
            assert_eq!(found, Metered { estimated: true, ..told(70, 0, 0, 3, 0) }, "{nonsense}");
            let found = metered(&format!(
                r#"{{"prompt_tokens":9,"completion_tokens":{nonsense},"prompt_tokens_details":{nonsense}}}"#
            ));
            assert_eq!(found, Metered { estimated: true, ..told(9, 0, 0, 7, 0) }, "{nonsense}");
        }
        assert_eq!(metered("{}"), Metered { estimated: true, ..told(70, 0, 0, 7, 0) });
    }
}
