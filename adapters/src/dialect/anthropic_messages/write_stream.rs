//! A stream for a client of this dialect: one block open at a time, with numbers from 0 without gaps.
//!
//! Other dialects let calls interleave. What cannot be told while another call is open is kept until that one ends.

use std::collections::VecDeque;

use bytes::Bytes;
use tallygate_core::conversation::{Delta, Ending, Problem, Seal, SealForm, Used};
use tallygate_core::usage::Usage;

use super::write_answer::{id, write_ending};
use super::{problem, usage};
use crate::dialect::json::writer::{Object, object_into};
use crate::dialect::wire::{Asked, WriteStream};

/// The most that is kept of blocks that wait for another one to end, in bytes. Beyond it the open one is taken for
/// complete.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    model: Option<String>,
    used: Option<Used>,
    has_begun: bool,
    next_index: u32,
    open: Open,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Thinking,
    Text,
    Call(u32),
}

/// A block that waits for a call to end.
#[derive(Debug)]
struct Waiting {
    block: Begin,
    text: String,
    is_complete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Begin {
    Thinking,
    Text,
    Call { call: u32, id: String, name: String },
}

impl Begin {
    const fn open(&self) -> Open {
        match self {
            Self::Thinking => Open::Thinking,
            Self::Text => Open::Text,
            Self::Call { call, .. } => Open::Call(*call),
        }
    }
}

fn event(out: &mut Vec<u8>, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    object_into(out, |object| {
        object.text("type", name);
        fill(object);
    });
    out.extend_from_slice(b"\n\n");
}

impl Writer {
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            asked: asked.clone(),
            model: None,
            used: None,
            has_begun: false,
            next_index: 0,
            open: Open::Nothing,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ending: Ending::default(),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let estimate = Usage { input_tokens: self.asked.input_estimate_tokens, ..Usage::default() };
        let told = self.used.map_or(estimate, |used| used.usage);
        event(out, "message_start", |object| {
            object.object("message", |message| {
                message.text("id", &id(&self.asked)).text("type", "message").text("role", "assistant");
                message.text("model", self.asked.model(self.model.as_deref())).list("content", |_| {});
                message.null("stop_reason").null("stop_sequence");
                message.object("usage", |object| usage::write(object, &told));
            });
        });
    }

    fn start_block(&mut self, block: &Begin, out: &mut Vec<u8>) {
        self.begin(out);
        event(out, "content_block_start", |object| {
            object.number("index", self.next_index).object("content_block", |content| match block {
                Begin::Thinking => {
                    content.text("type", "thinking").text("thinking", "").text("signature", "");
                }
                Begin::Text => {
                    content.text("type", "text").text("text", "");
                }
                Begin::Call { id, name, .. } => {
                    content.text("type", "tool_use").text("id", id).text("name", name).object("input", |_| {});
                }
            });
        });
        self.open = block.open();
    }

    fn delta(&self, kind: &str, field: &str, text: &str, out: &mut Vec<u8>) {
        event(out, "content_block_delta", |object| {
            object.number("index", self.next_index).object("delta", |delta| {
                delta.text("type", kind).text(field, text);
            });
        });
    }

    fn more(&self, text: &str, out: &mut Vec<u8>) {
        match self.open {
            Open::Nothing => {}
            Open::Thinking => self.delta("thinking_delta", "thinking", text, out),
            Open::Text => self.delta("text_delta", "text", text, out),
            Open::Call(_) => self.delta("input_json_delta", "partial_json", text, out),
        }
    }

    fn close_block(&mut self, out: &mut Vec<u8>) {
        if self.open == Open::Nothing {
            return;
        }
        event(out, "content_block_stop", |object| {
            object.number("index", self.next_index);
        });
        self.next_index += 1;
        self.open = Open::Nothing;
    }

    /// Text or reasoning: into the open block, a new one, or one that waits.
    fn say(&mut self, block: Begin, text: &str, out: &mut Vec<u8>) {
        if matches!(self.open, Open::Call(_)) {
            return self.wait(block, text, out);
        }
        if self.open != block.open() {
            self.close_block(out);
            self.start_block(&block, out);
        }
        self.more(text, out);
    }

    fn wait(&mut self, block: Begin, text: &str, out: &mut Vec<u8>) {
        self.waiting_bytes += text.len() + 64;
        match self.waiting.back_mut() {
            Some(last) if last.block == block && !last.is_complete => last.text.push_str(text),
            _ => self.waiting.push_back(Waiting { block, text: text.to_owned(), is_complete: false }),
        }
        if self.waiting_bytes > WAITING_BYTES_MAX {
            self.close_block(out);
            self.tell_waiting(out);
        }
    }

