//! A stream for a client of this dialect: every item begins, grows and is done, and the end repeats all of them.

use std::collections::BTreeMap;

use tallygate_core::conversation::{Delta, Ending, Problem, Seal, SealForm, Text, Used};

use super::envelope::{self, Item, Kind, State, write_part};
use crate::dialect::json::writer::{Object, object_into};
use crate::dialect::openai_chat;
use crate::dialect::wire::{Asked, WriteStream};

/// The most that is kept of an answer, to be repeated at its end, in bytes. What is beyond it is told once only.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    model: Option<String>,
    sequence: u64,
    has_begun: bool,
    items: Vec<Item>,
    kept_bytes: usize,
    /// The place of the message or reasoning that grows.
    open: Option<usize>,
    /// By call: its place.
    calls: BTreeMap<u32, usize>,
    used: Option<Used>,
    ending: Ending,
}

impl Writer {
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            asked: asked.clone(),
            model: None,
            sequence: 0,
            has_begun: false,
            items: Vec::new(),
            kept_bytes: 0,
            open: None,
            calls: BTreeMap::new(),
            used: None,
            ending: Ending::default(),
        }
    }

    fn event(&mut self, name: &str, out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let sequence = self.sequence;
        object_into(out, |object| {
            object.text("type", name).number("sequence_number", sequence);
            fill(object);
        });
        out.extend_from_slice(b"\n\n");
        self.sequence += 1;
    }

    fn whole(&mut self, name: &str, state: State<'_>, out: &mut Vec<u8>) {
        let output = if matches!(state, State::InProgress) { b"[]".to_vec() } else { envelope::list(&self.items) };
        let (asked, model, used) = (self.asked.clone(), self.model.clone(), self.used);
        let used = used.filter(|_| !matches!(state, State::InProgress));
        self.event(name, out, |object| {
            object.object("response", |object| {
                envelope::write(
                    object,
                    &asked,
                    model.as_deref(),
                    state,
                    &output,
                    used.as_ref().map(|used| &used.usage),
                );
            });
        });
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.whole("response.created", State::InProgress, out);
            self.whole("response.in_progress", State::InProgress, out);
        }
    }

    fn add(&mut self, prefix: &str, kind: Kind, out: &mut Vec<u8>) -> usize {
        self.begin(out);
        let place = self.items.len();
        let item = Item { id: format!("{prefix}_{}_{place}", self.asked.id), kind };
        let mut json = Vec::new();
        item.write(&mut json, false);
        self.items.push(item);
        self.event("response.output_item.added", out, |object| {
            object.number("output_index", place).json("item", &json);
        });
        place
    }

    /// An event about a part of an item. `index` is the name of the field for the part's place.
    fn about(
        &mut self,
        name: &str,
        place: usize,
        index: (&str, usize),
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut Object<'_>),
    ) {
        let id = self.items.get(place).map(|item| item.id.clone()).unwrap_or_default();
        self.event(name, out, |object| {
            object.text("item_id", &id).number("output_index", place);
            if !index.0.is_empty() {
                object.number(index.0, index.1);
            }
            fill(object);
        });
    }

    fn done(&mut self, place: usize, out: &mut Vec<u8>) {
        let mut json = Vec::new();
        if let Some(item) = self.items.get(place) {
            item.write(&mut json, true);
        }
        self.event("response.output_item.done", out, |object| {
            object.number("output_index", place).json("item", &json);
        });
    }

    fn keep<'t>(kept_bytes: &mut usize, text: &'t str) -> &'t str {
        if *kept_bytes + text.len() > KEPT_BYTES_MAX {
            return "";
        }
        *kept_bytes += text.len();
        text
    }

    fn say(&mut self, is_refusal: bool, text: &str, out: &mut Vec<u8>) {
        let is_open = |item: &Item| matches!(&item.kind, Kind::Message { parts } if parts.last().is_some_and(|part| part.0 == is_refusal));
        let place = match self.open.filter(|place| self.items.get(*place).is_some_and(is_open)) {
            Some(place) => place,
            None => {
                self.close(out);
                let place = self.add("msg", Kind::Message { parts: vec![(is_refusal, Text::default())] }, out);
                self.open = Some(place);
                self.about("response.content_part.added", place, ("content_index", 0), out, |object| {
                    object.object("part", |part| write_part(part, is_refusal, ""));
                });
                place
            }
        };
        if let Some(Item { kind: Kind::Message { parts }, .. }) = self.items.get_mut(place)
            && let Some(part) = parts.last_mut()
        {
            part.1.push_str(Self::keep(&mut self.kept_bytes, text));
        }
        let name = if is_refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        self.about(name, place, ("content_index", 0), out, |object| {
            object.text("delta", text);
            if !is_refusal {
                object.list("logprobs", |_| {});
            }
        });
    }

    fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        let is_open = |item: &Item| matches!(item.kind, Kind::Reasoning { .. });
        let place = match self.open.filter(|place| self.items.get(*place).is_some_and(is_open)) {
            Some(place) => place,
            None => {
                self.close(out);
                let place = self.add("rs", Kind::Reasoning { text: Text::default(), seal: None }, out);
                self.open = Some(place);
                self.about("response.reasoning_summary_part.added", place, ("summary_index", 0), out, |object| {
                    object.object("part", |part| {
                        part.text("type", "summary_text").text("text", "");
                    });
                });
                place
            }
        };
        if let Some(Item { kind: Kind::Reasoning { text: kept, .. }, .. }) = self.items.get_mut(place) {
            kept.push_str(Self::keep(&mut self.kept_bytes, text));
        }
        self.about("response.reasoning_summary_text.delta", place, ("summary_index", 0), out, |object| {
            object.text("delta", text);
        });
    }

    fn seal(&mut self, seal: Seal, out: &mut Vec<u8>) {
        let place = self.open.filter(|place| {
            let is_open = |item: &Item| matches!(item.kind, Kind::Reasoning { seal: None, .. });
            seal.form != SealForm::Redacted && self.items.get(*place).is_some_and(is_open)
        });
        match place {
            Some(place) => {
                if let Some(Item { kind: Kind::Reasoning { seal: kept, .. }, .. }) = self.items.get_mut(place) {
                    *kept = Some(seal);
                }
                self.close(out);
            }
            None => self.hidden(seal, out),
        }
    }

    /// Reasoning that is not shown.
    fn hidden(&mut self, seal: Seal, out: &mut Vec<u8>) {
        self.close(out);
        let place = self.add("rs", Kind::Reasoning { text: Text::default(), seal: Some(seal) }, out);
        self.done(place, out);
    }

    /// Ends the message or reasoning that grows.
    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(place) = self.open.take() else { return };
        match self.items.get(place).map(|item| item.kind.clone()) {
            Some(Kind::Message { parts }) => {
                if let Some((is_refusal, text)) = parts.last() {
                    let (name, field) = if *is_refusal {
                        ("response.refusal.done", "refusal")
                    } else {
                        ("response.output_text.done", "text")
                    };
                    self.about(name, place, ("content_index", 0), out, |object| {
                        object.text(field, text);
                        if !is_refusal {
                            object.list("logprobs", |_| {});
                        }
                    });
                    self.about("response.content_part.done", place, ("content_index", 0), out, |object| {
                        object.object("part", |part| write_part(part, *is_refusal, text));
                    });
                }
            }
            Some(Kind::Reasoning { text, .. }) => {
                self.about("response.reasoning_summary_text.done", place, ("summary_index", 0), out, |object| {
                    object.text("text", &text);
                });
                self.about("response.reasoning_summary_part.done", place, ("summary_index", 0), out, |object| {
                    object.object("part", |part| {
                        part.text("type", "summary_text").text("text", &text);
                    });
                });
            }
            _ => {}
        }
        self.done(place, out);
    }

    fn call_end(&mut self, call: u32, out: &mut Vec<u8>) {
        let Some(place) = self.calls.remove(&call) else { return };
        let Some(Item { kind: Kind::Call { arguments, is_free, .. }, .. }) = self.items.get_mut(place) else { return };
        if arguments.is_blank() && !*is_free {
            *arguments = "{}".into();
        }
        let (name, field) = if *is_free {
            ("response.custom_tool_call_input.done", "input")
        } else {
            ("response.function_call_arguments.done", "arguments")
        };
        let text = arguments.clone();
        self.about(name, place, ("", 0), out, |object| {
            object.text(field, &text);
        });
        self.done(place, out);
    }

    fn call_arguments(&mut self, call: u32, text: &str, out: &mut Vec<u8>) {
        let Some(place) = self.calls.get(&call).copied() else { return };
        let Some(Item { kind: Kind::Call { arguments, is_free, .. }, .. }) = self.items.get_mut(place) else { return };
        arguments.push_str(Self::keep(&mut self.kept_bytes, text));
        let name =
            if *is_free { "response.custom_tool_call_input.delta" } else { "response.function_call_arguments.delta" };
        self.about(name, place, ("", 0), out, |object| {
            object.text("delta", text);
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.close(out);
        let open: Vec<u32> = self.calls.keys().copied().collect();
        open.into_iter().for_each(|call| self.call_end(call, out));
        let ending = self.ending.clone();
        let state = State::Ended(&ending);
        let name = if state.status() == "completed" { "response.completed" } else { "response.incomplete" };
        self.whole(name, state, out);
    }
}

impl WriteStream for Writer {
    fn event(&mut self, event: Delta, out: &mut Vec<u8>) {
        match event {
            Delta::Start { model, .. } => self.model = model,
            Delta::Text { choice: 0, text, .. } => self.say(false, &text, out),
            Delta::Refusal { choice: 0, text } => self.say(true, &text, out),
            Delta::Thought { choice: 0, text } => self.think(&text, out),
            Delta::Seal { choice: 0, seal } => self.seal(seal, out),
            Delta::CallStart { choice: 0, call, id, name, is_free, seal } => {
                self.close(out);
                if let Some(seal) = seal.filter(|seal| seal.form == SealForm::Mark) {
                    self.hidden(seal, out);
                }
                let kind = Kind::Call { call_id: id, name, arguments: Text::default(), is_free };
                let place = self.add("fc", kind, out);
                self.calls.insert(call, place);
            }
            Delta::CallArguments { choice: 0, call, text } => self.call_arguments(call, &text, out),
            Delta::CallEnd { choice: 0, call } => self.call_end(call, out),
            Delta::Finish { choice: 0, ending } => self.ending = ending,
            Delta::Usage(used) => self.used = Some(used),
            Delta::End => self.end(out),
            // One answer is all that this dialect has.
            _ => {}
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        let code = openai_chat::translate::problem_code(problem).unwrap_or("server_error").to_owned();
        self.event("error", out, |object| {
            object.text("code", &code).text("message", &problem.message);
            object.text_or_null("param", problem.param.as_deref());
        });
        self.whole("response.failed", State::Failed { code: &code, message: &problem.message }, out);
    }
}
