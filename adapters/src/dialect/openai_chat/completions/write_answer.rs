//! A whole answer for a client of this dialect.

use tallygate_core::conversation::{Content, Response};

use crate::dialect::json::writer::object;
use crate::dialect::openai_chat::translate::{finish_reason, usage};
use crate::dialect::wire::Asked;

pub(super) fn write(response: &Response, asked: &Asked) -> Vec<u8> {
    object(|body| {
        body.text("id", &id(asked)).text("object", "text_completion").number("created", asked.created_s);
        body.text("model", asked.model(response.model.as_deref()));
        body.list("choices", |list| {
            for (index, choice) in response.choices.iter().enumerate() {
                let texts = choice.parts.iter().filter_map(|part| match &part.content {
                    Content::Text(text) | Content::Refusal(text) => Some(text.as_str()),
                    _ => None,
                });
                list.object(|object| {
                    object.text("text", &texts.collect::<String>()).number("index", index).null("logprobs");
                    object.text("finish_reason", finish_reason(&choice.ending, asked));
                });
            }
        });
        if let Some(used) = &response.used {
            body.object("usage", |object| usage(object, &used.usage));
        }
    })
}

/// The id of an answer.
pub(super) fn id(asked: &Asked) -> String {
    format!("cmpl-{}", asked.id)
}
