//! A request with what its client did not say: the parameters of the preset that the slot was chosen by.

use tallygate_core::selection::preset::Parameters;

use super::{ClientRequest, Form};
use crate::dialect::openai_chat::Operation;
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::through;
use crate::dialect::wire::PathSays;

/// Of what a request may say something.
struct Says {
    temperature: bool,
    top_p: bool,
    output_limit: bool,
    reasoning: bool,
}

impl ClientRequest {
    /// The same request, with parameters where its client set none; none where there is nothing to set. What is no chat has
    /// none of them.
    ///
    /// # Errors
    /// [`Rejection`] of a body that two readers could read differently where something is to be set.
    pub fn with_defaults(&self, parameters: &Parameters) -> Result<Option<Self>, Rejection> {
        let Some(says) = self.says() else { return Ok(None) };
        let dialect = self.dialect();
        let places = dialect.places();
        let thousandths = |value: u32| format!("{}.{:03}", value / 1_000, value % 1_000);
        let of = |is_said: bool, json: Option<String>| if is_said { None } else { json };
        let temperature = of(says.temperature, parameters.temperature_thousandths.map(thousandths));
        let top_p = of(says.top_p, parameters.top_p_thousandths.map(thousandths));
        let limit = of(says.output_limit, parameters.max_tokens.map(|tokens| tokens.to_string()));
        let effort = of(says.reasoning, parameters.reasoning_effort.map(|effort| format!("\"{}\"", effort.name())));
        let missing: Vec<(&[&str], String)> = [
            (places.temperature, temperature),
            (places.top_p, top_p),
            (places.output_limit, limit),
            (places.effort, effort),
        ]
        .into_iter()
        .filter_map(|(path, json)| Some((path, json?)).filter(|(path, _)| !path.is_empty()))
        .collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let path = PathSays { model: Some(self.model().as_str()), streams: Some(self.streams()) };
        match &self.form {
            Form::Fields(request) => {
                let body = through::defaults(dialect, request.body(), &missing)?;
                let unread = |_| Rejection::of("", Reason::Value("cannot be read with the parameters of its preset"));
                Self::by_fields(Operation::Chat, body, path.model).map(Some).map_err(unread)
            }
            Form::Chat(chat) => Self::chat(dialect, through::defaults(dialect, &chat.body, &missing)?, &path).map(Some),
            Form::Parts(_) | Form::Embeddings(_) => Ok(None),
        }
    }

    /// None where it is no chat.
    fn says(&self) -> Option<Says> {
        match &self.form {
            Form::Fields(request) if request.operation() == Operation::Chat => {
                let has = |name: &str| request.field(name).is_some_and(|json| json != "null");
                Some(Says {
                    temperature: has("temperature"),
                    top_p: has("top_p"),
                    output_limit: request.output_limit().is_some(),
                    reasoning: ["reasoning_effort", "reasoning", "thinking"].into_iter().any(has),
                })
            }
            Form::Chat(chat) => {
                let (sampling, reasoning) = (&chat.request.sampling, &chat.request.reasoning);
                Some(Says {
                    temperature: sampling.temperature.is_some(),
                    top_p: sampling.top_p.is_some(),
                    output_limit: chat.request.max_output_tokens.is_some(),
                    reasoning: reasoning.switch.is_some() || reasoning.effort.is_some(),
                })
            }
            Form::Fields(_) | Form::Parts(_) | Form::Embeddings(_) => None,
        }
    }
}
