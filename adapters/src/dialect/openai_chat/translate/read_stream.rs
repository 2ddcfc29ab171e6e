//! An upstream's stream in this dialect, as careless as vendors write it: usage on any event, calls without index or id,
//! events without choices, an annotation after the end.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tallygate_core::conversation::{Content, Delta, Ending, LIMITS, Raw, Seal, SealForm, Text, Thought};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::super::error::within_answer;
use super::read_answer::{contents, ending, used};
use crate::dialect::ids;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::wire::ReadStream;
use crate::provider::vendor_fields;

#[derive(Debug, Default)]
pub(super) struct Reader {
    seed: String,
    has_started: bool,
    has_ended: bool,
    /// Whether any piece of an answer came.
    has_said: bool,
    choices: BTreeMap<u32, ChoiceState>,
    used: Option<tallygate_core::conversation::Used>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    calls: Vec<CallState>,
    ending: Option<Ending>,
}

#[derive(Debug)]
struct CallState {
    /// The upstream's own number for it.
    index: Option<u32>,
    id: Option<String>,
}

/// A call as its first piece tells it.
struct New {
    index: Option<u32>,
    id: Option<String>,
    name: String,
    is_free: bool,
    seal: Option<Seal>,
}

impl Reader {
    pub(super) fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned(), ..Self::default() }
    }

    fn choice(&mut self, raw: &RawValue, out: &mut Vec<Delta>) -> Result<(), Failure> {
        let garbage = || Failure::new(Kind::Protocol);
        let mut fields = Fields::parse(raw.get(), &Place::Root).map_err(|_| garbage())?;
        let number = fields.told_index("index").unwrap_or_default();
        if number as usize >= LIMITS.choices {
            return Err(garbage());
        }
        let logprobs = fields.take("logprobs").map(Raw::of);
        let mut delta = fields.told_fields("delta");
        let said = out.len();
        if let Some(delta) = &mut delta {
            pieces(delta, number, logprobs, out);
            let calls = delta.told_list("tool_calls");
            let old = delta.take("function_call");
            let state = self.choices.entry(number).or_default();
            for raw in calls {
                state.call(raw, number, &self.seed, out).ok_or_else(garbage)?;
            }
            if let Some(old) = old {
                state.old_call(old, number, &self.seed, out).ok_or_else(garbage)?;
            }
        }
        self.has_said |= out.len() > said;
        if let Some(word) = fields.told_text("finish_reason") {
            match word.as_str() {
                "error" => return Err(Failure::new(Kind::ServerError)),
                // The vendor ran out of machines: before anything was said somebody else may answer.
                "insufficient_system_resource" if !self.has_said => return Err(Failure::new(Kind::Overloaded)),
                _ => {}
            }
            let state = self.choices.entry(number).or_default();
            state.ending = Some(ending(Some(&word), !state.calls.is_empty()));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Delta>) {
        for (choice, state) in std::mem::take(&mut self.choices) {
            out.extend((0..).zip(&state.calls).map(|(call, _)| Delta::CallEnd { choice, call }));
            let ending = state.ending.unwrap_or_else(|| ending(None, !state.calls.is_empty()));
            out.push(Delta::Finish { choice, ending });
        }
        out.extend(self.used.map(Delta::Usage));
        out.push(Delta::End);
        self.has_ended = true;
    }
}

