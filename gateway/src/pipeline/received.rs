//! Phase 1: a request came in. It has an id and a moment, and nobody knows yet whose it is.

use std::time::Instant;

use http::{HeaderMap, HeaderName};
use tallygate_adapters::dialect::wire::Dialect;
use tallygate_adapters::provider::client::is_forwardable;
use tallygate_core::activity::{Endpoint, Tags};
use tallygate_core::id::{ContextId, RequestId};
use tallygate_core::port::provider::Header;
use tallygate_core::time::Timestamp;

use super::Pipeline;
use super::report::Report;
use super::{end_user, tags};
use crate::http::error::ApiError;

static CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
/// What the names of LiteLLM's headers and of ours begin with.
const EXTENSIONS: [&str; 2] = ["x-litellm-", "x-tallygate-"];

/// A request of unknown origin.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) id: RequestId,
    pub(crate) endpoint: Endpoint,
    /// Whether it has any header of LiteLLM's or of ours. Most have none, and nobody looks for each of them by its name.
    pub(crate) is_extended: bool,
    /// The dialect in which the client is told of errors; none for LiteLLM's form of OpenAI's.
    pub(crate) client: Option<&'static dyn Dialect>,
    /// Headers of the client's that mean something to an upstream of its dialect.
    pub(crate) forwarded: Vec<Header>,
    /// The conversation with an agent that it belongs to.
    pub(crate) context: Option<ContextId>,
    /// Its own tags: of its headers, and of its body once that is read.
    pub(crate) tags: Tags,
    /// In whose name it is asked: by its headers, and by its body once that is read.
    pub(crate) end_user: Option<String>,
    /// Where it is told what became of it, beside the log; none where nobody within the gateway asks.
    pub(crate) report: Option<Report>,
    pub(crate) at: Timestamp,
    pub(crate) began: Instant,
}

impl Received {
    /// Takes a request in. A client may choose the id with `x-litellm-call-id`, if it is a uuid: a chosen id is for
    /// finding the request again, so nothing hangs on its being unique.
    pub(crate) fn new(pipeline: &Pipeline, endpoint: Endpoint, headers: &HeaderMap) -> Self {
        let is_extended = headers.keys().any(is_extension);
        let own = is_extended.then_some(headers);
        let chosen = own.and_then(|headers| headers.get(&CALL_ID)?.to_str().ok()?.parse().ok());
        Self {
            id: chosen.unwrap_or_else(|| RequestId::new(pipeline.ids.uuid())),
            endpoint,
            is_extended,
            client: None,
            forwarded: Vec::new(),
            context: None,
            tags: own.map(tags::of_headers).unwrap_or_default(),
            end_user: end_user::of_headers(headers, is_extended, &pipeline.settings.end_user_headers),
            report: None,
            at: pipeline.clock.now(),
            began: Instant::now(),
        }
    }

    /// The same request, with the client's headers that an upstream of its dialect may be shown.
    pub(crate) fn forwarding(mut self, headers: &HeaderMap) -> Self {
        let told = headers.iter().filter(|(name, _)| is_forwardable(name.as_str()));
        let told = told.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        self.forwarded = told.map(|(name, value)| Header { name: name.into(), value }).collect();
        self
    }

    /// The same request, of a conversation with an agent.
    pub(crate) fn within(mut self, context: ContextId) -> Self {
        self.context = Some(context);
        self
    }

    /// The same request, of which somebody within the gateway wants to know what becomes of it.
    pub(crate) fn reported_to(mut self, report: &Report) -> Self {
        self.report = Some(report.clone());
        self
    }

    /// The same request, of a client that speaks a dialect with errors of its own.
    pub(crate) const fn of_client(mut self, client: Option<&'static dyn Dialect>) -> Self {
        self.client = client;
        self
    }

    /// The status that the client is told of an error.
    pub(crate) fn status_of(&self, error: &ApiError) -> u16 {
        self.client.map_or(error.status, |client| error.in_dialect(client).status)
    }
}

fn is_extension(name: &HeaderName) -> bool {
    EXTENSIONS.iter().any(|start| name.as_str().starts_with(start))
}