    /// Tells what waits, up to a call that is not complete: that one is open then.
    fn tell_waiting(&mut self, out: &mut Vec<u8>) {
        while let Some(waiting) = self.waiting.pop_front() {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.text.len() + 64);
            self.start_block(&waiting.block, out);
            if !waiting.text.is_empty() {
                self.more(&waiting.text, out);
            }
            let is_last = self.waiting.is_empty();
            let may_grow = match waiting.block {
                Begin::Call { .. } => !waiting.is_complete,
                Begin::Text | Begin::Thinking => is_last,
            };
            if may_grow {
                return;
            }
            self.close_block(out);
        }
    }

    fn call_start(&mut self, call: u32, id: String, name: String, out: &mut Vec<u8>) {
        let block = Begin::Call { call, id, name };
        if matches!(self.open, Open::Call(_)) {
            return self.wait(block, "", out);
        }
        self.close_block(out);
        self.start_block(&block, out);
    }

    fn waiting_call(&mut self, call: u32) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.block.open() == Open::Call(call))
    }

    fn call_arguments(&mut self, call: u32, text: &str, out: &mut Vec<u8>) {
        if self.open == Open::Call(call) {
            return self.more(text, out);
        }
        if let Some(waiting) = self.waiting_call(call) {
            waiting.text.push_str(text);
            self.waiting_bytes += text.len();
        }
        if self.waiting_bytes > WAITING_BYTES_MAX {
            self.close_block(out);
            self.tell_waiting(out);
        }
    }

    fn call_end(&mut self, call: u32, out: &mut Vec<u8>) {
        if self.open == Open::Call(call) {
            self.close_block(out);
            self.tell_waiting(out);
        } else if let Some(waiting) = self.waiting_call(call) {
            waiting.is_complete = true;
        }
    }

    fn seal(&mut self, seal: &Seal, out: &mut Vec<u8>) {
        match seal.form {
            SealForm::Signature => {
                if self.open != Open::Thinking {
                    self.close_block(out);
                    self.start_block(&Begin::Thinking, out);
                }
                self.delta("signature_delta", "signature", &seal.data, out);
                self.close_block(out);
            }
            SealForm::Redacted => {
                self.close_block(out);
                self.begin(out);
                event(out, "content_block_start", |object| {
                    object.number("index", self.next_index).object("content_block", |content| {
                        content.text("type", "redacted_thinking").text("data", &seal.data);
                    });
                });
                self.open = Open::Thinking;
                self.close_block(out);
            }
            SealForm::Mark | SealForm::Ciphertext => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.close_block(out);
        while !self.waiting.is_empty() {
            self.tell_waiting(out);
            self.close_block(out);
        }
        let told = self.used.map_or_else(Usage::default, |used| used.usage);
        event(out, "message_delta", |object| {
            object.object("delta", |delta| write_ending(delta, &self.ending));
            object.object("usage", |object| usage::write(object, &told));
        });
        event(out, "message_stop", |_| {});
    }
}

impl WriteStream for Writer {
    fn event(&mut self, event: Delta, out: &mut Vec<u8>) {
        match event {
            Delta::Start { model, .. } => self.model = model,
            Delta::Usage(used) => self.used = Some(used),
            Delta::Text { choice: 0, text, .. } | Delta::Refusal { choice: 0, text } => {
                self.say(Begin::Text, &text, out);
            }
            Delta::Thought { choice: 0, text } => self.say(Begin::Thinking, &text, out),
            Delta::Seal { choice: 0, seal } => self.seal(&seal, out),
            Delta::CallStart { choice: 0, call, id, name, .. } => self.call_start(call, id, name, out),
            Delta::CallArguments { choice: 0, call, text } => self.call_arguments(call, &text, out),
            Delta::CallEnd { choice: 0, call } => self.call_end(call, out),
            Delta::Finish { choice: 0, ending } => self.ending = ending,
            Delta::End => self.end(out),
            // One answer is all that this dialect has.
            _ => {}
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend_from_slice(&problem::write(problem, "").body);
        out.extend_from_slice(b"\n\n");
    }

    fn keep_alive(&self) -> Option<Bytes> {
        // Clients expect the answer's start before anything else.
        self.has_begun.then(|| Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n"))
    }
}