impl ReadStream for Reader {
    fn frame(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.has_ended {
            return Ok(());
        }
        if data == b"[DONE]" {
            if self.choices.is_empty() {
                return Err(Failure::new(Kind::Protocol));
            }
            self.end(out);
            return Ok(());
        }
        let garbage = || Failure::new(Kind::Protocol);
        let text = std::str::from_utf8(data).map_err(|_| garbage())?;
        let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
        if fields.take("error").is_some() {
            return Err(within_answer(data, 200));
        }
        if let Some(used) = fields.take("usage").and_then(used) {
            self.used = Some(used);
        }
        let choices = fields.told_list("choices");
        if !choices.is_empty() && !self.has_started {
            self.has_started = true;
            let some = |text: Option<String>| text.filter(|text| !text.is_empty());
            out.push(Delta::Start { id: some(fields.told_text("id")), model: some(fields.told_text("model")) });
        }
        choices.into_iter().try_for_each(|raw| self.choice(raw, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.has_ended {
            return Ok(());
        }
        // Some vendors leave the marker of the end out. An answer that says why it ended is complete.
        if self.choices.is_empty() || self.choices.values().any(|state| state.ending.is_none()) {
            return Err(Failure::new(Kind::Reset));
        }
        self.end(out);
        Ok(())
    }
}

/// Text and reasoning of a delta.
fn pieces(delta: &mut Fields<'_, '_>, choice: u32, mut logprobs: Option<Raw>, out: &mut Vec<Delta>) {
    let thought = delta.told_some_text("reasoning_content").or(delta.told_some_text("reasoning"));
    out.extend(thought.map(|text| Delta::Thought { choice, text }));
    for raw in delta.told_list("thinking_blocks") {
        out.extend(seal(raw).map(|seal| Delta::Seal { choice, seal }));
    }
    for content in contents(delta) {
        match content {
            Content::Text(text) => out.push(Delta::Text { choice, text, logprobs: logprobs.take() }),
            Content::Thought(Thought { text, .. }) => out.push(Delta::Thought { choice, text }),
            _ => {}
        }
    }
    out.extend(delta.told_some_text("refusal").map(|text| Delta::Refusal { choice, text }));
}

fn seal(raw: &RawValue) -> Option<Seal> {
    let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
    let signature = fields.told_some_text("signature").map(|data| Seal { form: SealForm::Signature, data });
    signature.or_else(|| fields.told_some_text("data").map(|data| Seal { form: SealForm::Redacted, data }))
}

impl ChoiceState {
    /// A piece of a call; none for what is none.
    fn call(&mut self, raw: &RawValue, choice: u32, seed: &str, out: &mut Vec<Delta>) -> Option<()> {
        let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
        let index = fields.told_index("index");
        let id = fields.told_text("id").filter(|id| !id.is_empty());
        let mark = fields.take("extra_content").and_then(|raw| vendor_fields::mark(Value::new(raw, &Place::Root)));
        let custom = fields.told_fields("custom");
        let is_free = custom.is_some();
        let mut inner = custom.or_else(|| fields.told_fields("function"));
        let name = inner.as_mut().and_then(|inner| inner.told_text("name")).filter(|name| !name.is_empty());
        let arguments = inner.as_mut().and_then(|inner| inner.take(if is_free { "input" } else { "arguments" }));
        let arguments = arguments.map(|raw| {
            let value = Value::new(raw, &Place::Root);
            value.text().unwrap_or_else(|_| value.raw().as_str().into())
        });
        let seal = mark.map(|data| Seal { form: SealForm::Mark, data });
        let call = match self.known(index, id.as_deref()) {
            Some(call) => call,
            None => self.begin(New { index, id, name: name?, is_free, seal }, choice, seed, out)?,
        };
        out.extend(arguments.filter(|text| !text.is_empty()).map(|text| Delta::CallArguments { choice, call, text }));
        Some(())
    }

    /// The call that a piece belongs to, if it is not a new one.
    fn known(&self, index: Option<u32>, id: Option<&str>) -> Option<u32> {
        let place = match (index, id) {
            (Some(index), _) => self.calls.iter().position(|call| call.index == Some(index)),
            (None, Some(id)) => self.calls.iter().position(|call| call.id.as_deref() == Some(id)),
            (None, None) => self.calls.len().checked_sub(1),
        };
        place.and_then(|place| u32::try_from(place).ok())
    }

    fn begin(&mut self, new: New, choice: u32, seed: &str, out: &mut Vec<Delta>) -> Option<u32> {
        if self.calls.len() >= LIMITS.calls {
            return None;
        }
        let call = u32::try_from(self.calls.len()).ok()?;
        let id = new.id.clone().unwrap_or_else(|| ids::minted(seed, choice, call));
        self.calls.push(CallState { index: new.index, id: new.id });
        out.push(Delta::CallStart { choice, call, id, name: new.name, is_free: new.is_free, seal: new.seal });
        Some(call)
    }

    /// A piece of a call in the old form: one an answer, without an id.
    fn old_call(&mut self, raw: &RawValue, choice: u32, seed: &str, out: &mut Vec<Delta>) -> Option<()> {
        let mut fields = Fields::parse(raw.get(), &Place::Root).ok()?;
        let name = fields.told_text("name").filter(|name| !name.is_empty());
        let call = match self.known(None, None) {
            Some(call) => call,
            None => {
                let new = New { index: None, id: None, name: name?, is_free: false, seal: None };
                self.begin(new, choice, seed, out)?
            }
        };
        let arguments: Option<Text> = fields.told_some_text("arguments");
        out.extend(arguments.map(|text| Delta::CallArguments { choice, call, text }));
        Some(())
    }
}
