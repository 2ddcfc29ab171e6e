//! A client's request, in whatever dialect it speaks, read once: what the gateway must know of it before it is sent.

mod defaults;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use tallygate_core::conversation::Request;
use tallygate_core::id::ModelName;

use super::bound;
use super::embeddings;
use super::metering::InputBound;
use super::openai_chat::media::{Asked, form};
use super::openai_chat::translate::OpenaiChat as UsualChat;
use super::openai_chat::{self, Operation, RequestError};
use super::rejection::{Reason, Rejection};
use super::wire::{Dialect, PathSays};

/// A client's request, checked.
#[derive(Debug, Clone)]
pub struct ClientRequest {
    pub(super) form: Form,
}

/// How it was read.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// By its fields alone, since mostly its bytes go on as they are.
    Fields(Arc<openai_chat::Request>),
    /// By the fields of a form, since its files go on as they are.
    Parts(Arc<form::Request>),
    /// By its meaning: embeddings in another dialect.
    Embeddings(Arc<embeddings::Request>),
    /// By its meaning: a chat in another dialect.
    Chat(Chat),
}

/// A chat, read by its meaning, and the bytes that it was read from.
#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) body: Bytes,
    pub(super) request: Arc<Request>,
    /// The earlier answer that it goes on from, as the client names it.
    pub(super) earlier: Option<String>,
    model: ModelName,
    input: InputBound,
}

impl ClientRequest {
    /// Reads the body of one of OpenAI's operations. `path_model` is the model that the path names, if it does.
    ///
    /// # Errors
    /// [`RequestError`], the first one found.
    pub fn by_fields(operation: Operation, body: Bytes, path_model: Option<&str>) -> Result<Self, RequestError> {
        openai_chat::Request::parse(operation, body, path_model)
            .map(|request| Self { form: Form::Fields(Arc::new(request)) })
    }

    /// Reads the form of one of OpenAI's operations. `content_type` is what the client says of the body.
    ///
    /// # Errors
    /// [`RequestError`], the first one found.
    pub fn by_form(
        operation: Operation,
        content_type: Option<&str>,
        body: Bytes,
        path_model: Option<&str>,
    ) -> Result<Self, RequestError> {
        form::Request::parse(operation, content_type, body, path_model)
            .map(|request| Self { form: Form::Parts(Arc::new(request)) })
    }

    /// Reads the body of a request for embeddings in a form of another dialect.
    ///
    /// # Errors
    /// [`Rejection`], the first one found.
    pub fn embeddings(form: embeddings::Form, body: Bytes, path: &PathSays<'_>) -> Result<Self, Rejection> {
        let request = embeddings::Request::read(form, body, path)?;
        Ok(Self { form: Form::Embeddings(Arc::new(request)) })
    }

    /// Reads the body of a chat in a dialect.
    ///
    /// # Errors
    /// [`Rejection`], the first one found.
    pub fn chat(dialect: &'static dyn Dialect, body: Bytes, path: &PathSays<'_>) -> Result<Self, Rejection> {
        let request = dialect.read_request(&body, path)?;
        let no_model = |_| Rejection::of("model", Reason::Value("is no name of a model"));
        let model = ModelName::new(&request.model).map_err(no_model)?;
        let input = bound::input(&request, body.len());
        let earlier = earlier(dialect, &request)?;
        Ok(Self { form: Form::Chat(Chat { dialect, body, request: Arc::new(request), earlier, model, input }) })
    }

