//! Streams: lines of JSON, read from an upstream, written for a client.

use std::collections::BTreeMap;

use bytes::Bytes;
use tallygate_core::conversation::{Delta, Ending, LIMITS, Problem, Text, ToolCall, Used};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::answer::{calls, end, ending, head, told_error, used};
use super::write_request::write_call;
use crate::dialect::json::fields::{Fields, Place};
use crate::dialect::json::writer::{Object, object_into};
use crate::dialect::wire::{Asked, ReadStream, WriteStream};

/// The most that is kept of calls that are not complete, in bytes. What is beyond it is left out, and the arguments are
/// empty then.
const CALLS_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Reader {
    seed: String,
    has_started: bool,
    has_ended: bool,
    calls: u32,
}

impl Reader {
    pub(super) fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned(), ..Self::default() }
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
        if fields.take("error").is_some() {
            return Err(told_error(data));
        }
        if !fields.has("message") && !fields.has("done") {
            return Err(garbage());
        }
        if !std::mem::replace(&mut self.has_started, true) {
            out.push(Delta::Start { id: None, model: fields.told_text("model") });
        }
        if let Some(mut message) = fields.told_fields("message") {
            let thought = message.told_some_text("thinking");
            out.extend(thought.map(|text| Delta::Thought { choice: 0, text }));
            let said = message.told_some_text("content");
            out.extend(said.map(|text| Delta::Text { choice: 0, text, logprobs: None }));
            for call in calls(&mut message, &self.seed, self.calls).ok_or_else(garbage)? {
                if self.calls as usize >= LIMITS.calls {
                    return Err(garbage());
                }
                let ToolCall { id, name, arguments: text, is_free, seal } = call;
                let call = self.calls;
                self.calls += 1;
                out.push(Delta::CallStart { choice: 0, call, id, name, is_free, seal });
                out.push(Delta::CallArguments { choice: 0, call, text });
                out.push(Delta::CallEnd { choice: 0, call });
            }
        }
        if fields.take("done").is_some_and(|raw| raw.get() == "true") {
            let ending = ending(fields.told_text("done_reason").as_deref(), self.calls > 0);
            out.push(Delta::Finish { choice: 0, ending });
            out.extend(used(&mut fields).map(Delta::Usage));
            out.push(Delta::End);
            self.has_ended = true;
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<Delta>) -> Result<(), Failure> {
        if self.has_ended { Ok(()) } else { Err(Failure::new(Kind::Reset)) }
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    model: Option<String>,
    used: Option<Used>,
    calls: BTreeMap<u32, ToolCall>,
    calls_bytes: usize,
    ending: Ending,
}

impl Writer {
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            asked: asked.clone(),
            model: None,
            used: None,
            calls: BTreeMap::new(),
            calls_bytes: 0,
            ending: Ending::default(),
        }
    }

    fn line(&self, out: &mut Vec<u8>, message: impl FnOnce(&mut Object<'_>)) {
        object_into(out, |body| {
            head(body, &self.asked, self.model.as_deref());
            body.object("message", |object| {
                object.text("role", "assistant");
                message(object);
            });
            body.flag("done", false);
        });
        out.push(b'\n');
    }
}

impl WriteStream for Writer {
    fn event(&mut self, event: Delta, out: &mut Vec<u8>) {
        match event {
            Delta::Start { model, .. } => self.model = model,
            Delta::Text { choice: 0, text, .. } | Delta::Refusal { choice: 0, text } => self.line(out, |message| {
                message.text("content", &text);
            }),
            Delta::Thought { choice: 0, text } => self.line(out, |message| {
                message.text("content", "").text("thinking", &text);
            }),
            Delta::CallStart { choice: 0, call, id, name, is_free, seal } => {
                self.calls.insert(call, ToolCall { id, name, arguments: Text::default(), is_free, seal });
            }
            Delta::CallArguments { choice: 0, call, text } => {
                if let Some(call) = self.calls.get_mut(&call)
                    && self.calls_bytes + text.len() <= CALLS_BYTES_MAX
                {
                    self.calls_bytes += text.len();
                    call.arguments.push_str(&text);
                }
            }
            Delta::CallEnd { choice: 0, call } => {
                if let Some(call) = self.calls.remove(&call) {
                    self.calls_bytes = self.calls_bytes.saturating_sub(call.arguments.len());
                    self.line(out, |message| {
                        message.text("content", "").list("tool_calls", |list| write_call(list, &call));
                    });
                }
            }
            Delta::Finish { choice: 0, ending } => self.ending = ending,
            Delta::Usage(used) => self.used = Some(used),
            Delta::End => {
                object_into(out, |body| {
                    head(body, &self.asked, self.model.as_deref());
                    body.object("message", |message| {
                        message.text("role", "assistant").text("content", "");
                    });
                    end(body, &self.ending, self.used.as_ref());
                });
                out.push(b'\n');
            }
            // One answer is all that this dialect has.
            _ => {}
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(&super::error_body(problem));
        out.push(b'\n');
    }

    fn keep_alive(&self) -> Option<Bytes> {
        None
    }
}
