//! A request on its way to an upstream, before it is known how much may be held for it: what it becomes there.
//!
//! Where both speak the same dialect, the client's own bytes go on; else they are translated. Which it is, is decided here
//! and nowhere else.

use std::borrow::Cow;
use std::sync::Arc;

use tallygate_core::conversation::Request;

use super::bound;
use super::client_request::{Chat, ClientRequest, Form};
use super::embeddings;
use super::exchange::{Outgoing, Through, Translation, Way};
use super::metering::InputBound;
use super::openai_chat::media::form;
use super::openai_chat::translate::OpenaiChat as UsualChat;
use super::openai_chat::{self, Operation, OutputLimit, Rewrite};
use super::rejection::{Reason, Rejection};
use super::target::{Abilities, Target};
use super::through::{self, Change};
use super::wire::{Dialect, PathSays};

/// What an upstream speaks, and what its model can.
#[derive(Debug, Clone)]
pub struct Speaks {
    /// The dialects that it can be called in, the usual one first.
    pub dialects: Vec<&'static dyn Dialect>,
    /// Where its embeddings are, in OpenAI's form; none if it has none.
    pub embeddings_path: Option<Cow<'static, str>>,
    /// What the model can and cannot do.
    pub abilities: Abilities,
    /// The most tokens that the model can write, where that is known.
    pub output_max_tokens: Option<u64>,
    /// Whether parameters that it has not are dropped instead of refused.
    pub drop_params: bool,
    /// Further parameters that are dropped.
    pub also_drop: Vec<String>,
}

/// How much may be written for a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputBound {
    /// The limit that the gateway sets where the client set none, in tokens an answer.
    pub set: Option<u64>,
    /// What was held for, in tokens an answer: nothing that is sent may ask for more.
    pub held: Option<u64>,
}

/// A request on its way to an upstream, before it is known how much may be held for it.
#[derive(Debug, Clone)]
pub struct Draft<'r> {
    request: &'r ClientRequest,
    way: DraftWay<'r>,
    input: InputBound,
}

#[derive(Debug, Clone)]
enum DraftWay<'r> {
    /// The client's own bytes.
    Bytes(&'r Arc<openai_chat::Request>, Cow<'static, str>),
    /// The client's own bytes, of a chat that was read by its meaning.
    Through(&'r Chat),
    /// The client's own form.
    Form(&'r form::Request),
    /// Embeddings: in the client's own bytes, or in the usual form at a path.
    Embeddings(&'r embeddings::Request, Option<Cow<'static, str>>),
    /// Its meaning, in another dialect.
    Translated(&'static dyn Dialect, Arc<Request>),
}

impl Speaks {
    /// The dialect in which a chat of a client is sent: the client's own where the upstream speaks it.
    fn toward(&self, client: &dyn Dialect) -> Option<&'static dyn Dialect> {
        let own = self.dialects.iter().find(|dialect| dialect.name() == client.name());
        own.or_else(|| self.dialects.first()).copied()
    }

    /// What is no chat is served by those who speak the usual dialect.
    fn check(&self, operation: Operation) -> Result<(), Rejection> {
        let is_usual = self.dialects.iter().any(|dialect| dialect.name() == UsualChat.name());
        if is_usual { Ok(()) } else { Err(no_operation(operation.name())) }
    }
}

impl ClientRequest {
    /// Reads what the upstream must be told.
    ///
    /// # Errors
    /// [`Rejection`] where the request cannot be read by its meaning, or the upstream has no such operation.
    pub fn toward(&self, speaks: &Speaks) -> Result<Draft<'_>, Rejection> {
        let upstream = speaks.toward(self.dialect()).ok_or_else(|| no_operation("chat"))?;
        let (way, input) = match &self.form {
            Form::Fields(request) if request.operation() == Operation::Embeddings => {
                let path = speaks.embeddings_path.clone().ok_or_else(|| no_operation("embeddings"))?;
                (DraftWay::Bytes(request, path), *request.input())
            }
            Form::Fields(request) if request.operation() != Operation::Chat => {
                speaks.check(request.operation())?;
                (DraftWay::Bytes(request, request.operation().path().into()), *request.input())
            }
            Form::Parts(request) => {
                speaks.check(request.asked().operation)?;
                (DraftWay::Form(request), *self.input())
            }
            Form::Embeddings(request) if upstream.name() == self.dialect().name() => {
                (DraftWay::Embeddings(request, None), *self.input())
            }
            Form::Embeddings(request) => {
                let path = speaks.embeddings_path.clone().ok_or_else(|| no_operation("embeddings"))?;
                (DraftWay::Embeddings(request, Some(path)), *self.input())
            }
            Form::Fields(request) if upstream.name() == self.dialect().name() => {
                (DraftWay::Bytes(request, request.operation().path().into()), *request.input())
            }
            Form::Fields(request) => {
                let model = request.model().as_str();
                let path = PathSays { model: Some(model), streams: None };
                let read = self.dialect().read_request(request.body(), &path)?;
                let input = bound::input(&read, request.body().len());
                (DraftWay::Translated(upstream, Arc::new(read)), input)
            }
            Form::Chat(chat) if upstream.name() == chat.dialect.name() => (DraftWay::Through(chat), *self.input()),
            Form::Chat(chat) => {
                // Nothing that could be translated says what was said before.
                if let Some(name) = chat.earlier.as_ref().and(chat.dialect.places().earlier) {
                    return Err(Rejection::of(name, Reason::Unsupported));
                }
                (DraftWay::Translated(upstream, Arc::clone(&chat.request)), *self.input())
            }
        };
        Ok(Draft { request: self, way, input })
    }

    fn drops_params(&self, speaks: &Speaks) -> bool {
        speaks.drop_params || self.field("drop_params") == Some("true")
    }

    fn may_drop(&self, speaks: &Speaks, param: &str) -> bool {
        self.drops_params(speaks) || speaks.also_drop.iter().any(|name| name == param)
    }
}

