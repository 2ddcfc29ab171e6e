//! A client of the gateway's HTTP, for tests: every answer is an answer, whatever its status.

mod answer;
mod events;

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::Value;

pub use answer::Answer;
pub use events::Events;

/// A test that waits longer for an answer has found a bug. Long enough for a gateway that waits for an upstream.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of one address, with or without a key. Cheap to clone; its connections are shared.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: Vec<(String, String)>,
}

impl Client {
    /// A client of an address such as `http://127.0.0.1:4000` that presents a key as a bearer token.
    ///
    /// # Errors
    /// When no client can be built.
    pub fn new(base: &str, key: Option<&str>) -> Result<Self> {
        // One provider a process; an error says that another client installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).tcp_nodelay(true);
        let http = http.timeout(PATIENCE).build().context("no HTTP client")?;
        let client = Self { http, base: base.trim_end_matches('/').to_owned(), headers: Vec::new() };
        Ok(match key {
            Some(key) => client.with_header("authorization", &format!("Bearer {key}")),
            None => client,
        })
    }

    /// The same client with one header more on every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path), path).await
    }

    /// HEAD.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn head(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::HEAD, path), path).await
    }

    /// OPTIONS.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn options(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::OPTIONS, path), path).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::DELETE, path), path).await
    }

    /// DELETE with JSON in its body, as LiteLLM's clients send it.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn delete_with(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.request(Method::DELETE, path).header("content-type", "application/json");
        self.send(request.body(body.to_string()), path).await
    }

    /// PATCH of JSON.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.request(Method::PATCH, path).header("content-type", "application/json");
        self.send(request.body(body.to_string()), path).await
    }

    /// PUT of JSON.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.request(Method::PUT, path).header("content-type", "application/json");
        self.send(request.body(body.to_string()), path).await
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.post_bytes(path, "application/json", body.to_string()).await
    }

    /// POST of any bytes, such as those that are no JSON.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn post_bytes(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Result<Answer> {
        let request = self.request(Method::POST, path).header("content-type", content_type).body(body);
        self.send(request, path).await
    }

    /// POST of JSON whose answer is read event by event. Dropping the events hangs up.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn stream(&self, path: &str, body: &Value) -> Result<Events> {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.with_context(|| format!("no answer from {path}"))?;
        Ok(Events::new(response))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    async fn send(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Answer> {
        let response = request.send().await.with_context(|| format!("no answer from {path}"))?;
        Answer::read(response).await.with_context(|| format!("the answer from {path} broke off"))
    }
}
