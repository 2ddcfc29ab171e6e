//! Phase 2: the request has a key that may be used now, and one snapshot that all later phases read.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use tallygate_core::admission;
use tallygate_core::key::KeyHash;
use tallygate_core::stream::Position;
use tallygate_projections::{KeyRow, Snapshot};

use super::Pipeline;
use super::received::Received;
use super::refusal;
use crate::http::credentials;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

const MIN_POSITION: &str = "x-tallygate-min-position";

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
        self,
        pipeline: &Pipeline,
        headers: &HeaderMap,
    ) -> Result<Authenticated, ApiError> {
        match self.check(pipeline, headers).await {
            Ok((snapshot, caller)) => Ok(Authenticated { received: self, snapshot, caller }),
            Err(Denied { error, key }) => {
                refusal::record(pipeline, &self, key.as_ref().map(|row| row.key.as_ref()), None, &error);
                Err(error)
            }
        }
    }

    async fn check(&self, pipeline: &Pipeline, headers: &HeaderMap) -> Result<(Arc<Snapshot>, KeyRow), Denied> {
        let secret = credentials::presented(headers)?;
        if let Some(position) = min_position(headers)? {
            reach(pipeline, position).await?;
        }
        pipeline.standing.check(Instant::now())?;
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
    /// Records that the request is refused, and hands the answer back.
    pub(crate) fn refuse(&self, pipeline: &Pipeline, error: ApiError) -> ApiError {
        refusal::record(pipeline, &self.received, Some(&self.caller.key), None, &error);
        error
    }
}

/// The position that the request wants to be answered from at least.
pub(crate) fn min_position(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(value) = headers.get(MIN_POSITION) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(|number| Some(Position::new(number))).ok_or_else(|| {
        ApiError::new(ErrorCode::ParameterInvalid, format!("the header `{MIN_POSITION}` is a whole number"))
            .param(MIN_POSITION)
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
