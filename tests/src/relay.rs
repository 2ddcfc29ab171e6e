//! A relay before another server: it passes requests on, keeps each of them, and answers in the server's place where it is told
//! to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::accept::accept;
use crate::upstream::Recorded;

/// A running relay. It closes, with all connections, when this is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: String,
    http: reqwest::Client,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: Vec<Recorded>,
    answers: Vec<Planned>,
}

/// An answer to requests whose path begins so, and whose body holds a text.
#[derive(Debug, Clone)]
struct Planned {
    path: String,
    holds: String,
    status: u16,
    body: String,
}

impl State {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be taken.
    pub async fn start(target: &str) -> Result<Self> {
        Self::at(0, target).await
    }

    /// Starts on a port.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub async fn at(port: u16, target: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("the port is taken")?;
        let address = listener.local_addr()?;
        // One provider a process; an error says that another client installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().context("no HTTP client")?;
        let state = Arc::new(State { target: target.to_owned(), http, plan: Mutex::default() });
        let of_connection = Arc::clone(&state);
        let server = tokio::spawn(accept(listener, move |socket| converse(socket, Arc::clone(&of_connection))));
        Ok(Self { address, state, server })
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests whose path begins so, and whose body holds a text, are answered so and not passed on.
    pub fn answers(&self, path: &str, holds: &str, status: u16, body: &str) {
        let planned = Planned { path: path.to_owned(), holds: holds.to_owned(), status, body: body.to_owned() };
        self.state.plan().answers.push(planned);
    }

    /// From now on everything is passed on.
    pub fn passes(&self) {
        self.state.plan().answers.clear();
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Recorded> {
        self.state.plan().calls.clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(socket: TcpStream, state: Arc<State>) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| respond(request, Arc::clone(&state)));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn respond(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let recorded = Recorded::new(&head, body.clone());
    let text = String::from_utf8_lossy(&body).into_owned();
    let planned = {
        let mut plan = state.plan();
        plan.calls.push(recorded.clone());
        let mut answers = plan.answers.iter();
        answers.find(|planned| recorded.path.starts_with(&planned.path) && text.contains(&planned.holds)).cloned()
    };
    if let Some(planned) = planned {
        return answer(planned.status, Bytes::from(planned.body));
    }
    let url = format!("{}{}", state.target, recorded.path);
    let mut passed = state.http.request(reqwest::Method::from_bytes(recorded.method.as_bytes())?, url).body(body);
    for name in ["authorization", "content-type"] {
        if let Some(value) = recorded.header(name) {
            passed = passed.header(name, value);
        }
    }
    match passed.send().await {
        Ok(answered) => answer(answered.status().as_u16(), answered.bytes().await?),
        Err(_) => answer(502, Bytes::from_static(b"{}")),
    }
}

fn answer(status: u16, body: Bytes) -> Result<Response<Full<Bytes>>> {
    Ok(Response::builder().status(status).header("content-type", "application/json").body(Full::new(body))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Relay;
    use crate::client::Client;

    #[tokio::test]
    async fn a_relay_passes_on_and_answers_in_the_place_of_its_server_where_it_is_told_to() {
        let server = Relay::start("http://127.0.0.1:9").await.unwrap();
        server.answers("/", "", 200, r#"{"of":"server"}"#);
        let relay = Relay::start(&server.url()).await.unwrap();
        relay.answers("/team", "acme", 400, r#"{"of":"relay"}"#);
        let client = Client::new(&relay.url(), Some("sk-key")).unwrap();
        let post = async |path: &str, body| client.post(path, &body).await.unwrap();
        assert_eq!(post("/team/new", json!({ "team_id": "acme" })).await.at("/of").unwrap(), "relay");
        assert_eq!(post("/team/new", json!({ "team_id": "other" })).await.at("/of").unwrap(), "server");
        relay.passes();
        assert_eq!(post("/team/new", json!({ "team_id": "acme" })).await.at("/of").unwrap(), "server");
        assert_eq!((relay.calls().len(), server.calls().len()), (3, 2));
        assert_eq!(server.calls()[0].header("authorization"), Some("Bearer sk-key"));
    }
}
