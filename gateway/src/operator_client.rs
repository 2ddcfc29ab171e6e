//! The operator's client: HTTP to a running gateway under the master key, for the commands of this program that change one.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tallygate_adapters::provider::client::{HttpProvider, NoClient, Settings};
use tallygate_core::endpoint::{BaseUrl, InvalidUrl};
use tallygate_core::port::provider::failure::{Failure, Kind};
use tallygate_core::port::provider::{AnswerForm, Auth, Body, Call, Credential, Provider as _, Timeouts, Upstream};
use tallygate_core::secret::Secret;

/// The longest answer, in bytes: the prices of some 100,000 deployments.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a gateway did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The gateway's address is not one.
    #[error("the gateway's address is not one")]
    Address(#[from] InvalidUrl),
    /// The client.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The gateway did not answer, or said no.
    #[error("the gateway did not do what was asked{}", said(.0))]
    Http(#[source] Failure),
    /// An answer in another form than this version knows.
    #[error("the gateway's answer cannot be read")]
    Answer(#[from] serde_json::Error),
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        Self::Http(failure)
    }
}

impl ClientError {
    /// The status that the gateway said no with; none where it said nothing.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Http(failure) => failure.said.as_deref().map(|said| said.status),
            Self::Address(_) | Self::Client(_) | Self::Answer(_) => None,
        }
    }
}

/// What the gateway said, where it said something.
fn said(failure: &Failure) -> String {
    let message = |body: &[u8]| {
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(body.pointer("/error/message")?.as_str()?.to_owned())
    };
    failure.said.as_deref().map_or_else(String::new, |said| match message(&said.body) {
        Some(message) => format!(" (status {}: {message})", said.status),
        None => format!(" (status {})", said.status),
    })
}

/// Sends requests to one gateway.
#[derive(Debug)]
pub(crate) struct Client {
    upstream: Arc<dyn Upstream>,
}

impl Client {
    /// A client of the gateway at an address.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn new(gateway: &str, master_key: Secret) -> Result<Self, ClientError> {
        let gateway: BaseUrl = gateway.trim_end_matches('/').parse()?;
        let hosts = Arc::new(std::iter::once(gateway.origin().authority()).collect());
        let credential = Credential { secret: master_key, auth: Auth::Bearer, hosts };
        let upstream = HttpProvider::new(&Settings::default())?.upstream(&gateway, Some(&credential))?;
        Ok(Self { upstream })
    }

    /// Reads.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: impl Into<Cow<'static, str>>) -> Result<T, ClientError> {
        self.send(path.into(), None).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &'static str, body: &Value) -> Result<T, ClientError> {
        self.send(path.into(), Some(Bytes::from(body.to_string()))).await
    }

    async fn send<T: DeserializeOwned>(&self, path: Cow<'static, str>, body: Option<Bytes>) -> Result<T, ClientError> {
        let answer = AnswerForm::Buffered { limit_bytes: ANSWER_MAX_BYTES };
        let timeouts = Timeouts { first_byte: PATIENCE, idle: PATIENCE, ..Timeouts::default() };
        let call = Call { path, body, content_type: None, headers: Vec::new(), answer, timeouts };
        match self.upstream.call(call).await?.body {
            Body::Whole(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Body::Pieces(_) => Err(Failure::new(Kind::Protocol).into()),
        }
    }
}
