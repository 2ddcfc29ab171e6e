//! HTTP: the server, the routes and their shapes. A route translates; what is decided is decided in the pipeline and by
//! commands.

pub(crate) mod front;
pub(crate) mod cors;
pub(crate) mod server;
pub(crate) mod error;
pub(crate) mod error_code;
pub(crate) mod credentials;
pub(crate) mod body;
pub(crate) mod response_headers;
mod session_cookie;
mod same_origin;
mod acting;
mod operator;
mod sessions;
mod inference;
mod generate;
mod quiet;
mod counts;
mod explain;
mod elsewhere;
mod models;
pub(crate) mod selector;
mod commands;
mod health;
pub(crate) mod openapi;
mod state;
mod budgets;
mod limits;
mod mirror;
mod prices;
pub(crate) mod litellm;
mod control_plane;
mod heard;
mod a2a;
mod compare;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderMap, Method};
use serde_json::json;
use tallygate_adapters::dialect::wire::PathSays;
use tallygate_adapters::provider::doors;
use tokio::sync::Semaphore;

use crate::agents::Hub;
use crate::command::Commands;
use crate::declarations::Declarations;
use crate::leases::Leases;
use crate::limits::exchange::Rates;
use crate::mirror::status::Status as MirrorStatus;
use crate::pipeline::Pipeline;
use crate::signing_in::SigningIn;
use error::ApiError;
use error_code::ErrorCode;

/// What routes are served with. Each request clones it some times, so a clone is one counter and not one for each part.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Parts>);

/// See [`App`].
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) commands: Commands,
    pub(crate) leases: Leases,
    /// What a configuration file declares.
    pub(crate) declarations: Arc<Declarations>,
    /// None where this gateway has the log, and all rate limits, to itself.
    pub(crate) rates: Option<Rates>,
    /// How many prompts may be counted at once: counting takes a core.
    pub(crate) counting: Arc<Semaphore>,
    /// How people sign in.
    pub(crate) signing_in: SigningIn,
    /// The agents that are connected here.
    pub(crate) agents: Hub,
    /// How the mirror stands; none where no proxy is kept in step.
    pub(crate) mirror: Option<Arc<MirrorStatus>>,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// All routes, served with what they need.
fn router(app: App) -> Router {
    routes().with_state(app)
}

/// All routes.
fn routes() -> Router<App> {
    let mut router = Router::new();
    for path in doors::BY_MODEL {
        router = router.route(path, post(inference::by_path));
    }
    for path in doors::BY_MODEL_AND_METHOD {
        router = router.route(path, post(generate::call).get(models::one_by_method));
    }
    for path in doors::COUNT_MESSAGES {
        router = router.route(path, post(counts::of_messages));
    }
    for (path, asks) in doors::PATHS {
        // The front takes these; the router knows what to tell who asks with another method.
        let serve = async move |State(app): State<App>, headers: HeaderMap, body: Body| {
            inference::serve(&app, asks, &PathSays::default(), &headers, body).await
        };
        router = router.route(path, post(serve));
    }
    for prefix in ["", "/v1"] {
        router = router
            .route(&format!("{prefix}/models"), get(models::list))
            // Newer libraries call models under the path that others ask for them.
            .route(&format!("{prefix}/models/{{*id}}"), get(models::one).post(generate::call));
    }
    router
        .route(doors::MODELS_BY_METHOD, get(models::by_method))
        .route("/api/commands", post(commands::submit))
        .route("/api/state", get(state::digests))
        .route("/api/budgets", get(budgets::list))
        .route("/api/limits", get(limits::divided))
        .route("/api/mirror", get(mirror::status))
        .route("/api/prices", get(prices::list))
        .route("/api/route/explain", post(explain::explain))
        .route("/api/spend/elsewhere", post(elsewhere::tell))
        .route("/api/suspense", get(budgets::suspense))
        .route("/api/suspense/close", post(budgets::close))
        .route("/health/liveliness", get(health::alive))
        .route("/health/liveness", get(health::alive))
        .route("/health/readiness", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .merge(selector::router())
        .merge(litellm::router())
        .merge(control_plane::router())
        .merge(a2a::router())
        .merge(compare::router())
        .merge(sessions::router())
        .merge(quiet::router())
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
}

/// A path that leads nowhere: FastAPI's words beside ours, since LiteLLM's clients know those.
async fn unknown_route(request: Request) -> Response {
    let message = format!("there is no route {} {}", request.method(), request.uri().path());
    framework(ErrorCode::RouteUnknown, message, "Not Found")
}

async fn wrong_method(method: Method, request: Request) -> Response {
    let message = format!("the route {} does not take {method}", request.uri().path());
    framework(ErrorCode::MethodNotAllowed, message, "Method Not Allowed")
}

fn framework(code: ErrorCode, message: String, detail: &str) -> Response {
    ApiError::new(code, message).framework_detail(json!(detail)).into_response()
}
