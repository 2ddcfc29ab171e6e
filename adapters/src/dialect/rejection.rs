//! Why a request is refused by a translator: with the field named, and without a word of the prompt.

use super::json::Fault;
use super::json::fields::Place;
use super::openai_chat::RequestError;

/// A request that cannot be read, or that its target cannot express. Each is the client's to mend: status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Rejection {
    /// The field at fault, such as `messages[2].content[0].image_url`; empty for the whole body.
    pub param: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The body is no JSON object that everyone reads alike.
    Json(Fault),
    /// It must be of another type.
    Type(&'static str),
    /// It must be there.
    Missing,
    /// Its value cannot be: what it must be.
    Value(&'static str),
    /// An object has one of its fields twice.
    Duplicate,
    /// There are more than so many.
    TooMany(usize),
    /// The model that the request leads to has no such thing.
    Unsupported,
    /// The model that the request leads to takes it inline only.
    NotInline,
    /// Clients may not say this: it is the operator's to set.
    NotAllowed,
    /// The model that the request leads to has no such operation, such as `embeddings`.
    NoOperation(&'static str),
}

impl Rejection {
    /// A refusal of what is at a place.
    #[must_use]
    pub fn new(place: &Place<'_>, reason: Reason) -> Self {
        Self { param: place.to_string(), reason }
    }

    /// A refusal of a field by its name.
    #[must_use]
    pub fn of(param: impl Into<String>, reason: Reason) -> Self {
        Self { param: param.into(), reason }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match &self.reason {
            Reason::Json(_) => "invalid_json",
            Reason::Type(_) => "invalid_type",
            Reason::Missing => "missing_required_parameter",
            Reason::Value(_) | Reason::TooMany(_) => "invalid_value",
            Reason::Duplicate => "duplicate_parameter",
            Reason::Unsupported | Reason::NotInline => "unsupported_parameter",
            Reason::NoOperation(_) => "unsupported_operation",
            Reason::NotAllowed => "parameter_not_allowed",
        }
    }

    fn text(&self) -> String {
        let param = &self.param;
        match &self.reason {
            Reason::Json(fault) => format!("the request body is not acceptable: {fault}"),
            Reason::Type(expected) => format!("the field `{param}` must be {expected}"),
            Reason::Missing => format!("the field `{param}` is missing"),
            Reason::Value(rule) => format!("the field `{param}` {rule}"),
            Reason::Duplicate if param.is_empty() => "the request body has a field twice".to_owned(),
            Reason::Duplicate => format!("an object at `{param}` has a field twice"),
            Reason::TooMany(limit) => format!("the field `{param}` has more than {limit} entries"),
            Reason::Unsupported => {
                format!("the model that this request leads to has no `{param}`: leave it out, or send `drop_params`")
            }
            Reason::NotInline => {
                format!("the model that this request leads to takes `{param}` inline only, as base64 in a data URL")
            }
            Reason::NoOperation(what) => format!("the model that this request leads to has no {what}"),
            Reason::NotAllowed => {
                format!("the field `{param}` is not allowed: upstreams, keys and prices are set by the operator")
            }
        }
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        Self { param: String::new(), reason: Reason::Json(fault) }
    }
}

impl From<RequestError> for Rejection {
    fn from(error: RequestError) -> Self {
        let param = error.param().unwrap_or_default().to_owned();
        let reason = match error {
            RequestError::Json(fault) => Reason::Json(fault),
            RequestError::Form(_) => Reason::Type("a form"),
            RequestError::Duplicate(_) => Reason::Duplicate,
            RequestError::NotAllowed(_) => Reason::NotAllowed,
            RequestError::Missing(_) => Reason::Missing,
            RequestError::Type { expected, .. } => Reason::Type(expected),
            RequestError::Misspelled(_) => Reason::Value("is spelt in another case, and some programs read it as this"),
            RequestError::Model(_) => Reason::Value("is no name of a model"),
            RequestError::ModelMismatch => Reason::Value("and the path name different models"),
            RequestError::OutputLimit(_) => Reason::Value("is no number of tokens that can be"),
            RequestError::TwoOutputLimits => Reason::Value("and `max_completion_tokens` cannot both be given"),
            RequestError::Choices => Reason::Value("must be a whole number from 1 to 128"),
        };
        Self { param, reason }
    }
}
