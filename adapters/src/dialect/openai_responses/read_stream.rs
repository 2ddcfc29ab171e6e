//! An upstream's stream in this dialect.

use std::collections::BTreeMap;

use tallygate_core::conversation::{Delta, LIMITS, SealForm, deltas};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::read_answer::{ending, response, told_error, used};
use super::seals::unpack;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::wire::ReadStream;

#[derive(Debug, Default)]
pub(super) struct Reader {
    has_started: bool,
    has_said: bool,
    has_ended: bool,
    /// By place in the output: the number of the call, and whether arguments came.
    calls: BTreeMap<u32, (u32, bool)>,
    count: u32,
}

impl Reader {
    fn start(&mut self, fields: &mut Fields<'_, '_>, out: &mut Vec<Delta>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let mut response = fields.told_fields("response");
        let mut text = |name: &str| response.as_mut().and_then(|response| response.told_text(name));
        out.push(Delta::Start { id: text("id"), model: text("model") });
    }

    fn item_added(&mut self, mut fields: Fields<'_, '_>, out: &mut Vec<Delta>) -> Option<()> {
        let place = fields.told_index("output_index").unwrap_or_default();
        let mut item = fields.told_fields("item")?;
        let kind = item.told_text("type")?;
        if !matches!(kind.as_str(), "function_call" | "custom_tool_call") {
            return Some(());
        }
        if self.count as usize >= LIMITS.calls {
            return None;
        }
        let call = self.count;
        self.count += 1;
        self.calls.insert(place, (call, false));
        let (id, name) = (item.told_text("call_id")?, item.told_text("name")?);
        let is_free = kind == "custom_tool_call";
        out.push(Delta::CallStart { choice: 0, call, id, name, is_free, seal: None });
        Some(())
    }

    fn item_done(&mut self, mut fields: Fields<'_, '_>, out: &mut Vec<Delta>) -> Option<()> {
        let place = fields.told_index("output_index").unwrap_or_default();
        let mut item = fields.told_fields("item")?;
        match item.told_text("type")?.as_str() {
            kind @ ("function_call" | "custom_tool_call") => {
                let (call, has_arguments) = self.calls.get(&place).copied()?;
                let field = if kind == "custom_tool_call" { "input" } else { "arguments" };
                let text = item.told_some_text(field).filter(|_| !has_arguments);
                out.extend(text.map(|text| Delta::CallArguments { choice: 0, call, text }));
                out.push(Delta::CallEnd { choice: 0, call });
            }
            "reasoning" => {
                let seal = item.told_some_text("encrypted_content").map(|data| unpack(&data));
                // A mark that was packed is a call's; it goes with nothing here.
                let seal = seal.filter(|seal| seal.form != SealForm::Mark);
                out.extend(seal.map(|seal| Delta::Seal { choice: 0, seal }));
            }
            _ => {}
        }
        Some(())
    }

    fn arguments(&mut self, mut fields: Fields<'_, '_>, out: &mut Vec<Delta>) {
        let place = fields.told_index("output_index").unwrap_or_default();
        let text = fields.told_some_text("delta");
        if let (Some((call, has_arguments)), Some(text)) = (self.calls.get_mut(&place), text) {
            *has_arguments = true;
            out.push(Delta::CallArguments { choice: 0, call: *call, text });
        }
    }

    fn end(&mut self, mut fields: Fields<'_, '_>, out: &mut Vec<Delta>) -> Option<()> {
        let mut response_fields = fields.told_fields("response")?;
        if !self.has_said {
            // A model without a stream of its own: all of it comes at the end.
            let whole = response(&mut response_fields)?;
            out.extend(deltas(whole).into_iter().filter(|event| !matches!(event, Delta::Start { .. })));
        } else {
            let status = response_fields.told_text("status").unwrap_or_default();
            let details = response_fields.told_fields("incomplete_details");
            let reason = details.and_then(|mut details| details.told_text("reason"));
            let ending = ending(&status, reason.as_deref(), self.count > 0);
            out.push(Delta::Finish { choice: 0, ending });
            out.extend(response_fields.take("usage").and_then(used).map(Delta::Usage));
            out.push(Delta::End);
        }
        self.has_ended = true;
        Some(())
    }
}

impl ReadStream for Reader {
    fn frame(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.has_ended || data == b"[DONE]" {
            return Ok(());
        }
        let garbage = || Failure::new(Kind::Protocol);
        let text = std::str::from_utf8(data).map_err(|_| garbage())?;
        let mut fields = Fields::parse(text, &Place::Root).map_err(|_| garbage())?;
        let Some(kind) = fields.told_text("type") else {
            return Err(if fields.has("error") { told_error(data) } else { garbage() });
        };
        let before = out.len();
        match kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(&mut fields, out);
                return Ok(());
            }
            "response.output_item.added" => self.item_added(fields, out).ok_or_else(garbage)?,
            "response.output_item.done" => self.item_done(fields, out).ok_or_else(garbage)?,
            "response.output_text.delta" => {
                let text = fields.told_some_text("delta");
                out.extend(text.map(|text| Delta::Text { choice: 0, text, logprobs: None }));
            }
            "response.refusal.delta" => {
                out.extend(fields.told_some_text("delta").map(|text| Delta::Refusal { choice: 0, text }));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                out.extend(fields.told_some_text("delta").map(|text| Delta::Thought { choice: 0, text }));
            }
            "response.reasoning_summary_part.added" if fields.told_index("summary_index").is_some_and(|at| at > 0) => {
                out.push(Delta::Thought { choice: 0, text: "\n\n".into() });
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(fields, out);
            }
            "response.completed" | "response.incomplete" => {
                self.start(&mut Fields::parse(text, &Place::Root).map_err(|_| garbage())?, out);
                return self.end(fields, out).ok_or_else(garbage);
            }
            "response.failed" => return Err(failed(fields, data)),
            "error" => return Err(told_error(data)),
            // Parts that begin and end, tools of the provider's, and what is not known yet.
            _ => {}
        }
        self.has_said |= out.len() > before;
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.has_ended { Ok(()) } else { Err(Failure::new(Kind::Reset)) }
    }
}

/// The error is within the response.
fn failed(mut fields: Fields<'_, '_>, data: &[u8]) -> Failure {
    match fields.take("response") {
        Some(response) => told_error(response.get().as_bytes()),
        None => told_error(data),
    }
}
