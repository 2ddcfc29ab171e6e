//! A whole answer for a client of this dialect: its items, and the object around them.

use tallygate_core::conversation::{Content, Response, SealForm, Text};

use super::envelope::{self, Item, Kind, State};
use crate::dialect::json::writer::object;
use crate::dialect::wire::Asked;

pub(super) fn write(response: &Response, asked: &Asked) -> Vec<u8> {
    // One answer is all that this dialect has.
    let choice = response.choices.first();
    let parts = choice.map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let mut items: Vec<Item> = Vec::new();
    for part in parts {
        add(&mut items, &part.content, &asked.id);
    }
    let ending = choice.map(|choice| choice.ending.clone()).unwrap_or_default();
    let output = envelope::list(&items);
    let used = response.used.as_ref().map(|used| &used.usage);
    object(|body| {
        envelope::write(body, asked, response.model.as_deref(), State::Ended(&ending), &output, used);
    })
}

fn add(items: &mut Vec<Item>, content: &Content, seed: &str) {
    let number = items.len();
    let (prefix, kind) = match content {
        Content::Text(text) | Content::Refusal(text) => {
            let part = (matches!(content, Content::Refusal(_)), text.clone());
            if let Some(Item { kind: Kind::Message { parts }, .. }) = items.last_mut() {
                parts.push(part);
                return;
            }
            ("msg", Kind::Message { parts: vec![part] })
        }
        Content::Thought(thought) => ("rs", Kind::Reasoning { text: thought.text.clone(), seal: thought.seal.clone() }),
        Content::ToolCall(call) => {
            // The mark on a call stands before it, as reasoning that is not shown.
            if let Some(seal) = call.seal.clone().filter(|seal| seal.form == SealForm::Mark) {
                let kind = Kind::Reasoning { text: Text::default(), seal: Some(seal) };
                items.push(Item { id: format!("rs_{seed}_{number}"), kind });
            }
            let arguments =
                if call.arguments.is_blank() && !call.is_free { "{}".into() } else { call.arguments.clone() };
            let (call_id, name) = (call.id.clone(), call.name.clone());
            ("fc", Kind::Call { call_id, name, arguments, is_free: call.is_free })
        }
        _ => return,
    };
    items.push(Item { id: format!("{prefix}_{seed}_{}", items.len()), kind });
}
