//! The routes that call models. Each only says which operation it is.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use tallygate_adapters::dialect::openai_chat::{Operation, Request};
use tallygate_core::activity::Endpoint;

use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::received::Received;
use crate::pipeline::refusal;

/// Where models are called, and how. A request to one of these needs no router ([`super::front`]).
pub(super) const PATHS: [(&str, Operation); 4] = [
    ("/v1/chat/completions", Operation::Chat),
    ("/chat/completions", Operation::Chat),
    ("/v1/embeddings", Operation::Embeddings),
    ("/embeddings", Operation::Embeddings),
];

/// What a `POST` to a path asks for.
pub(super) fn operation(path: &str) -> Option<Operation> {
    PATHS.iter().find(|(of, _)| *of == path).map(|(_, operation)| *operation)
}

/// `POST /openai/deployments/{model}/chat/completions` and its like. A model's name may hold slashes.
pub(super) async fn by_path(
    State(app): State<App>,
    Path(rest): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let operations = [Operation::Chat, Operation::Embeddings];
    let found = operations.into_iter().find_map(|operation| Some((rest.strip_suffix(operation.path())?, operation)));
    match found {
        Some((model, operation)) => serve(&app, operation, Some(model), &headers, body).await,
        None => Err(ApiError::new(ErrorCode::RouteUnknown, format!("there is no operation `{rest}`"))),
    }
}

pub(super) async fn serve(
    app: &App,
    operation: Operation,
    path_model: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let endpoint = match operation {
        Operation::Chat => Endpoint::Chat,
        Operation::Embeddings => Endpoint::Embeddings,
    };
    let received = Received::new(&app.pipeline, endpoint, headers);
    let id = received.id;
    run(app, received, operation, path_model, headers, body).await.map_err(|error| error.of_request(id))
}

async fn run(
    app: &App,
    received: Received,
    operation: Operation,
    path_model: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let pipeline = &app.pipeline;
    let authenticated = received.authenticate(pipeline, headers).await?;
    let request = match body::read(&pipeline.settings, headers, body).await {
        Ok(bytes) => Request::parse(operation, bytes, path_model).map_err(|error| refusal::request(&error)),
        Err(error) => Err(error),
    };
    let request = request.map_err(|error| authenticated.refuse(pipeline, error))?;
    authenticated.resolve(pipeline, request)?.admit(pipeline).await?.call(pipeline).await
}