fn no_operation(what: &'static str) -> Rejection {
    Rejection::of("model", Reason::NoOperation(what))
}

impl Draft<'_> {
    /// What bounds the prompt as the upstream gets it.
    #[must_use]
    pub const fn input(&self) -> &InputBound {
        &self.input
    }

    /// Writes what the upstream is sent. `model` is its name of the model, `earlier` its id of the answer that the request
    /// goes on from.
    ///
    /// # Errors
    /// [`Rejection`] for what it cannot express and must not be left out.
    pub fn write(
        &self,
        model: &str,
        speaks: &Speaks,
        bound: OutputBound,
        earlier: Option<&str>,
    ) -> Result<Outgoing, Rejection> {
        match &self.way {
            DraftWay::Bytes(request, path) => {
                let abilities = &speaks.abilities;
                let body = request.rewrite(&Rewrite {
                    model,
                    meter_stream: abilities.usage_on_request,
                    output_limit: bound.set.map(|tokens| OutputLimit { tokens, field: abilities.limit_field }),
                });
                let way = request.media().map_or_else(|| Way::Bytes(Arc::clone(request)), Way::Media);
                Ok(Outgoing::new(path.clone(), body, way))
            }
            DraftWay::Form(request) => {
                let unclear = || Rejection::of("", Reason::Value("has a boundary that stands in what must be written"));
                let body = request.rewrite(model).ok_or_else(unclear)?;
                let path = request.asked().operation.path().into();
                let outgoing = Outgoing::new(path, body, Way::Media(*request.asked()));
                Ok(Outgoing { content_type: Some(request.content_type()), ..outgoing })
            }
            DraftWay::Embeddings(request, path) => {
                let may_drop = |param: &str| self.request.may_drop(speaks, param);
                let written = match path.clone() {
                    None => request.write_through(model)?,
                    Some(path) => request.write_translated(model, path, may_drop)?,
                };
                let outgoing = Outgoing::new(written.path, written.body, Way::Embeddings(written.back));
                Ok(Outgoing { dropped: written.dropped, ..outgoing })
            }
            DraftWay::Through(chat) => self.write_through(chat, &Change { model, output_limit: bound.set, earlier }),
            DraftWay::Translated(upstream, request) => {
                let mut written = upstream.write_request(
                    request,
                    &Target {
                        model,
                        output_max_tokens: speaks.output_max_tokens,
                        output_cap_tokens: bound.held,
                        drop_params: self.request.drops_params(speaks),
                        also_drop: &speaks.also_drop,
                        abilities: &speaks.abilities,
                    },
                )?;
                let path = std::mem::take(&mut written.path).into();
                let body = std::mem::take(&mut written.body).into();
                let dropped = std::mem::take(&mut written.dropped);
                let translation = Translation {
                    upstream: *upstream,
                    client: self.request.dialect(),
                    written,
                    request: Arc::clone(request),
                    input_estimate_tokens: self.input.estimate(),
                };
                let way = Way::Translated(Box::new(translation));
                Ok(Outgoing { dropped, ..Outgoing::new(path, body, way) })
            }
        }
    }

    fn write_through(&self, chat: &Chat, change: &Change<'_>) -> Result<Outgoing, Rejection> {
        let way = Through {
            dialect: chat.dialect,
            request: Arc::clone(&chat.request),
            input_estimate_tokens: self.input.estimate(),
        };
        let path = chat.dialect.path(change.model, chat.request.streams);
        let body = through::request(chat.dialect, &chat.body, change)?;
        Ok(Outgoing::new(path, body, Way::Through(way)))
    }
}
