//! The demo's client: real HTTP to the gateway that it shows.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use tallygate_core::endpoint::BaseUrl;
use tallygate_core::port::provider::failure::Failure;
use tallygate_core::port::provider::{Answer, AnswerForm, Auth, Body, Call, Credential, Provider, Timeouts};
use tallygate_core::secret::Secret;

use super::DemoError;

/// Sends requests to one gateway under one key.
pub(super) struct Client<'a> {
    pub(super) provider: &'a dyn Provider,
    pub(super) gateway: BaseUrl,
    pub(super) key: Secret,
}

/// An answer that is no success: its status and body.
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Client<'_> {
    /// The same client with another key.
    pub(super) fn with_key(&self, key: Secret) -> Client<'_> {
        Client { provider: self.provider, gateway: self.gateway.clone(), key }
    }

    /// Posts JSON and reads the whole answer.
    pub(super) async fn post(&self, path: &'static str, body: &Value) -> Result<Result<Value, Refused>, DemoError> {
        let form = AnswerForm::Buffered { limit_bytes: 1024 * 1024 };
        match self.send(path, body, form).await {
            Ok(answer) => match answer.body {
                Body::Whole(bytes) => Ok(Ok(serde_json::from_slice(&bytes)?)),
                Body::Pieces(_) => Err(DemoError::Unexpected("a stream where an answer was asked for".to_owned())),
            },
            Err(failure) => refused(failure).map(Err),
        }
    }

    /// Posts JSON and collects the words of a streamed chat completion.
    pub(super) async fn stream(&self, body: &Value) -> Result<Result<String, Refused>, DemoError> {
        let mut pieces = match self.send("/v1/chat/completions", body, AnswerForm::Streamed).await {
            Ok(answer) => match answer.body {
                Body::Pieces(pieces) => pieces,
                Body::Whole(_) => {
                    return Err(DemoError::Unexpected("an answer where a stream was asked for".to_owned()));
                }
            },
            Err(failure) => return refused(failure).map(Err),
        };
        let mut text = Vec::new();
        while let Some(piece) = pieces.next().await {
            text.extend_from_slice(&piece?);
        }
        Ok(Ok(words(&text)))
    }

    async fn send(&self, path: &'static str, body: &Value, answer: AnswerForm) -> Result<Answer, Failure> {
        let hosts = Arc::new(std::iter::once(self.gateway.origin().authority()).collect());
        let credential = Credential { secret: self.key.clone(), auth: Auth::Bearer, hosts };
        let upstream = self.provider.upstream(&self.gateway, Some(&credential))?;
        let (body, headers) = (Some(Bytes::from(body.to_string())), Vec::new());
        let path = path.into();
        upstream.call(Call { path, body, content_type: None, headers, answer, timeouts: Timeouts::default() }).await
    }
}

fn refused(failure: Failure) -> Result<Refused, DemoError> {
    match failure.said {
        Some(said) => Ok(Refused { status: said.status, body: serde_json::from_slice(&said.body).unwrap_or_default() }),
        None => Err(DemoError::Http(failure)),
    }
}

/// The content of all chunks of a stream.
fn words(stream: &[u8]) -> String {
    String::from_utf8_lossy(stream)
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|chunk| Some(chunk.pointer("/choices/0/delta/content")?.as_str()?.to_owned()))
        .collect()
}
