//! The usage of images and sound, read with suspicion: it decides what a call costs.

use serde_json::Value;
use serde_json::value::RawValue;
use tallygate_core::usage::Usage;

use super::{Asked, TOKENS_A_SECOND};
use crate::dialect::metering::Metered;
use crate::dialect::openai_chat::Operation;
use crate::dialect::openai_chat::usage::{count_of, part};

/// More seconds than this in one call are nonsense: more than three months.
const SECONDS_MAX: f64 = 10_000_000.0;

/// What an upstream told. What is missing, null or nonsense is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    audio_input: Option<u64>,
    image_input: Option<u64>,
    /// Tokens of the answer that are text.
    text_output: Option<u64>,
}

impl Told {
    /// Reads a usage; none if it tells nothing.
    pub(super) fn read(usage: &RawValue) -> Option<Self> {
        let usage: Value = serde_json::from_str(usage.get()).ok()?;
        if let Some(seconds) = usage.get("seconds").and_then(Value::as_f64) {
            return Self::of_seconds(seconds);
        }
        let count = |names: [&str; 2]| names.into_iter().find_map(|name| count_of(usage.get(name)?));
        let input_part = |name: &str| {
            let details = ["input_tokens_details", "input_token_details", "prompt_tokens_details"];
            details.into_iter().find_map(|details| count_of(usage.get(details)?.get(name)?))
        };
        let output_part = |name: &str| {
            let details = ["output_tokens_details", "output_token_details", "completion_tokens_details"];
            details.into_iter().find_map(|details| count_of(usage.get(details)?.get(name)?))
        };
        let told = Self {
            input: count(["input_tokens", "prompt_tokens"]),
            output: count(["output_tokens", "completion_tokens"]),
            cached: input_part("cached_tokens"),
            audio_input: input_part("audio_tokens"),
            image_input: input_part("image_tokens"),
            text_output: output_part("text_tokens"),
        };
        (told.input.is_some() || told.output.is_some()).then_some(told)
    }

