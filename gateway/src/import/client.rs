//! The importer's client: HTTP to the gateway that it imports into, under the master key.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tallygate_adapters::provider::client::{HttpProvider, Settings};
use tallygate_core::endpoint::BaseUrl;
use tallygate_core::port::provider::failure::{Failure, Kind};
use tallygate_core::port::provider::{AnswerForm, Auth, Body, Call, Credential, Provider as _, Timeouts, Upstream};
use tallygate_core::secret::Secret;

use super::ImportError;

/// The longest answer, in bytes: the prices of some 100,000 deployments.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Sends requests to one gateway.
pub(super) struct Client {
    upstream: Arc<dyn Upstream>,
}

impl Client {
    /// A client of the gateway at an address.
    ///
    /// # Errors
    /// [`ImportError`].
    pub(super) fn new(gateway: &str, master_key: Secret) -> Result<Self, ImportError> {
        let gateway: BaseUrl = gateway.trim_end_matches('/').parse()?;
        let hosts = Arc::new(std::iter::once(gateway.origin().authority()).collect());
        let credential = Credential { secret: master_key, auth: Auth::Bearer, hosts };
        let upstream = HttpProvider::new(&Settings::default())?.upstream(&gateway, Some(&credential))?;
        Ok(Self { upstream })
    }

    /// Reads.
    ///
    /// # Errors
    /// [`ImportError`].
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &'static str) -> Result<T, ImportError> {
        self.send(path, None).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// [`ImportError`].
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &'static str, body: &Value) -> Result<T, ImportError> {
        self.send(path, Some(Bytes::from(body.to_string()))).await
    }

    async fn send<T: DeserializeOwned>(&self, path: &'static str, body: Option<Bytes>) -> Result<T, ImportError> {
        let answer = AnswerForm::Buffered { limit_bytes: ANSWER_MAX_BYTES };
        let (headers, timeouts) = (Vec::new(), Timeouts::default());
        let call = Call { path: path.into(), body, content_type: None, headers, answer, timeouts };
        match self.upstream.call(call).await?.body {
            Body::Whole(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Body::Pieces(_) => Err(Failure::new(Kind::Protocol).into()),
        }
    }
}