    /// The dialect that the client speaks.
    #[must_use]
    pub fn dialect(&self) -> &'static dyn Dialect {
        match &self.form {
            Form::Fields(_) | Form::Parts(_) => &UsualChat,
            Form::Embeddings(request) => request.dialect(),
            Form::Chat(chat) => chat.dialect,
        }
    }

    /// The model that the client names.
    #[must_use]
    pub fn model(&self) -> &ModelName {
        match &self.form {
            Form::Fields(request) => request.model(),
            Form::Parts(request) => request.model(),
            Form::Embeddings(request) => request.model(),
            Form::Chat(chat) => &chat.model,
        }
    }

    /// Whether the client wants the answer as a stream.
    #[must_use]
    pub fn streams(&self) -> bool {
        match &self.form {
            Form::Fields(request) => request.streams(),
            Form::Parts(request) => request.streams(),
            Form::Embeddings(_) => false,
            Form::Chat(chat) => chat.request.streams,
        }
    }

    /// The limit of output that the client gave, in tokens an answer.
    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        match &self.form {
            Form::Fields(request) => request.output_limit(),
            Form::Parts(_) | Form::Embeddings(_) => None,
            Form::Chat(chat) => chat.request.max_output_tokens,
        }
    }

    /// Whether a limit of output can be set for it: nothing else stops an answer.
    #[must_use]
    pub fn takes_output_limit(&self) -> bool {
        match &self.form {
            Form::Fields(request) => request.operation() == Operation::Chat,
            Form::Parts(_) | Form::Embeddings(_) => false,
            Form::Chat(_) => true,
        }
    }

    /// The most tokens of one answer, where that follows from the request itself.
    #[must_use]
    pub fn longest_answer(&self) -> Option<u64> {
        match &self.form {
            Form::Fields(request) => request.media().as_ref().and_then(Asked::longest_answer),
            Form::Parts(request) => request.asked().longest_answer(),
            Form::Embeddings(_) | Form::Chat(_) => None,
        }
    }

    /// The most output tokens that the call can be billed, if each answer is limited to so many.
    #[must_use]
    pub fn output_bound(&self, tokens_an_answer: u64) -> u64 {
        match &self.form {
            Form::Fields(request) => request.output_bound(tokens_an_answer),
            Form::Parts(request) => tokens_an_answer.saturating_mul(request.asked().count),
            Form::Embeddings(_) => 0,
            Form::Chat(chat) => tokens_an_answer.saturating_mul(chat.request.choices.unwrap_or(1)),
        }
    }

    /// What bounds the prompt as the client sent it.
    #[must_use]
    pub fn input(&self) -> &InputBound {
        match &self.form {
            Form::Fields(request) => request.input(),
            Form::Parts(request) => &request.asked().input,
            Form::Embeddings(request) => request.input(),
            Form::Chat(chat) => &chat.input,
        }
    }

    /// On whose behalf the client asks, by its own word.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match &self.form {
            Form::Fields(request) => request.string_field("user"),
            Form::Parts(request) => request.field("user").map(Cow::Borrowed),
            Form::Embeddings(_) => None,
            Form::Chat(chat) => chat.request.user.as_ref().map(|user| Cow::Borrowed(&**user)),
        }
    }

    /// The class of service that the client asks for.
    #[must_use]
    pub fn service_tier(&self) -> Option<Cow<'_, str>> {
        match &self.form {
            Form::Fields(request) => request.string_field("service_tier"),
            Form::Parts(request) => request.field("service_tier").map(Cow::Borrowed),
            Form::Embeddings(_) => None,
            Form::Chat(chat) => chat.request.service_tier.as_deref().map(Cow::Borrowed),
        }
    }

    /// The earlier answer that the request goes on from, as the client names it; with the name of the field that says so.
    #[must_use]
    pub fn earlier(&self) -> Option<(&'static str, &str)> {
        match &self.form {
            Form::Chat(chat) => Some((chat.dialect.places().earlier?, chat.earlier.as_deref()?)),
            _ => None,
        }
    }

    /// The JSON text of a top-level field of one of OpenAI's operations, or the text of a form's field, kept back or not:
    /// what is meant for the gateway.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        match &self.form {
            Form::Fields(request) => request.field(name),
            Form::Parts(request) => request.field(name),
            Form::Embeddings(_) | Form::Chat(_) => None,
        }
    }
}

/// The earlier answer that a chat names, in dialects that have such a thing.
fn earlier(dialect: &dyn Dialect, request: &Request) -> Result<Option<String>, Rejection> {
    let Some(name) = dialect.places().earlier else { return Ok(None) };
    let Some(said) = request.extras.fields.iter().find(|extra| extra.name == name) else { return Ok(None) };
    let no_text = |_| Rejection::of(name, Reason::Type("a string"));
    serde_json::from_str(said.value.as_str()).map(Some).map_err(no_text)
}
