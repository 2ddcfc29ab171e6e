//! What a connection hands its requests to: calls of models at once, all else by the router.
//!
//! The router clones itself, boxes several times, copies the headers and notes which path it found, for every request. On
//! the few paths that nearly all requests go to, none of that is needed.

use std::convert::Infallible;
use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::service::Service;
use tallygate_adapters::dialect::wire::PathSays;
use tower::ServiceExt as _;

use super::{App, inference, router};

/// See the module. One for the whole gateway.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    app: App,
    router: Router,
}

type Answer = Result<Response, Infallible>;

impl Front {
    pub(crate) fn new(app: App) -> Self {
        let router = router(app.clone());
        Self { app, router }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let asks = inference::asks(request.uri().path()).filter(|_| request.method() == Method::POST);
        let Some(asks) = asks else { return Box::pin(self.router.clone().oneshot(request)) };
        let app = self.app.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let answer = inference::serve(&app, asks, &PathSays::default(), &head.headers, Body::new(body)).await;
            Ok(answer.into_response())
        })
    }
}
