//! `POST /api/compare`: one prompt for several models, and their answers side by side, each with its time, its tokens and
//! its cost.
//!
//! Each model is asked by a request of its own through the one pipeline: what it may not do, or what fails, is its own entry
//! of the answer, and no matter of the others. The answers are asked for as streams, whether they are handed on as such or not,
//! so that their times mean the same.

mod asked;
mod entry;
mod told;
mod streaming;
mod whole;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::HeaderMap;
use tallygate_core::activity::Endpoint;

use self::asked::Asked;
use self::entry::Entry;
use super::App;
use super::body;
use super::error::ApiError;
use crate::pipeline::Pipeline;
use crate::pipeline::authenticated::Authenticated;
use crate::pipeline::received::Received;

/// The route.
pub(super) fn router() -> Router<App> {
    Router::new().route("/api/compare", post(compare))
}

/// Asks all the models at once.
///
/// # Errors
/// The answer to a key that may not be used, or a body that is not acceptable: no model is asked then. What follows is told
/// of each model.
///
/// Cancellation: each request ends as any whose client leaves.
async fn compare(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let pipeline = &app.pipeline;
    let received = Received::new(pipeline, Endpoint::Chat, &headers);
    let id = received.id;
    let authenticated = received.authenticate(pipeline, &headers).await.map_err(|error| error.of_request(id, None))?;
    let asked = read(&app, &headers, body).await.and_then(|asked| {
        let streams = asked.streams;
        Ok((entries(pipeline, &authenticated, &asked)?, streams))
    });
    match asked {
        Ok((entries, true)) => Ok(streaming::answer(&app, entries)),
        Ok((entries, false)) => Ok(whole::answer(&app, entries).await),
        Err(error) => Err(authenticated.refuse(pipeline, error).of_request(id, None)),
    }
}

async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Asked, ApiError> {
    Asked::read(&body::read(&app.pipeline.settings, headers, body).await?)
}

/// The requests, one a model, in the order of the models.
fn entries(pipeline: &Pipeline, caller: &Authenticated, asked: &Asked) -> Result<Vec<Entry>, ApiError> {
    let requests = asked.requests()?;
    Ok(requests.into_iter().enumerate().map(|(index, request)| Entry::new(pipeline, caller, index, request)).collect())
}
