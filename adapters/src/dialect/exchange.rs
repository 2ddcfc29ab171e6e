//! From a client's request to what one upstream is sent, and from that upstream's answer to what the client gets.
//!
//! Where both speak the same dialect, the client's own bytes go on, and so do the upstream's; else they are translated.
//! Which it is, is decided here and nowhere else.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use tallygate_core::conversation::Request;
use tallygate_core::id::RequestId;
use tallygate_core::port::provider::Failure;

use super::bound;
use super::bridge::{self, Bridge};
use super::client_request::{Chat, ClientRequest, Form};
use super::metering::{InputBound, Metered};
use super::openai_chat::stream::Tap;
use super::openai_chat::translate::OpenaiChat as UsualChat;
use super::openai_chat::{self, Operation, OutputLimit, Rewrite, answer};
use super::passage::Passage;
use super::rejection::{Reason, Rejection};
use super::target::{Abilities, Target};
use super::through::{self, Change};
use super::wire::{Asked, Dialect, PathSays, Written};

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
    /// Its meaning, in another dialect.
    Translated(&'static dyn Dialect, Arc<Request>),
}

/// What an upstream is sent.
#[derive(Debug)]
pub struct Outgoing {
    /// What follows the base URL.
    pub path: Cow<'static, str>,
    /// The body.
    pub body: Bytes,
    /// Parameters of the client's that were left out.
    pub dropped: Vec<String>,
    /// How the answer finds back.
    pub exchange: Exchange,
}

/// The way back from an upstream to the client.
#[derive(Debug)]
pub struct Exchange {
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Bytes as they come, in a dialect whose fields alone are looked at.
    Bytes(Arc<openai_chat::Request>),
    /// Bytes as they come, in another dialect.
    Through(Through),
    /// From dialect to dialect.
    Translated(Box<Translation>),
}

#[derive(Debug)]
struct Through {
    dialect: &'static dyn Dialect,
    request: Arc<Request>,
    input_estimate_tokens: u64,
}

#[derive(Debug)]
struct Translation {
    upstream: &'static dyn Dialect,
    client: &'static dyn Dialect,
    written: Written,
    request: Arc<Request>,
    input_estimate_tokens: u64,
}

/// What an answer says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// The request.
    pub request: RequestId,
    /// The moment of the answer, in seconds of UTC.
    pub at_s: u64,
}

/// A whole answer, as the client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The body.
    pub body: Bytes,
    /// What the call used.
    pub metered: Metered,
    /// The upstream's id of the answer.
    pub id: Option<String>,
}

impl Speaks {
    /// The dialect in which a chat of a client is sent: the client's own where the upstream speaks it.
    fn toward(&self, client: &dyn Dialect) -> Option<&'static dyn Dialect> {
        let own = self.dialects.iter().find(|dialect| dialect.name() == client.name());
        own.or_else(|| self.dialects.first()).copied()
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
            Form::Fields(request) if request.operation() == Operation::Moderations => {
                let is_usual = |dialect: &&'static dyn Dialect| dialect.name() == UsualChat.name();
                speaks.dialects.iter().find(|dialect| is_usual(dialect)).ok_or_else(|| no_operation("moderations"))?;
                (DraftWay::Bytes(request, request.operation().path().into()), *request.input())
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
            Form::Chat(chat) => (DraftWay::Translated(upstream, Arc::clone(&chat.request)), *self.input()),
        };
        Ok(Draft { request: self, way, input })
    }

    fn drops_params(&self, speaks: &Speaks) -> bool {
        speaks.drop_params || self.field("drop_params") == Some("true")
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

    /// Writes what the upstream is sent. `model` is its name of the model.
    ///
    /// # Errors
    /// [`Rejection`] for what it cannot express and must not be left out.
    pub fn write(&self, model: &str, speaks: &Speaks, bound: OutputBound) -> Result<Outgoing, Rejection> {
        match &self.way {
            DraftWay::Bytes(request, path) => {
                let abilities = &speaks.abilities;
                let body = request.rewrite(&Rewrite {
                    model,
                    meter_stream: abilities.usage_on_request,
                    output_limit: bound.set.map(|tokens| OutputLimit { tokens, field: abilities.limit_field }),
                });
                let way = Way::Bytes(Arc::clone(request));
                Ok(Outgoing { path: path.clone(), body, dropped: Vec::new(), exchange: Exchange { way } })
            }
            DraftWay::Through(chat) => {
                let change = Change { model, output_limit: bound.set };
                let way = Through {
                    dialect: chat.dialect,
                    request: Arc::clone(&chat.request),
                    input_estimate_tokens: self.input.estimate(),
                };
                Ok(Outgoing {
                    path: chat.dialect.path(model, chat.request.streams),
                    body: through::request(chat.dialect, &chat.body, &change)?,
                    dropped: Vec::new(),
                    exchange: Exchange { way: Way::Through(way) },
                })
            }
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
                Ok(Outgoing { path, body, dropped, exchange: Exchange { way } })
            }
        }
    }
}

