//! Embeddings as clients of other dialects than OpenAI's ask for them.
//!
//! An upstream of the client's own dialect gets the client's bytes, but for the model's name, and its answer comes back as
//! it is. Any other is asked in OpenAI's form, which every vendor with embeddings has, and its vectors are written in the
//! client's, digit for digit.

mod contents;
mod texts;
mod answer;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use tallygate_core::id::ModelName;
use tallygate_core::port::provider::Failure;

use super::gemini_generate::GeminiGenerate;
use super::json::writer::object;
use super::metering::{InputBound, Metered};
use super::ollama_chat::OllamaChat;
use super::rejection::{Reason, Rejection};
use super::splices::Splices;
use super::through::{self, Change};
use super::wire::{Dialect, PathSays};

/// The most texts of one request: OpenAI's own limit.
pub const TEXTS_MAX: usize = 2_048;

/// In which form embeddings are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Google's `embedContent`: one content.
    Content,
    /// Google's `batchEmbedContents`: a request for each.
    Contents,
    /// Ollama's `/api/embed`: one text or several.
    Input,
    /// Ollama's older `/api/embeddings`: one text.
    Prompt,
}

impl Form {
    /// The dialect that it is of.
    #[must_use]
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Content | Self::Contents => &GeminiGenerate,
            Self::Input | Self::Prompt => &OllamaChat,
        }
    }

    /// Where an upstream of its own dialect takes it.
    fn path(self, model: &str) -> Cow<'static, str> {
        match self {
            Self::Content => format!("/models/{model}:embedContent").into(),
            Self::Contents => format!("/models/{model}:batchEmbedContents").into(),
            Self::Input => "/api/embed".into(),
            Self::Prompt => "/api/embeddings".into(),
        }
    }
}

/// A client's request for embeddings, checked.
#[derive(Debug, Clone)]
pub struct Request {
    form: Form,
    body: Bytes,
    model: ModelName,
    input: InputBound,
    asked: Asked,
}

/// What is asked for, by its meaning.
#[derive(Default, Clone)]
struct Asked {
    texts: Vec<String>,
    dimensions: Option<u64>,
    /// Where the model's name stands within, beside at the top.
    model_places: Vec<Range<usize>>,
    /// What OpenAI's form has not.
    only_here: Vec<String>,
    /// Why it cannot be asked for in OpenAI's form, whatever may be left out.
    not_text: Option<Rejection>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asked({} texts)", self.texts.len())
    }
}

/// A request as an upstream gets it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: Cow<'static, str>,
    pub(super) body: Bytes,
    pub(super) dropped: Vec<String>,
    pub(super) back: Back,
}

/// How the answer finds back.
#[derive(Debug, Clone)]
pub(super) struct Back {
    form: Form,
    /// Whether the upstream speaks the client's dialect.
    pub(super) is_through: bool,
    /// How many vectors were asked for.
    count: usize,
    prompt_estimate: u64,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Rejection`], the first one found.
    pub fn read(form: Form, body: Bytes, path: &PathSays<'_>) -> Result<Self, Rejection> {
        let (model, asked) = match form {
            Form::Content | Form::Contents => contents::read(form, &body, path)?,
            Form::Input | Form::Prompt => texts::read(form, &body, path)?,
        };
        let no_model = |_| Rejection::of("model", Reason::Value("is no name of a model"));
        let model = ModelName::new(&model).map_err(no_model)?;
        let opaque_parts = u64::from(asked.not_text.is_some());
        let input = InputBound { text_bytes: body.len() as u64, opaque_parts, ..InputBound::default() };
        Ok(Self { form, body, model, input, asked })
    }

    /// The dialect that the client speaks.
    #[must_use]
    pub fn dialect(&self) -> &'static dyn Dialect {
        self.form.dialect()
    }

    /// The model that the client names.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// What bounds the prompt.
    #[must_use]
    pub const fn input(&self) -> &InputBound {
        &self.input
    }

    /// Writes the request in the client's own bytes. `model` is the upstream's name of it.
    ///
    /// # Errors
    /// [`Rejection`] of what clients may not send.
    pub(super) fn write_through(&self, model: &str) -> Result<Written, Rejection> {
        let change = Change { model, ..Change::default() };
        let mut splices = Splices::default();
        let named = serde_json::Value::from(format!("models/{model}")).to_string();
        self.asked.model_places.iter().for_each(|place| splices.put(place.clone(), named.clone()));
        // Nothing is added, so neither members nor an end are needed.
        let renamed = splices.apply(&self.body, &[], 0, true);
        let body = through::request(self.form.dialect(), &renamed, &change)?;
        Ok(Written { path: self.form.path(model), body, dropped: Vec::new(), back: self.back(true) })
    }

    /// Writes the request in OpenAI's form, for what is called at `path`. `may_drop` tells whether a field may be left out.
    ///
    /// # Errors
    /// [`Rejection`] of what that form cannot express and must not be left out.
    pub(super) fn write_translated(
        &self,
        model: &str,
        path: Cow<'static, str>,
        may_drop: impl Fn(&str) -> bool,
    ) -> Result<Written, Rejection> {
        if let Some(rejection) = &self.asked.not_text {
            return Err(rejection.clone());
        }
        if let Some(param) = self.asked.only_here.iter().find(|param| !may_drop(param)) {
            return Err(Rejection::of(param.clone(), Reason::Unsupported));
        }
        let body = object(|body| {
            body.text("model", model).texts("input", self.asked.texts.iter().map(String::as_str));
            body.number_if("dimensions", self.asked.dimensions);
        });
        Ok(Written { path, body: body.into(), dropped: self.asked.only_here.clone(), back: self.back(false) })
    }

    fn back(&self, is_through: bool) -> Back {
        let (form, count) = (self.form, self.asked.texts.len());
        Back { form, is_through, count, prompt_estimate: self.input.estimate() }
    }
}

impl Back {
    /// The dialect that the client speaks.
    pub(super) fn dialect(&self) -> &'static dyn Dialect {
        self.form.dialect()
    }

    /// The client's answer, out of the upstream's, and what the call used.
    ///
    /// # Errors
    /// [`Failure`] where it is an error after all, or no answer.
    pub(super) fn answer(&self, status: u16, body: &Bytes) -> Result<(Bytes, Metered), Failure> {
        if self.is_through {
            answer::through(self.form, self.prompt_estimate, status, body).map(|metered| (body.clone(), metered))
        } else {
            answer::translated(self, status, body)
        }
    }
}

#[cfg(test)]
mod tests;
