//! The yardstick: the least that a proxy for chat completions can do and still know which model it serves. It parses
//! each body once, looks the model up in one map and streams the answer back. No keys, no limits, no money.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::chat;
use crate::serve;

/// The largest body that is read.
const BODY_LIMIT_BYTES: usize = 1 << 20;
/// The connections to the upstream that are kept for later.
const IDLE_CONNECTIONS_MAX: usize = 1024;

type Answer = Response<Either<Full<Bytes>, Incoming>>;

/// Runs as a process of its own, until its parent ends it. `upstream` is the address that the one model is served at.
///
/// # Errors
/// When it cannot listen, or nobody wants to know where.
pub(crate) async fn run(upstream: SocketAddr) -> anyhow::Result<()> {
    let listener = serve::listen().await?;
    serve::attach(&listener)?;
    serve(listener, upstream).await
}

/// Serves for ever.
///
/// # Errors
/// None once it serves: only when the upstream's address makes no URI.
pub(crate) async fn serve(listener: TcpListener, upstream: SocketAddr) -> anyhow::Result<()> {
    let uri = format!("http://{upstream}{}", chat::PATH).parse().context("the upstream's address makes no URI")?;
    let target = Target { uri, authorization: HeaderValue::from_static("Bearer sk-simulated") };
    let proxy = Arc::new(Proxy { targets: HashMap::from([(chat::MODEL.to_owned(), target)]), client: client() });
    let service = service_fn(move |request| {
        let proxy = Arc::clone(&proxy);
        async move { Ok::<_, Infallible>(proxy.pass(request).await.unwrap_or_else(refuse)) }
    });
    serve::accept(listener, service).await;
    Ok(())
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS_MAX).build(connector)
}

struct Proxy {
    targets: HashMap<String, Target>,
    client: Client<HttpConnector, Full<Bytes>>,
}

struct Target {
    uri: Uri,
    authorization: HeaderValue,
}

/// All that is read of a body.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
}

impl Proxy {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, StatusCode> {
        let (mut parts, body) = request.into_parts();
        let body =
            Limited::new(body, BODY_LIMIT_BYTES).collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
        let head: Head<'_> = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        let target = self.targets.get(head.model.as_ref()).ok_or(StatusCode::NOT_FOUND)?;
        turn_to(target, &mut parts);
        let answer = self.client.request(Request::from_parts(parts, Full::new(body))).await;
        let mut answer = answer.map_err(|_| StatusCode::BAD_GATEWAY)?;
        answer.headers_mut().remove(CONNECTION);
        answer.headers_mut().remove(TRANSFER_ENCODING);
        Ok(answer.map(Either::Right))
    }
}

fn turn_to(target: &Target, parts: &mut Parts) {
    parts.uri = target.uri.clone();
    parts.headers.remove(HOST);
    parts.headers.remove(CONNECTION);
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(AUTHORIZATION, target.authorization.clone());
}

fn refuse(status: StatusCode) -> Answer {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use crate::chat::Ask;
    use crate::client::{Call, Connection, Failure};
    use crate::{serve, upstream};

    /// The upstream and the proxy before it, each on its port.
    async fn proxied(ask: Ask) -> (Call, Call) {
        let (upstream, proxy) = (serve::listen().await.unwrap(), serve::listen().await.unwrap());
        let (direct, through) = (upstream.local_addr().unwrap(), proxy.local_addr().unwrap());
        tokio::spawn(upstream::serve(upstream));
        tokio::spawn(super::serve(proxy, direct));
        (Call::new(direct, "sk-none", ask).unwrap(), Call::new(through, "sk-none", ask).unwrap())
    }

    #[tokio::test]
    async fn every_kind_of_answer_comes_complete_directly_and_through_the_proxy() {
        for ask in [Ask::Whole, Ask::Stream, Ask::PacedStream] {
            let (direct, through) = proxied(ask).await;
            for call in [direct, through] {
                let mut connection = Connection::open(call.address()).await.unwrap();
                connection.exchange(&call).await.unwrap();
                connection.exchange(&call).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_json_or_names_no_known_model_is_refused() {
        let (_, call) = proxied(Ask::Whole).await;
        for (body, expected) in [
            ("{", StatusCode::BAD_REQUEST),
            (r#"{"messages":[]}"#, StatusCode::BAD_REQUEST),
            (r#"{"model":"bench-chat","model":"bench-chat"}"#, StatusCode::BAD_REQUEST),
            (r#"{"model":"another"}"#, StatusCode::NOT_FOUND),
        ] {
            let mut connection = Connection::open(call.address()).await.unwrap();
            let failure = connection.exchange(&call.with_body(body)).await.unwrap_err();
            assert!(matches!(failure, Failure::Status { status, .. } if status == expected), "{body}: {failure}");
        }
    }

    #[tokio::test]
    async fn an_upstream_that_is_gone_is_a_bad_gateway() {
        let gone = serve::listen().await.unwrap().local_addr().unwrap();
        let proxy = serve::listen().await.unwrap();
        let call = Call::new(proxy.local_addr().unwrap(), "sk-none", Ask::Whole).unwrap();
        tokio::spawn(super::serve(proxy, gone));
        let mut connection = Connection::open(call.address()).await.unwrap();
        let failure = connection.exchange(&call).await.unwrap_err();
        assert!(matches!(failure, Failure::Status { status: StatusCode::BAD_GATEWAY, .. }), "{failure}");
    }
}
