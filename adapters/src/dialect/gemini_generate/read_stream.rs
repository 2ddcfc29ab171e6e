//! An upstream's stream in this dialect: every frame is an answer with new parts only.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tallygate_core::conversation::{Delta, Ending, LIMITS, Used};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::read_answer::{Piece, blocked, ending, piece, told_error, used};
use crate::dialect::ids;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::wire::ReadStream;

#[derive(Debug, Default)]
pub(super) struct Reader {
    seed: String,
    has_started: bool,
    used: Option<Used>,
    /// By choice: how many calls it has made, and why it ended.
    choices: BTreeMap<u32, (u32, Option<Ending>)>,
}

impl Reader {
    pub(super) fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned(), ..Self::default() }
    }

    fn candidate(&mut self, raw: &RawValue, out: &mut Vec<Delta>) -> Option<()> {
        let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
        let choice = fields.told_index("index").unwrap_or_default();
        if choice as usize >= LIMITS.choices {
            return None;
        }
        let seed = &self.seed;
        let (calls, end) = self.choices.entry(choice).or_default();
        let parts = fields.told_fields("content").map(|mut content| content.told_list("parts")).unwrap_or_default();
        for raw in parts {
            match piece(raw)? {
                Piece::Text(text, mark) => {
                    out.extend(text.map(|text| Delta::Text { choice, text, logprobs: None }));
                    out.extend(mark.map(|seal| Delta::Seal { choice, seal }));
                }
                Piece::Thought(text, mark) => {
                    out.push(Delta::Thought { choice, text });
                    out.extend(mark.map(|seal| Delta::Seal { choice, seal }));
                }
                Piece::Call { id, name, arguments: text, seal } => {
                    let call = *calls;
                    if call as usize >= LIMITS.calls {
                        return None;
                    }
                    *calls += 1;
                    let id = id.unwrap_or_else(|| ids::minted(seed, choice, call));
                    out.push(Delta::CallStart { choice, call, id, name, is_free: false, seal });
                    out.push(Delta::CallArguments { choice, call, text });
                    out.push(Delta::CallEnd { choice, call });
                }
                Piece::Other => {}
            }
        }
        if let Some(word) = fields.told_text("finishReason") {
            *end = Some(ending(Some(&word), *calls > 0));
        }
        Some(())
    }
}

impl ReadStream for Reader {
    fn frame(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Failure> {
        let garbage = || Failure::new(Kind::Protocol);
        let text = std::str::from_utf8(data).map_err(|_| garbage())?;
        if let Some(failure) = told_error(text) {
            return Err(failure);
        }
        if text.starts_with('[') {
            // A stream that was not asked to be one of events is a list of answers.
            let list: &RawValue = serde_json::from_str(text).map_err(|_| garbage())?;
            let frames = Value::new(list, &Place::Root).list(usize::MAX, |item| Ok(item.json().to_owned()));
            let frames = frames.map_err(|_| garbage())?;
            let is_nested = |frame: &String| frame.starts_with('[');
            if frames.iter().any(is_nested) {
                return Err(garbage());
            }
            return frames.iter().try_for_each(|frame| self.frame(frame.as_bytes(), out));
        }
        let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
        if !self.has_started {
            self.has_started = true;
            out.push(Delta::Start { id: fields.told_text("responseId"), model: fields.told_text("modelVersion") });
        }
        // It is told with every frame, and grows.
        if let Some(used) = fields.take("usageMetadata").and_then(used) {
            self.used = Some(used);
            out.push(Delta::Usage(Used { is_final: false, ..used }));
        }
        let candidates = fields.told_list("candidates");
        if candidates.is_empty()
            && let Some(answer) = blocked(&mut fields)
        {
            self.choices.insert(0, (0, Some(answer.ending)));
        }
        candidates.into_iter().try_for_each(|raw| self.candidate(raw, out).ok_or_else(garbage))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), Failure> {
        // There is no marker of the end: an answer that says why it ended is complete.
        if self.choices.is_empty() || self.choices.values().any(|(_, ending)| ending.is_none()) {
            return Err(Failure::new(Kind::Reset));
        }
        for (choice, (_, ending)) in std::mem::take(&mut self.choices) {
            out.push(Delta::Finish { choice, ending: ending.unwrap_or_default() });
        }
        out.extend(self.used.map(Delta::Usage));
        out.push(Delta::End);
        Ok(())
    }
}
