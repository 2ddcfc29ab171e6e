//! A stream for a client of this dialect.

use std::collections::{BTreeMap, BTreeSet};

use tallygate_core::conversation::{Delta, Ending, Problem, Raw, Seal, SealForm, Text, Used};

use super::super::error::DONE;
use super::problem;
use super::write_answer::{finish_reason, id, native_finish, thinking_block, usage};
use crate::dialect::json::writer::{Object, object_into, quote};
use crate::dialect::wire::{Asked, WriteStream};
use crate::provider::vendor_fields;

#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    /// What all events begin with, once the model is known.
    head: Vec<u8>,
    begun: BTreeSet<u32>,
    /// By call: whether its arguments are free text, and whether any came.
    calls: BTreeMap<(u32, u32), (bool, bool)>,
    used: Option<Used>,
}

impl Writer {
    pub(super) fn new(asked: &Asked) -> Self {
        let mut writer =
            Self { asked: asked.clone(), head: Vec::new(), begun: BTreeSet::new(), calls: BTreeMap::new(), used: None };
        writer.set_head(None);
        writer
    }

    fn set_head(&mut self, model: Option<&str>) {
        self.head.clear();
        self.head.extend_from_slice(b"data: {\"id\":");
        quote(&mut self.head, &id(&self.asked));
        let created = format!(",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":", self.asked.created_s);
        self.head.extend_from_slice(created.as_bytes());
        quote(&mut self.head, self.asked.model(model));
    }

    fn tail(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.asked.request.asks_for_usage { b",\"usage\":null}\n\n" } else { b"}\n\n" });
    }

    fn chunk(
        &self,
        choice: u32,
        ending: Option<&Ending>,
        logprobs: Option<&Raw>,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut Object<'_>),
    ) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b",\"choices\":[");
        object_into(out, |object| {
            object.number("index", choice).object("delta", delta);
            match logprobs {
                Some(logprobs) => object.raw("logprobs", logprobs),
                None => object.null("logprobs"),
            };
            object.text_or_null("finish_reason", ending.map(|ending| finish_reason(ending, &self.asked)));
            if let Some(ending) = ending {
                native_finish(object, ending);
            }
        });
        out.push(b']');
        self.tail(out);
    }

    /// The role, before anything else of a choice.
    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) {
        if self.begun.insert(choice) {
            self.chunk(choice, None, None, out, |delta| {
                delta.text("role", "assistant").text("content", "").null("refusal");
            });
        }
    }

    fn piece(&mut self, choice: u32, name: &str, text: &Text, logprobs: Option<&Raw>, out: &mut Vec<u8>) {
        self.begin(choice, out);
        self.chunk(choice, None, logprobs, out, |delta| {
            delta.text(name, text);
        });
    }

    fn seal(&mut self, choice: u32, seal: &Seal, out: &mut Vec<u8>) {
        if !matches!(seal.form, SealForm::Signature | SealForm::Redacted) {
            return;
        }
        self.begin(choice, out);
        self.chunk(choice, None, None, out, |delta| {
            delta.list("thinking_blocks", |list| thinking_block(list, "", seal));
        });
    }

    fn call_start(&mut self, place: (u32, u32), id: &str, name: &str, seal: Option<&Seal>, out: &mut Vec<u8>) {
        let (choice, call) = place;
        let is_free = self.calls.get(&place).is_some_and(|call| call.0);
        let is_old = self.asked.request.old_functions;
        self.begin(choice, out);
        self.chunk(choice, None, None, out, |delta| {
            if is_old {
                delta.object("function_call", |function| {
                    function.text("name", name).text("arguments", "");
                });
                return;
            }
            let (kind, argument) = if is_free { ("custom", "input") } else { ("function", "arguments") };
            delta.list("tool_calls", |list| {
                list.object(|object| {
                    object.number("index", call).text("id", id).text("type", kind).object(kind, |inner| {
                        inner.text("name", name).text(argument, "");
                    });
                    if let Some(Seal { form: SealForm::Mark, data }) = seal {
                        vendor_fields::write_mark(object, data);
                    }
                });
            });
        });
    }

    fn call_arguments(&mut self, choice: u32, call: u32, text: &str, out: &mut Vec<u8>) {
        let Some(state) = self.calls.get_mut(&(choice, call)) else { return };
        state.1 = true;
        let is_free = state.0;
        let is_old = self.asked.request.old_functions;
        self.chunk(choice, None, None, out, |delta| {
            if is_old {
                delta.object("function_call", |function| {
                    function.text("arguments", text);
                });
                return;
            }
            let (kind, argument) = if is_free { ("custom", "input") } else { ("function", "arguments") };
            delta.list("tool_calls", |list| {
                list.object(|object| {
                    object.number("index", call).object(kind, |inner| {
                        inner.text(argument, text);
                    });
                });
            });
        });
    }
}

impl WriteStream for Writer {
    fn event(&mut self, event: Delta, out: &mut Vec<u8>) {
        match event {
            Delta::Start { model, .. } => self.set_head(model.as_deref()),
            Delta::Text { choice, text, logprobs } => self.piece(choice, "content", &text, logprobs.as_ref(), out),
            Delta::Refusal { choice, text } => self.piece(choice, "refusal", &text, None, out),
            Delta::Thought { choice, text } => self.piece(choice, "reasoning_content", &text, None, out),
            Delta::Seal { choice, seal } => self.seal(choice, &seal, out),
            Delta::CallStart { choice, call, id, name, is_free, seal } => {
                self.calls.insert((choice, call), (is_free, false));
                self.call_start((choice, call), &id, &name, seal.as_ref(), out);
            }
            Delta::CallArguments { text, .. } if text.is_empty() => {}
            Delta::CallArguments { choice, call, text } => self.call_arguments(choice, call, &text, out),
            Delta::CallEnd { choice, call } => {
                // Clients parse the arguments, and no text is no JSON.
                if self.calls.get(&(choice, call)) == Some(&(false, false)) {
                    self.call_arguments(choice, call, "{}", out);
                }
            }
            Delta::Finish { choice, ending } => {
                self.begin(choice, out);
                self.chunk(choice, Some(&ending), None, out, |_| {});
            }
            Delta::Usage(used) => self.used = Some(used),
            Delta::End => {
                if let Some(used) = self.used.filter(|_| self.asked.request.asks_for_usage) {
                    out.extend_from_slice(&self.head);
                    out.extend_from_slice(b",\"choices\":[],\"usage\":");
                    object_into(out, |object| usage(object, &used.usage));
                    out.extend_from_slice(b"}\n\n");
                }
                out.extend_from_slice(DONE.as_bytes());
            }
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&problem::write(problem).body);
        out.extend_from_slice(b"\n\n");
        out.extend_from_slice(DONE.as_bytes());
    }
}
