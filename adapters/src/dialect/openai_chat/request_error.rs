//! Why a client's request is refused before anyone looks at who sent it.

use std::borrow::Cow;

use tallygate_core::id::{InvalidId, ModelName};

use super::request::{CHOICES_MAX, OUTPUT_TOKENS_MAX};
use crate::dialect::json::Fault;
use crate::dialect::multipart;

/// Why a request is not acceptable. Each is the client's to mend: status 400. No text repeats a value of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is not a JSON object that everyone reads alike.
    #[error("the request body is not acceptable: {0}")]
    Json(#[from] Fault),
    /// The body is not a form that everyone reads alike.
    #[error("the form is not acceptable: {0}")]
    Form(#[from] multipart::Fault),
    /// A field is there twice, or twice but for upper and lower case.
    #[error("the request body has the field `{}` more than once", .0.unwrap_or("(not named here)"))]
    Duplicate(Option<&'static str>),
    /// A field's name differs from a known one in case alone; some parsers take it for that one.
    #[error("the request body has a field that some programs read as `{0}`: write it exactly so")]
    Misspelled(&'static str),
    /// A field that clients may not send.
    #[error("the field `{}` is not allowed: upstreams, keys and prices are set by the operator", .0.unwrap_or("(credential of a cloud)"))]
    NotAllowed(Option<&'static str>),
    /// A field that must be there.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// A field of another type.
    #[error("the field `{param}` must be {expected}")]
    Type {
        /// The field.
        param: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The model's name cannot be one.
    #[error("the field `model` is not acceptable: {0}")]
    Model(InvalidId),
    /// The path and the body name different models.
    #[error("the path and the field `model` name different models")]
    ModelMismatch,
    /// A limit of output that is no number of tokens.
    #[error("the field `{0}` must be a whole number from 1 to {OUTPUT_TOKENS_MAX}")]
    OutputLimit(&'static str),
    /// `max_tokens` and `max_completion_tokens` together.
    #[error("`max_tokens` and `max_completion_tokens` cannot both be given")]
    TwoOutputLimits,
    /// Too many answers at once, or none.
    #[error("the field `n` must be a whole number from 1 to {CHOICES_MAX}")]
    Choices,
}

impl RequestError {
    /// The one model that a body and a path name.
    pub(in crate::dialect) fn one_model(body: Option<Cow<'_, str>>, path: Option<&str>) -> Result<ModelName, Self> {
        let name = match (body, path) {
            (None, None) => return Err(Self::Missing("model")),
            (Some(body), Some(path)) if body != path => return Err(Self::ModelMismatch),
            (Some(body), _) => body,
            (None, Some(path)) => Cow::Borrowed(path),
        };
        ModelName::new(&name).map_err(Self::Model)
    }

    /// The stable code: that of OpenAI where it has one.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "invalid_json",
            Self::Form(fault) => fault.code(),
            Self::Duplicate(_) => "duplicate_parameter",
            Self::Misspelled(_) => "ambiguous_parameter",
            Self::NotAllowed(_) => "parameter_not_allowed",
            Self::Missing(_) => "missing_required_parameter",
            Self::Type { .. } => "invalid_type",
            Self::Model(_) | Self::OutputLimit(_) | Self::Choices => "invalid_value",
            Self::ModelMismatch => "ambiguous_model",
            Self::TwoOutputLimits => "unsupported_parameter",
        }
    }

    /// The field that is at fault, where it is one that has a name here.
    #[must_use]
    pub const fn param(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) | Self::Form(_) => None,
            Self::Duplicate(param) | Self::NotAllowed(param) => *param,
            Self::Misspelled(param) | Self::Missing(param) | Self::OutputLimit(param) => Some(param),
            Self::Type { param, .. } => Some(param),
            Self::Model(_) | Self::ModelMismatch => Some("model"),
            Self::TwoOutputLimits => Some("max_tokens"),
            Self::Choices => Some("n"),
        }
    }
}
