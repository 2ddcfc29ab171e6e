//! Phase 2: the request has a key that may be used now, and one snapshot that all later phases read.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderName};
use tallygate_core::admission;
use tallygate_core::agent::Membership;
use tallygate_core::id::ContextId;
use tallygate_core::key::KeyHash;
use tallygate_core::stream::Position;
use tallygate_projections::{KeyRow, Snapshot};

use super::Pipeline;
use super::received::Received;
use super::refusal;
use super::report::Report;
use crate::http::credentials;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

// Looked up by name in every request: a name that is a text would be parsed each time.
static MIN_POSITION: HeaderName = HeaderName::from_static("x-tallygate-min-position");
static CONTEXT: HeaderName = HeaderName::from_static("x-tallygate-context");

/// A request with a key.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub(crate) received: Received,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: KeyRow,
}

impl Received {
    /// Finds the key and checks it.
    ///
    /// # Errors
    /// The answer for the client. The refusal is recorded.
    pub(crate) async fn authenticate(
        mut self,
        pipeline: &Pipeline,
        headers: &HeaderMap,
    ) -> Result<Authenticated, ApiError> {
        if self.is_extended {
            self.context = match context(headers) {
                Ok(context) => context,
                Err(error) => return Err(self.denied(pipeline, error.into())),
            };
        }
        match self.check(pipeline, headers).await {
            Ok((snapshot, caller)) => Ok(Authenticated { received: self, snapshot, caller }),
            Err(denied) => Err(self.denied(pipeline, denied)),
        }
    }

    /// The same for what an agent is asked: its own key in a realm asks, and no secret is presented, since the gateway itself
    /// holds it.
    ///
    /// # Errors
    /// The answer for the client. The refusal is recorded.
    pub(crate) fn authenticate_agent(
        self,
        pipeline: &Pipeline,
        membership: &Membership,
    ) -> Result<Authenticated, ApiError> {
        match self.check_agent(pipeline, membership) {
            Ok((snapshot, caller)) => Ok(Authenticated { received: self, snapshot, caller }),
            Err(denied) => Err(self.denied(pipeline, *denied)),
        }
    }

    fn denied(&self, pipeline: &Pipeline, denied: Denied) -> ApiError {
        let Denied { error, key } = denied;
        refusal::record(pipeline, self, key.as_ref().map(|row| row.key.as_ref()), None, &error);
        error
    }

    fn check_agent(
        &self,
        pipeline: &Pipeline,
        membership: &Membership,
    ) -> Result<(Arc<Snapshot>, KeyRow), Box<Denied>> {
        let unasked = |error: ApiError| Box::new(Denied::from(error));
        pipeline.standing.check(Instant::now()).map_err(unasked)?;
        let snapshot = pipeline.views.control.snapshot();
        let row = pipeline.views.control.key_by_id(membership.key).map_err(|error| unasked(refusal::views(&error)))?;
        let gone = || ApiError::new(ErrorCode::KeyUnknown, "the agent's key in its realm is gone: give it another one");
        let row = row.ok_or_else(|| unasked(gone()))?;
        match admission::authenticate(&snapshot.control, &row.key, &membership.hash, self.at) {
            Ok(()) => Ok((snapshot, row)),
            Err(refused) => Err(Box::new(Denied { error: refusal::key(&refused, &row.key), key: Some(row) })),
        }
    }

    async fn check(&self, pipeline: &Pipeline, headers: &HeaderMap) -> Result<(Arc<Snapshot>, KeyRow), Denied> {
        let secret = credentials::presented(headers)?;
        let mut now = self.began;
        if self.is_extended
            && let Some(position) = min_position(headers)?
        {
            // Boxed, so that the requests that wait for nothing stay small.
            Box::pin(reach(pipeline, position)).await?;
            now = Instant::now();
        }
        pipeline.standing.check(now)?;
        let snapshot = pipeline.views.control.snapshot();
        let hash = KeyHash::of_secret(secret.expose());
        if pipeline.master.has(&hash) {
            return Ok((snapshot, pipeline.master.row()));
        }
        // The row is looked up after the snapshot was taken, so it is never older than the snapshot.
        let row = pipeline.views.control.key_by_hash(&hash).map_err(|error| refusal::views(&error))?;
        let row = row.ok_or_else(|| refusal::unknown_key(secret.expose(), &hash))?;
        match admission::authenticate(&snapshot.control, &row.key, &hash, self.at) {
            Ok(()) => Ok((snapshot, row)),
            Err(refused) => Err(Denied { error: refusal::key(&refused, &row.key), key: Some(row) }),
        }
    }
}

/// Why a request has no key that may be used, and the key that it came with, if it is one.
#[derive(Debug)]
struct Denied {
    error: ApiError,
    key: Option<KeyRow>,
}

impl From<ApiError> for Denied {
    fn from(error: ApiError) -> Self {
        Self { error, key: None }
    }
}

impl Authenticated {
    /// Another request of the same caller's, with an id of its own: where one asks several models, each is asked by a request.
    /// It reads the same snapshot.
    pub(crate) fn another(&self, pipeline: &Pipeline, report: &Report) -> Self {
        let mut received = Received::new(pipeline, self.received.endpoint, &HeaderMap::new()).reported_to(report);
        received.context.clone_from(&self.received.context);
        received.tags.clone_from(&self.received.tags);
        received.end_user.clone_from(&self.received.end_user);
        Self { received, snapshot: Arc::clone(&self.snapshot), caller: self.caller.clone() }
    }

    /// Records that the request is refused, and hands the answer back.
    pub(crate) fn refuse(&self, pipeline: &Pipeline, error: ApiError) -> ApiError {
        refusal::record(pipeline, &self.received, Some(&self.caller.key), None, &error);
        error
    }
}

/// The conversation with an agent that the request belongs to, by its own word. It means something to the agent's keys alone.
fn context(headers: &HeaderMap) -> Result<Option<ContextId>, ApiError> {
    let Some(value) = headers.get(&CONTEXT) else { return Ok(None) };
    let wrong = |why: String| {
        ApiError::new(ErrorCode::ParameterInvalid, format!("the header `{}`: {why}", CONTEXT.as_str()))
            .param(CONTEXT.as_str())
    };
    let text = value.to_str().map_err(|_| wrong("is not printable ASCII".to_owned()))?;
    ContextId::new(text).map(Some).map_err(|error| wrong(error.to_string()))
}

/// The position that the request wants to be answered from at least.
pub(crate) fn min_position(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(value) = headers.get(&MIN_POSITION) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(|number| Some(Position::new(number))).ok_or_else(|| {
        ApiError::new(ErrorCode::ParameterInvalid, format!("the header `{}` is a whole number", MIN_POSITION.as_str()))
            .param(MIN_POSITION.as_str())
    })
}

/// Waits until the views have a position, up to the configured limit.
pub(crate) async fn reach(pipeline: &Pipeline, position: Position) -> Result<(), ApiError> {
    let limit = pipeline.settings.min_position_wait;
    match tokio::time::timeout(limit, pipeline.views.control.wait_for(position)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(refusal::views(&error)),
        Err(_) => {
            let at = pipeline.views.control.position();
            let message = format!("this gateway is at position {at} and did not reach {position} in time: try again");
            Err(ApiError::new(ErrorCode::PositionNotReached, message).retry_after(limit))
        }
    }
}
