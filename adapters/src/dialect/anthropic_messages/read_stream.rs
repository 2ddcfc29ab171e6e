//! An upstream's stream in this dialect.

use std::collections::BTreeMap;

use tallygate_core::conversation::{Delta, Ending, LIMITS, Seal, SealForm};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::read_answer::{ending, told_error};
use super::usage::Told;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::wire::ReadStream;

#[derive(Debug, Default)]
pub(super) struct Reader {
    told: Told,
    /// By index: the open blocks.
    open: BTreeMap<u32, Block>,
    calls: u32,
    has_started: bool,
    ending: Option<Ending>,
    has_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Text, reasoning, or what has no counterpart.
    Other,
    /// A call, by its number.
    Call(u32),
}

impl Reader {
    fn block_start(&mut self, mut fields: Fields<'_, '_>, out: &mut Vec<Delta>) -> Option<()> {
        let index = fields.told_index("index").unwrap_or_default();
        let mut block = fields.told_fields("content_block")?;
        let kind = block.told_text("type")?;
        if self.open.len() >= LIMITS.calls {
            return None;
        }
        match kind.as_str() {
            "tool_use" => {
                if self.calls as usize >= LIMITS.calls {
                    return None;
                }
                let call = self.calls;
                self.calls += 1;
                let (id, name) = (block.told_text("id")?, block.told_text("name")?);
                out.push(Delta::CallStart { choice: 0, call, id, name, is_free: false, seal: None });
                // Some servers send the arguments here, and no pieces of them.
                if let Some(input) = block.raw("input").filter(|input| input.is_object() && input.as_str() != "{}") {
                    out.push(Delta::CallArguments { choice: 0, call, text: input.as_str().into() });
                }
                self.open.insert(index, Block::Call(call));
            }
            "redacted_thinking" => {
                let data = block.told_text("data")?.into();
                out.push(Delta::Seal { choice: 0, seal: Seal { form: SealForm::Redacted, data } });
                self.open.insert(index, Block::Other);
            }
            _ => {
                let text = block.told_some_text("text");
                out.extend(text.map(|text| Delta::Text { choice: 0, text, logprobs: None }));
                let text = block.told_some_text("thinking");
                out.extend(text.map(|text| Delta::Thought { choice: 0, text }));
                self.open.insert(index, Block::Other);
            }
        }
        Some(())
    }

    fn block_delta(&mut self, mut fields: Fields<'_, '_>, out: &mut Vec<Delta>) -> Option<()> {
        let index = fields.told_index("index").unwrap_or_default();
        let mut delta = fields.told_fields("delta")?;
        match delta.told_text("type")?.as_str() {
            "text_delta" => {
                let text = delta.told_some_text("text");
                out.extend(text.map(|text| Delta::Text { choice: 0, text, logprobs: None }));
            }
            "thinking_delta" => {
                let text = delta.told_some_text("thinking");
                out.extend(text.map(|text| Delta::Thought { choice: 0, text }));
            }
            "signature_delta" => {
                let data = delta.told_some_text("signature");
                let seal = data.map(|data| Seal { form: SealForm::Signature, data });
                out.extend(seal.map(|seal| Delta::Seal { choice: 0, seal }));
            }
            "input_json_delta" => {
                if let Some(Block::Call(call)) = self.open.get(&index) {
                    let text = delta.told_some_text("partial_json");
                    out.extend(text.map(|text| Delta::CallArguments { choice: 0, call: *call, text }));
                }
            }
            // Citations and what is not known: nothing in other dialects.
            _ => {}
        }
        Some(())
    }

    fn message_start(&mut self, mut fields: Fields<'_, '_>, out: &mut Vec<Delta>) -> Option<()> {
        let mut message = fields.told_fields("message")?;
        self.has_started = true;
        out.push(Delta::Start { id: message.told_text("id"), model: message.told_text("model") });
        if let Some(usage) = message.take("usage") {
            self.told.take(usage);
            out.extend(self.told.used(false).map(Delta::Usage));
        }
        Some(())
    }

    fn message_delta(&mut self, mut fields: Fields<'_, '_>) {
        if let Some(usage) = fields.take("usage") {
            self.told.take(usage);
        }
        if let Some(mut delta) = fields.told_fields("delta")
            && let Some(reason) = delta.told_text("stop_reason")
        {
            self.ending = Some(ending(Some(&reason), delta.told_text("stop_sequence")));
        }
    }

    fn message_stop(&mut self, out: &mut Vec<Delta>) {
        for block in std::mem::take(&mut self.open).into_values() {
            if let Block::Call(call) = block {
                out.push(Delta::CallEnd { choice: 0, call });
            }
        }
        out.push(Delta::Finish { choice: 0, ending: self.ending.take().unwrap_or_default() });
        out.extend(self.told.used(true).map(Delta::Usage));
        out.push(Delta::End);
        self.has_ended = true;
    }
}

impl ReadStream for Reader {
    fn frame(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.has_ended {
            return Ok(());
        }
        let garbage = || Failure::new(Kind::Protocol);
        let text = std::str::from_utf8(data).map_err(|_| garbage())?;
        let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
        let kind =
            fields.told_text("type").ok_or_else(|| if fields.has("error") { told_error(data) } else { garbage() })?;
        match kind.as_str() {
            "error" => return Err(told_error(data)),
            "message_start" => self.message_start(fields, out).ok_or_else(garbage)?,
            "content_block_start" => self.block_start(fields, out).ok_or_else(garbage)?,
            "content_block_delta" => self.block_delta(fields, out).ok_or_else(garbage)?,
            "content_block_stop" => {
                let index = fields.told_index("index").unwrap_or_default();
                if let Some(Block::Call(call)) = self.open.remove(&index) {
                    out.push(Delta::CallEnd { choice: 0, call });
                }
            }
            "message_delta" => self.message_delta(fields),
            "message_stop" if self.has_started => self.message_stop(out),
            "message_stop" => return Err(garbage()),
            // Pings, and events that are not known yet.
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.has_ended { Ok(()) } else { Err(Failure::new(Kind::Reset)) }
    }
}
