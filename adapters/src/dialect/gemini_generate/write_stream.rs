//! A stream for a client of this dialect. A call is told whole, so that it is kept until it is complete.

use std::collections::BTreeMap;

use tallygate_core::conversation::{Delta, Ending, Problem, Seal, SealForm, Text, ToolCall, Used};

use super::problem;
use super::write_answer::{finish_reason, thought, usage, write_call};
use crate::dialect::json::writer::{List, object_into};
use crate::dialect::wire::{Asked, WriteStream};

/// The most that is kept of calls that are not complete, in bytes. What is beyond it is left out, and the arguments are no
/// JSON then.
const CALLS_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    model: Option<String>,
    used: Option<Used>,
    calls: BTreeMap<(u32, u32), ToolCall>,
    calls_bytes: usize,
    endings: BTreeMap<u32, Ending>,
}

impl Writer {
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            asked: asked.clone(),
            model: None,
            used: None,
            calls: BTreeMap::new(),
            calls_bytes: 0,
            endings: BTreeMap::new(),
        }
    }

    fn chunk(
        &self,
        choice: u32,
        ending: Option<&Ending>,
        used: Option<&Used>,
        out: &mut Vec<u8>,
        parts: impl FnOnce(&mut List<'_>),
    ) {
        out.extend_from_slice(b"data: ");
        object_into(out, |body| {
            body.list("candidates", |list| {
                list.object(|candidate| {
                    candidate.object("content", |content| {
                        content.text("role", "model").list("parts", parts);
                    });
                    candidate.text_if("finishReason", ending.map(finish_reason).as_deref());
                    candidate.number("index", choice);
                });
            });
            if let Some(used) = used {
                body.object("usageMetadata", |object| usage(object, &used.usage));
            }
            body.text("modelVersion", self.asked.model(self.model.as_deref())).text("responseId", &self.asked.id);
        });
        out.extend_from_slice(b"\n\n");
    }

    fn text(&self, choice: u32, text: &Text, out: &mut Vec<u8>) {
        self.chunk(choice, None, None, out, |list| {
            list.object(|part| {
                part.text("text", text);
            });
        });
    }
}

impl WriteStream for Writer {
    fn event(&mut self, event: Delta, out: &mut Vec<u8>) {
        match event {
            Delta::Start { model, .. } => self.model = model,
            Delta::Text { choice, text, .. } | Delta::Refusal { choice, text } => self.text(choice, &text, out),
            Delta::Thought { choice, text } => self.chunk(choice, None, None, out, |list| thought(list, &text, None)),
            Delta::Seal { choice, seal } if seal.form == SealForm::Mark => {
                self.chunk(choice, None, None, out, |list| thought(list, "", Some(&seal)));
            }
            Delta::Seal { .. } => {}
            Delta::CallStart { choice, call, id, name, is_free, seal } => {
                let seal: Option<Seal> = seal;
                let arguments = Text::default();
                self.calls.insert((choice, call), ToolCall { id, name, arguments, is_free, seal });
            }
            Delta::CallArguments { choice, call, text } => {
                if let Some(call) = self.calls.get_mut(&(choice, call))
                    && self.calls_bytes + text.len() <= CALLS_BYTES_MAX
                {
                    self.calls_bytes += text.len();
                    call.arguments.push_str(&text);
                }
            }
            Delta::CallEnd { choice, call } => {
                if let Some(call) = self.calls.remove(&(choice, call)) {
                    self.calls_bytes = self.calls_bytes.saturating_sub(call.arguments.len());
                    self.chunk(choice, None, None, out, |list| list.object(|part| write_call(part, &call)));
                }
            }
            Delta::Finish { choice, ending } => {
                self.endings.insert(choice, ending);
            }
            Delta::Usage(used) => self.used = Some(used),
            Delta::End => {
                let endings = std::mem::take(&mut self.endings);
                let last = endings.keys().next_back().copied();
                for (choice, ending) in &endings {
                    let used = self.used.as_ref().filter(|_| Some(*choice) == last);
                    self.chunk(*choice, Some(ending), used, out, |_| {});
                }
            }
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&problem::write(problem).body);
        out.extend_from_slice(b"\n\n");
    }
}
