//! What one upstream is sent, and from that upstream's answer to what the client gets.
//!
//! Where both speak the same dialect, the upstream's own bytes come back; else they are translated. Which it is, the
//! [draft](super::draft) has decided.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use tallygate_core::conversation::Request;
use tallygate_core::id::RequestId;
use tallygate_core::port::provider::Failure;

use super::answer_ids::Sealer;
use super::bridge::{self, Bridge};
use super::embeddings;
use super::metering::Metered;
use super::openai_chat::media::{self, Asked as MediaAsked};
use super::openai_chat::stream::Tap;
use super::openai_chat::translate::OpenaiChat as UsualChat;
use super::openai_chat::{self, answer};
use super::passage::Passage;
use super::through;
use super::wire::{Asked, Dialect, Written};

pub use super::draft::{Draft, OutputBound, Speaks};

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// What an upstream is sent.
#[derive(Debug)]
pub struct Outgoing {
    /// What follows the base URL.
    pub path: Cow<'static, str>,
    /// The body.
    pub body: Bytes,
    /// The `content-type` of the body; none for JSON.
    pub content_type: Option<String>,
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
pub(super) enum Way {
    /// Bytes as they come, in a dialect whose fields alone are looked at.
    Bytes(Arc<openai_chat::Request>),
    /// Images and sound, as they come.
    Media(MediaAsked),
    /// Embeddings of a client that asks for them in another form.
    Embeddings(embeddings::Back),
    /// Bytes as they come, in another dialect.
    Through(Through),
    /// From dialect to dialect.
    Translated(Box<Translation>),
}

#[derive(Debug)]
pub(super) struct Through {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) request: Arc<Request>,
    pub(super) input_estimate_tokens: u64,
}

#[derive(Debug)]
pub(super) struct Translation {
    pub(super) upstream: &'static dyn Dialect,
    pub(super) client: &'static dyn Dialect,
    pub(super) written: Written,
    pub(super) request: Arc<Request>,
    pub(super) input_estimate_tokens: u64,
}

/// What an answer says of itself.
#[derive(Debug, Clone)]
pub struct Told {
    /// The request.
    pub request: RequestId,
    /// The moment of the answer, in seconds of UTC.
    pub at_s: u64,
    /// Seals its id, where the upstream [keeps](Exchange::is_kept) the answer.
    pub sealer: Option<Sealer>,
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

/// Whether a browser would take something for a page.
fn is_page(content_type: &str) -> bool {
    content_type.to_ascii_lowercase().contains("html")
}

impl Outgoing {
    /// A body in JSON of which nothing was left out.
    pub(super) const fn new(path: Cow<'static, str>, body: Bytes, way: Way) -> Self {
        Self { path, body, content_type: None, dropped: Vec::new(), exchange: Exchange { way } }
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
                let read = answer::read(request, status, body)?;
                Ok(Answered { body: read.body, metered: read.metered, id: read.id })
            }
            Way::Media(asked) => {
                let metered = media::answer::read(asked, status, body)?;
                Ok(Answered { body: body.clone(), metered, id: None })
            }
            Way::Embeddings(back) => {
                let (body, metered) = back.answer(status, body)?;
                Ok(Answered { body, metered, id: None })
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

    /// The client's stream, out of the upstream's, of the type that the upstream says it has. None for what never streams.
    #[must_use]
    pub fn passage(&self, told: &Told, content_type: Option<&str>) -> Option<Box<dyn Passage>> {
        Some(match &self.way {
            Way::Bytes(request) => Box::new(Tap::new(request, None)),
            Way::Media(asked) => Box::new(media::passage::Tap::new(*asked, content_type)),
            Way::Embeddings(_) => return None,
            Way::Through(way) => Box::new(through::Tap::new(way.dialect, &way.asked(told))),
            Way::Translated(way) => Box::new(Bridge::new(way.upstream, way.client, &way.written, &way.asked(told))),
        })
    }

    /// What an upstream's answer with another status tells, in its dialect.
    #[must_use]
    pub fn failure(&self, failure: Failure) -> Failure {
        match (&self.way, failure.said) {
            (Way::Translated(way), Some(said)) => way.upstream.read_error(*said, failure.retry_after),
            (Way::Embeddings(back), Some(said)) if back.is_through => {
                back.dialect().read_error(*said, failure.retry_after)
            }
            (Way::Through(way), Some(said)) => way.dialect.read_error(*said, failure.retry_after),
            (_, said) => Failure { said, ..failure },
        }
    }

    /// Whether client and upstream speak the same dialect, so that what a client's headers say of it holds.
    #[must_use]
    pub const fn is_through(&self) -> bool {
        match &self.way {
            Way::Translated(_) => false,
            Way::Embeddings(back) => back.is_through,
            _ => true,
        }
    }

    /// Whether the upstream may keep the answer for a request that goes on from it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        matches!(&self.way, Way::Through(way) if way.dialect.places().earlier.is_some())
    }

    /// Whether the stream may be of any type: sound is no events.
    #[must_use]
    pub const fn is_of_any_type(&self) -> bool {
        matches!(self.way, Way::Media(_))
    }

    /// The `content-type` of the client's stream. `upstream` is that of the upstream's.
    #[must_use]
    pub fn stream_type(&self, upstream: Option<Cow<'static, str>>) -> Cow<'static, str> {
        match &self.way {
            Way::Bytes(_) => UsualChat.stream_type().into(),
            Way::Media(_) | Way::Embeddings(_) => upstream.unwrap_or(BYTES.into()),
            Way::Through(way) => way.dialect.stream_type().into(),
            Way::Translated(way) => way.client.stream_type().into(),
        }
    }

    /// The `content-type` of the client's whole answer. `upstream` is that of the upstream's.
    #[must_use]
    pub fn answer_type(&self, upstream: Option<Cow<'static, str>>) -> Cow<'static, str> {
        match &self.way {
            Way::Media(asked) if asked.wants_text => upstream.filter(|kind| !is_page(kind)).unwrap_or(PLAIN.into()),
            _ => JSON.into(),
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
        sealer: told.sealer.clone(),
        input_estimate_tokens,
        request: Arc::clone(request),
    }
}
