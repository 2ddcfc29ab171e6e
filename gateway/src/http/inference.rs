//! The routes that call models. Each only says what is asked for, and in which dialect.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_adapters::dialect::openai_chat::Operation;
use tallygate_adapters::dialect::wire::PathSays;
use tallygate_adapters::provider::doors::{Asks, PATHS};
use tallygate_core::id::RequestId;

use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;

/// Under which name clients with errors of their own look for the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What a `POST` to a path asks for. A request to one of these paths needs no router ([`super::front`]).
pub(super) fn asks(path: &str) -> Option<Asks> {
    PATHS.iter().find(|(of, _)| *of == path).map(|(_, asks)| *asks)
}

fn read(asks: Asks, headers: &HeaderMap, body: Bytes, path: &PathSays<'_>) -> Result<ClientRequest, ApiError> {
    match asks {
        Asks::Fields(operation) if operation.takes_form() => {
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let request = ClientRequest::by_form(operation, content_type, body, path.model);
            request.map_err(|error| refusal::request(&error))
        }
        Asks::Fields(operation) => {
            ClientRequest::by_fields(operation, body, path.model).map_err(|error| refusal::request(&error))
        }
        Asks::Embeddings(form) => {
            ClientRequest::embeddings(form, body, path).map_err(|rejection| refusal::rejection(&rejection))
        }
        Asks::Chat(dialect, _) => {
            ClientRequest::chat(dialect, body, path).map_err(|rejection| refusal::rejection(&rejection))
        }
    }
}

/// `POST /openai/deployments/{model}/chat/completions` and its like. A model's name may hold slashes.
pub(super) async fn by_path(
    State(app): State<App>,
    Path(rest): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let found =
        Operation::ALL.into_iter().find_map(|operation| Some((rest.strip_suffix(operation.path())?, operation)));
    match found {
        Some((model, operation)) => {
            let path = PathSays { model: Some(model), streams: None };
            serve(&app, Asks::Fields(operation), &path, &headers, body).await
        }
        None => Err(ApiError::new(ErrorCode::RouteUnknown, format!("there is no operation `{rest}`"))),
    }
}

/// Takes one request from its first byte to its answer.
pub(super) async fn serve(
    app: &App,
    asks: Asks,
    path: &PathSays<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let client = asks.error_dialect();
    let received = Received::new(&app.pipeline, asks.endpoint(), headers).of_client(client);
    let received = if !matches!(asks, Asks::Fields(_)) { received.forwarding(headers) } else { received };
    let id = received.id;
    let answer = run(app, received, asks, path, headers, body).await;
    match client {
        None => answer.map_err(|error| error.of_request(id, None)),
        Some(_) => answer.map(|response| named(response, id)).map_err(|error| error.of_request(id, client)),
    }
}

/// The same answer, with the request's id where clients with errors of their own look for it.
fn named(mut response: Response, id: RequestId) -> Response {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn run(
    app: &App,
    received: Received,
    asks: Asks,
    path: &PathSays<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let pipeline = &app.pipeline;
    let authenticated = received.authenticate(pipeline, headers).await?;
    let request = match body::read(&pipeline.settings, headers, body).await {
        Ok(bytes) => read(asks, headers, bytes, path),
        Err(error) => Err(error),
    };
    let request = request.map_err(|error| authenticated.refuse(pipeline, error))?;
    // Not in one expression with the call: there would be room for all of its steps while that runs.
    let admitted = authenticated.resolve(pipeline, request)?.admit(pipeline)?;
    admitted.call(pipeline).await
}