impl Exchange {
    /// The client's whole answer, out of the upstream's with a 2xx status.
    ///
    /// # Errors
    /// [`Failure`] where the upstream's answer is an error after all, or no answer.
    pub fn answer(&self, told: &Told, status: u16, body: &Bytes) -> Result<Answered, Failure> {
        match &self.way {
            Way::Bytes(request) => {
                let read = answer::read(request, status, body, None)?;
                Ok(Answered { body: read.body, metered: read.metered, id: read.id })
            }
            Way::Through(way) => {
                let read = through::answer(way.dialect, body, &way.asked(told))?;
                Ok(Answered { body: read.body, metered: read.metered, id: read.id })
            }
            Way::Translated(way) => {
                let asked = way.asked(told);
                let (body, meter, response) = bridge::whole(way.upstream, way.client, &way.written, &asked, body)?;
                let metered = meter.metered(way.input_estimate_tokens);
                Ok(Answered { body: body.into(), metered, id: response.id })
            }
        }
    }

    /// The client's stream, out of the upstream's.
    #[must_use]
    pub fn passage(&self, told: &Told) -> Box<dyn Passage> {
        match &self.way {
            Way::Bytes(request) => Box::new(Tap::new(request, None)),
            Way::Through(way) => Box::new(through::Tap::new(way.dialect, &way.asked(told))),
            Way::Translated(way) => Box::new(Bridge::new(way.upstream, way.client, &way.written, &way.asked(told))),
        }
    }

    /// What an upstream's answer with another status tells, in its dialect.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        match (&self.way, failure.said) {
            (Way::Translated(way), Some(said)) => way.upstream.read_error(*said, failure.retry_after),
            (Way::Through(way), Some(said)) => way.dialect.read_error(*said, failure.retry_after),
            (_, said) => Failure { said, ..failure },
        }
    }

    /// Whether client and upstream speak the same dialect, so that what a client's headers say of it holds.
    #[must_use]
    pub const fn is_through(&self) -> bool {
        !matches!(self.way, Way::Translated(_))
    }

    /// The `content-type` of the client's stream.
    #[must_use]
    pub fn stream_type(&self) -> &'static str {
        match &self.way {
            Way::Bytes(_) => UsualChat.stream_type(),
            Way::Through(way) => way.dialect.stream_type(),
            Way::Translated(way) => way.client.stream_type(),
        }
    }
}

impl Through {
    fn asked(&self, told: &Told) -> Asked {
        asked(told, &self.request, self.input_estimate_tokens)
    }
}

impl Translation {
    fn asked(&self, told: &Told) -> Asked {
        asked(told, &self.request, self.input_estimate_tokens)
    }
}

fn asked(told: &Told, request: &Arc<Request>, input_estimate_tokens: u64) -> Asked {
    Asked {
        id: told.request.to_string().replace('-', ""),
        created_s: told.at_s,
        public_model: None,
        input_estimate_tokens,
        request: Arc::clone(request),
    }
}