    /// Sound by its length: the prompt is nothing else, and what is said in it is not billed again.
    fn of_seconds(seconds: f64) -> Option<Self> {
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return None;
        }
        let tokens = (seconds * TOKENS_A_SECOND as f64).ceil() as u64;
        Some(Self { input: Some(tokens), audio_input: Some(tokens), output: Some(0), ..Self::default() })
    }

    /// The usage of two answers together, as of two images that were finished one after the other.
    pub(super) fn and(self, other: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self {
            input: sum(self.input, other.input),
            output: sum(self.output, other.output),
            cached: sum(self.cached, other.cached),
            audio_input: sum(self.audio_input, other.audio_input),
            image_input: sum(self.image_input, other.image_input),
            text_output: sum(self.text_output, other.text_output),
        }
    }

    /// What the call used, with an estimate for what was not told. `text_bytes` are those of a transcript.
    pub(super) fn metered(self, asked: &Asked, text_bytes: u64) -> Metered {
        let (text, media) = asked.prompt_estimate();
        let output = self.output.unwrap_or_else(|| asked.answer_estimate(text_bytes));
        let input = self.input.unwrap_or_else(|| text.saturating_add(media));
        let of_media = |is_it: bool| if self.input.is_none() && is_it { Some(media) } else { None };
        let cached = self.cached.unwrap_or_default().min(input);
        let mut rest = input - cached;
        let images = asked.operation.makes_images();
        let audio_input_tokens = part(self.audio_input.or(of_media(!images)), &mut rest);
        let image_input_tokens = part(self.image_input.or(of_media(images)), &mut rest);
        // What of an answer is no text is what was asked for.
        let made = output - self.text_output.unwrap_or_default().min(output);
        let usage = Usage {
            input_tokens: rest,
            cached_input_tokens: cached,
            audio_input_tokens,
            image_input_tokens,
            output_tokens: output,
            image_output_tokens: if images { made } else { 0 },
            audio_output_tokens: if asked.operation == Operation::Speech { made } else { 0 },
            ..Usage::default()
        };
        Metered { usage, estimated: self.input.is_none() || self.output.is_none() }
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::dialect::metering::InputBound;
    use crate::dialect::openai_chat::Operation;
    use crate::dialect::openai_chat::media::Asked;
    use tallygate_core::usage::Usage;

    fn asked(operation: Operation) -> Asked {
        let input = InputBound { text_bytes: 40, images: 1, ..InputBound::default() };
        Asked { operation, count: 2, input, spoken_bytes: 30, file_bytes: 16_001, wants_text: false }
    }

    fn told(json: &str) -> Option<Told> {
        Told::read(&serde_json::from_str::<Box<serde_json::value::RawValue>>(json).unwrap())
    }

    #[test]
    fn an_answer_of_images_is_tokens_of_images_but_for_its_text() {
        let json = r#"{"input_tokens":50,"output_tokens":300,"total_tokens":350,
            "input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#;
        let metered = told(json).unwrap().metered(&asked(Operation::ImageEdits), 0);
        let expected = Usage {
            input_tokens: 10,
            image_input_tokens: 40,
            output_tokens: 300,
            image_output_tokens: 300,
            ..Usage::default()
        };
        assert_eq!((metered.usage, metered.estimated), (expected, false));
        let mixed = r#"{"prompt_tokens":5,"completion_tokens":300,"output_tokens_details":{"text_tokens":100}}"#;
        let usage = told(mixed).unwrap().metered(&asked(Operation::Images), 0).usage;
        assert_eq!((usage.output_tokens, usage.image_output_tokens), (300, 200));
    }

    #[test]
    fn sound_is_told_in_tokens_or_in_seconds() {
        let json = r#"{"type":"tokens","input_tokens":33,"output_tokens":7,"input_token_details":{"text_tokens":3,"audio_tokens":30}}"#;
        let usage = told(json).unwrap().metered(&asked(Operation::Transcriptions), 0).usage;
        assert_eq!((usage.input_tokens, usage.audio_input_tokens, usage.output_tokens), (3, 30, 7));
        let metered =
            told(r#"{"type":"duration","seconds":3.01}"#).unwrap().metered(&asked(Operation::Transcriptions), 99);
        let expected = Usage { audio_input_tokens: 31, ..Usage::default() };
        assert_eq!((metered.usage, metered.estimated), (expected, false));
    }

    #[test]
    fn what_nobody_told_is_estimated_by_what_was_asked() {
        let metered = |operation| Told::default().metered(&asked(operation), 41);
        let images = metered(Operation::ImageEdits);
        assert_eq!((images.usage.input_tokens, images.usage.image_input_tokens), (10, 4_160));
        assert_eq!((images.usage.image_output_tokens, images.estimated), (8_320, true));
        let speech = metered(Operation::Speech).usage;
        assert_eq!((speech.output_tokens, speech.audio_output_tokens), (45, 45));
        let transcript = metered(Operation::Transcriptions).usage;
        assert_eq!((transcript.input_tokens, transcript.audio_input_tokens, transcript.output_tokens), (10, 11, 11));
    }

    #[test]
    fn nonsense_is_nothing_told() {
        for nonsense in [
            "{}",
            "null",
            "[]",
            "7",
            r#"{"input_tokens":-1}"#,
            r#"{"input_tokens":1e300,"output_tokens":"9"}"#,
            r#"{"type":"duration","seconds":-3}"#,
            r#"{"type":"duration","seconds":1e99}"#,
        ] {
            assert_eq!(told(nonsense), None, "{nonsense}");
        }
        let usage =
            told(r#"{"input_tokens":10,"output_tokens":5,"input_tokens_details":{"image_tokens":99}}"#).unwrap();
        assert_eq!(usage.metered(&asked(Operation::Images), 0).usage.prompt_tokens(), 10);
    }

    #[test]
    fn no_answer_is_estimated_above_its_bound() {
        for operation in [Operation::Images, Operation::ImageEdits, Operation::Speech] {
            for spoken_bytes in [0, 1, 4_096] {
                let asked = Asked { spoken_bytes, ..asked(operation) };
                let bound = asked.longest_answer().unwrap() * asked.count;
                assert!(asked.answer_estimate(0) <= bound, "{operation:?}");
            }
        }
        assert_eq!(asked(Operation::Transcriptions).longest_answer(), None);
    }
}
