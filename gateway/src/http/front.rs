//! What a connection hands its requests to: calls of models at once, all else by the router.
//!
//! The router clones itself, boxes several times, copies the headers and notes which path it found, for every request. On
//! the few paths that nearly all requests go to, none of that is needed.

use std::convert::Infallible;
use std::future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::service::Service;
use tallygate_adapters::dialect::wire::PathSays;
use tower::ServiceExt as _;

use super::cors::{Cors, Origin};
use super::{App, inference, router, same_origin};
use crate::signing_in::Peer;

/// See the module. One for each connection, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    app: App,
    router: Router,
    /// None where pages of other origins may not call.
    cors: Option<Arc<Cors>>,
    peer: Peer,
}

type Answer = Result<Response, Infallible>;

impl Front {
    pub(crate) fn new(app: App, cors_origins: Vec<Origin>) -> Self {
        let router = router(app.clone());
        Self { app, router, cors: Cors::new(cors_origins).map(Arc::new), peer: Peer(Ipv4Addr::UNSPECIFIED.into()) }
    }

    /// The same for a connection from this address.
    pub(crate) fn of(&self, peer: IpAddr) -> Self {
        Self { peer: Peer(peer), ..self.clone() }
    }

    fn serve(&self, mut request: Request<Incoming>) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let asks = inference::asks(request.uri().path()).filter(|_| request.method() == Method::POST);
        let Some(asks) = asks else {
            let refused = same_origin::refused(&self.app, request.method(), request.uri().path(), request.headers());
            if let Some(answer) = refused {
                return Box::pin(future::ready(Ok(answer)));
            }
            request.extensions_mut().insert(self.peer);
            return Box::pin(self.router.clone().oneshot(request));
        };
        let app = self.app.clone();
        let (head, body) = request.into_parts();
        Box::pin(async move {
            let answer = inference::serve(&app, asks, &PathSays::default(), &head.headers, Body::new(body)).await;
            Ok(answer.into_response())
        })
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Some(cors) = &self.cors else { return self.serve(request) };
        let mut verdict = cors.judge(&request);
        if let Some(answer) = verdict.preflight() {
            return Box::pin(future::ready(Ok(answer)));
        }
        let served = self.serve(request);
        Box::pin(async move {
            let mut answer = served.await?;
            verdict.mark(answer.headers_mut());
            Ok(answer)
        })
    }
}
