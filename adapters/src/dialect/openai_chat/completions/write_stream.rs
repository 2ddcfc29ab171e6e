//! A stream for a client of this dialect.

use tallygate_core::conversation::{Delta, Problem, Used};

use super::write_answer::id;
use crate::dialect::json::writer::object;
use crate::dialect::openai_chat::error::DONE;
use crate::dialect::openai_chat::translate::{finish_reason, usage, write_problem};
use crate::dialect::wire::{Asked, WriteStream};

#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    model: Option<String>,
    used: Option<Used>,
}

impl Writer {
    pub(super) fn new(asked: &Asked) -> Self {
        Self { asked: asked.clone(), model: None, used: None }
    }

    /// An event: some text of a choice, or its end; without a choice, what all of them used.
    fn chunk(&self, choice: Option<(u32, &str, Option<&str>)>, out: &mut Vec<u8>) {
        let asked = &self.asked;
        let body = object(|body| {
            body.text("id", &id(asked)).text("object", "text_completion").number("created", asked.created_s);
            body.text("model", asked.model(self.model.as_deref()));
            body.list("choices", |list| {
                let Some((index, text, finish)) = choice else { return };
                list.object(|object| {
                    object.text("text", text).number("index", index).null("logprobs");
                    object.text_or_null("finish_reason", finish);
                });
            });
            match (&self.used, choice) {
                (Some(used), None) => {
                    body.object("usage", |object| usage(object, &used.usage));
                }
                _ if asked.request.asks_for_usage => {
                    body.null("usage");
                }
                _ => {}
            }
        });
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&body);
        out.extend_from_slice(b"\n\n");
    }
}

impl WriteStream for Writer {
    fn event(&mut self, event: Delta, out: &mut Vec<u8>) {
        match event {
            Delta::Start { model, .. } => self.model = model,
            Delta::Text { choice, text, .. } | Delta::Refusal { choice, text } => {
                self.chunk(Some((choice, text.as_str(), None)), out);
            }
            Delta::Finish { choice, ending } => {
                self.chunk(Some((choice, "", Some(finish_reason(&ending, &self.asked)))), out);
            }
            Delta::Usage(used) => self.used = Some(used),
            Delta::End => {
                if self.asked.request.asks_for_usage && self.used.is_some() {
                    self.chunk(None, out);
                }
                out.extend_from_slice(DONE.as_bytes());
            }
            // No text of an answer.
            Delta::Thought { .. }
            | Delta::Seal { .. }
            | Delta::CallStart { .. }
            | Delta::CallArguments { .. }
            | Delta::CallEnd { .. } => {}
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&write_problem(problem).body);
        out.extend_from_slice(b"\n\n");
        out.extend_from_slice(DONE.as_bytes());
    }
}
