//! What a call used, out of the canonical form of its answer: one way for every upstream dialect.
//!
//! The classes are those of [`Usage`]. What the upstream did not tell, since its stream was cut or it tells nothing, is
//! estimated from the text that passed, and marked.

use tallygate_core::conversation::{Content, Delta, Response, Used};
use tallygate_core::usage::Usage;

use super::metering::{self, Metered};

/// Follows one answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    used: Option<Used>,
    text_bytes: u64,
}

impl Meter {
    /// Notes an event of a stream.
    pub fn event(&mut self, event: &Delta) {
        match event {
            Delta::Text { text, .. }
            | Delta::Refusal { text, .. }
            | Delta::Thought { text, .. }
            | Delta::CallArguments { text, .. } => self.add(text.len()),
            Delta::CallStart { name, .. } => self.add(name.len()),
            Delta::Usage(used) => self.used = Some(*used),
            Delta::Start { .. } | Delta::Seal { .. } | Delta::CallEnd { .. } | Delta::Finish { .. } | Delta::End => {}
        }
    }

    /// Notes a whole answer.
    pub fn response(&mut self, response: &Response) {
        for part in response.choices.iter().flat_map(|choice| &choice.parts) {
            match &part.content {
                Content::Text(text) | Content::Refusal(text) => self.add(text.len()),
                Content::Thought(thought) => self.add(thought.text.len()),
                Content::ToolCall(call) => self.add(call.name.len() + call.arguments.len()),
                _ => {}
            }
        }
        self.used = response.used.or(self.used);
    }

    fn add(&mut self, bytes: usize) {
        self.text_bytes = self.text_bytes.saturating_add(bytes as u64);
    }

    /// Whether the upstream has told all of it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.used.is_some_and(|used| used.is_final)
    }

    /// What was used so far. `prompt_estimate` is in tokens, for a prompt that nobody counted.
    #[must_use]
    pub fn metered(&self, prompt_estimate: u64) -> Metered {
        let output_estimate = metering::estimate(self.text_bytes);
        match self.used {
            Some(Used { usage, is_final: true }) => Metered { usage, estimated: false },
            Some(Used { mut usage, is_final: false }) => {
                // A prompt that was told is told; an answer goes on after it was.
                if usage.prompt_tokens() == 0 {
                    usage.input_tokens = prompt_estimate;
                }
                usage.output_tokens = usage.output_tokens.max(output_estimate);
                Metered { usage, estimated: true }
            }
            None => {
                let usage = Usage { input_tokens: prompt_estimate, output_tokens: output_estimate, ..Usage::default() };
                Metered { usage, estimated: true }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use tallygate_core::conversation::{Delta, Used};
    use tallygate_core::usage::Usage;

    fn metered(events: &[Delta]) -> (u64, u64, bool) {
        let mut meter = Meter::default();
        events.iter().for_each(|event| meter.event(event));
        let metered = meter.metered(70);
        (metered.usage.prompt_tokens(), metered.usage.output_tokens, metered.estimated)
    }

    #[test]
    fn what_was_told_last_counts_and_the_rest_is_estimated() {
        let text = |text: &str| Delta::Text { choice: 0, text: text.into(), logprobs: None };
        let told = |input_tokens, output_tokens, is_final| {
            Delta::Usage(Used { usage: Usage { input_tokens, output_tokens, ..Usage::default() }, is_final })
        };
        assert_eq!(metered(&[]), (70, 0, true));
        assert_eq!(metered(&[text("12345678")]), (70, 2, true));
        // Cut after the prompt was told.
        assert_eq!(metered(&[told(9, 1, false), text("12345678")]), (9, 2, true));
        assert_eq!(metered(&[told(0, 1, false)]), (70, 1, true));
        assert_eq!(metered(&[told(9, 1, false), text("1234"), told(12, 40, true)]), (12, 40, false));
    }
}
