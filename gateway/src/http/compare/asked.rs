//! What a comparison is asked for with, and the chat that each model gets of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_adapters::dialect::openai_chat::Operation;
use tallygate_core::id::ModelName;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::selector::asked;
use crate::pipeline::refusal;

/// With fewer there is nothing to compare.
const MODELS_MIN: usize = 2;
/// The most models of a comparison: each is a call that runs beside the others.
const MODELS_MAX: usize = 8;
/// The longest body, in bytes: each model's request has the prompt once more.
const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What is asked.
pub(super) struct Asked {
    models: Vec<ModelName>,
    /// As the client wrote them: what is checked is what is sent.
    messages: Box<RawValue>,
    max_tokens: Option<u64>,
    pub(super) streams: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    models: Vec<String>,
    messages: Box<RawValue>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
}

impl Asked {
    /// Reads a body, strictly.
    ///
    /// # Errors
    /// 413 for one that is too long, 400 for one that is not acceptable.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.len() > BODY_MAX_BYTES {
            let message = format!("the body of a comparison has at most {BODY_MAX_BYTES} bytes");
            return Err(ApiError::new(ErrorCode::BodyTooLarge, message));
        }
        let Body { models, messages, max_tokens, stream } = asked::body(bytes)?;
        // Whatever is in them is for the models to say.
        let is_some = serde_json::from_str::<Vec<&RawValue>>(messages.get()).is_ok_and(|list| !list.is_empty());
        if !is_some {
            return Err(wrong("messages", "`messages` is a list of at least one message".to_owned()));
        }
        Ok(Self { models: checked(&models)?, messages, max_tokens, streams: stream.unwrap_or(true) })
    }

    /// The request for each model, in the order of the models.
    ///
    /// # Errors
    /// 400 for a chat that is not acceptable, whichever model is asked.
    pub(super) fn requests(&self) -> Result<Vec<ClientRequest>, ApiError> {
        let read = |model| ClientRequest::by_fields(Operation::Chat, self.chat(model), None);
        self.models.iter().map(|model| read(model).map_err(|error| refusal::request(&error))).collect()
    }

    fn chat(&self, model: &ModelName) -> Bytes {
        let mut body = format!(r#"{{"model":{},"stream":true,"messages":{}"#, json!(model), self.messages.get());
        if let Some(tokens) = self.max_tokens {
            body.push_str(&format!(r#","max_tokens":{tokens}"#));
        }
        body.push('}');
        body.into()
    }
}

fn wrong(param: &str, message: String) -> ApiError {
    ApiError::new(ErrorCode::ParameterInvalid, message).param(param)
}

/// The names, if there are as many as may be and none stands there twice.
fn checked(models: &[String]) -> Result<Vec<ModelName>, ApiError> {
    let wrong = |message: String| wrong("models", message);
    if !(MODELS_MIN..=MODELS_MAX).contains(&models.len()) {
        return Err(wrong(format!("`models` has {MODELS_MIN} to {MODELS_MAX} names, and not {}", models.len())));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = models.iter().find(|model| !seen.insert(model.as_str())) {
        return Err(wrong(format!("`models` names `{twice}` twice")));
    }
    models.iter().map(|model| ModelName::new(model).map_err(|error| wrong(error.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::Asked;

    fn read(models: &str) -> Result<Asked, String> {
        let body = format!(r#"{{"models": {models}, "messages": [{{"role": "user", "content": "Hi."}}]}}"#);
        Asked::read(body.as_bytes()).map_err(|error| format!("{} {}", error.code, error.message))
    }

    #[test]
    fn two_to_eight_models_are_compared_each_once() {
        assert_eq!(read(r#"["a", "b"]"#).unwrap().requests().unwrap().len(), 2);
        assert_eq!(read(r#"["1","2","3","4","5","6","7","8"]"#).unwrap().models.len(), 8);
        for (models, says) in [
            ("[]", "2 to 8 names, and not 0"),
            (r#"["a"]"#, "2 to 8 names, and not 1"),
            (r#"["1","2","3","4","5","6","7","8","9"]"#, "2 to 8 names, and not 9"),
            (r#"["a", "b", "a"]"#, "names `a` twice"),
        ] {
            let error = read(models).err().unwrap();
            assert!(error.starts_with("parameter_invalid") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn the_messages_are_sent_as_they_were_written() {
        let body =
            r#"{"models":["a","b"],"max_tokens":5,"messages":[ {"role":"user", "content":"\u0048i", "x": 1.0} ]}"#;
        let asked = Asked::read(body.as_bytes()).unwrap();
        let expected = r#"{"model":"a","stream":true,"messages":[ {"role":"user", "content":"\u0048i", "x": 1.0} ],"max_tokens":5}"#;
        assert_eq!(asked.chat(&asked.models[0]), expected);
    }
}
