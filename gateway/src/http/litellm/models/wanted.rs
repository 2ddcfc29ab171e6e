//! The deployment that a request wants, over the one that there is, if any.

use serde_json::{Map, Value, json};
use tallygate_adapters::provider::vendors::VendorError;
use tallygate_core::id::{CredentialId, DeploymentId};
use tallygate_core::json::Json;
use tallygate_core::registry::{Deployment, NewDeployment};

use super::key::KeySource;
use super::params::API_KEY;
use super::request::ModelRequest;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::upstreams::Upstreams;

/// A deployment as it is to be, but for its credential.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) deployment: NewDeployment,
    /// The host that its key may be sent to.
    pub(super) host: String,
    /// The key that was given.
    pub(super) key: Option<KeySource>,
}

impl Wanted {
    /// What a request says, over what is there. What it does not say stays.
    ///
    /// # Errors
    /// 400: no such vendor, no address, an address or a variable that may not be used, attachments that are too large.
    pub(super) fn of(
        upstreams: &Upstreams,
        request: &ModelRequest,
        id: DeploymentId,
        current: Option<&Deployment>,
    ) -> Result<Self, ApiError> {
        let key = request.api_key.as_ref().map(KeySource::of).transpose()?;
        let params = params(request, current, key.as_ref());
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        let model = text("model").unwrap_or_default();
        let base_url = request.api_base.clone().or_else(|| current.and_then(|current| current.base_url.clone()));
        let (vendor, upstream_model) = upstreams
            .vendors()
            .resolve(model, text("custom_llm_provider"), base_url.is_some())
            .map_err(|error| refused(vendor_param(&error), error.to_string()))?;
        let endpoint =
            upstreams.endpoint(vendor, base_url.as_deref()).map_err(|why| refused("litellm_params.api_base", why))?;
        let mut info = current.map(|current| fields(&current.info)).unwrap_or_default();
        info.extend(request.info.clone());
        let attached = |name: &str, fields: Map<String, Value>| {
            Json::from_value(&Value::Object(fields)).map_err(|error| refused(name, error))
        };
        let in_force = current.and_then(|current| current.price.as_ref()).map(|in_force| &in_force.price);
        let price = request.price.over(in_force)?;
        let deployment = NewDeployment {
            id,
            vendor: vendor.id.clone(),
            upstream_model: upstream_model.to_owned(),
            base_url,
            credential: current.and_then(|current| current.credential),
            weight: request.weight.or(current.map(|current| current.weight)).unwrap_or(NewDeployment::default_weight()),
            max_output_tokens: request.max_output_tokens.or(current.and_then(|current| current.max_output_tokens)),
            price,
            info: attached("model_info", info)?,
            params: attached("litellm_params", params)?,
        };
        Ok(Self { deployment, host: endpoint.origin().authority(), key })
    }

    /// Whether a deployment that is there is this one, but for its id. Where no price was given, any will do: it may be the
    /// price list's, or have been revised since.
    pub(super) fn is(&self, app: &App, there: &Deployment) -> bool {
        let wanted = &self.deployment;
        wanted.vendor == there.vendor
            && wanted.upstream_model == there.upstream_model
            && wanted.base_url == there.base_url
            && wanted.weight == there.weight
            && wanted.max_output_tokens == there.max_output_tokens
            && (wanted.price.is_none() || wanted.price.as_ref() == there.price.as_ref().map(|in_force| &in_force.price))
            && wanted.info == there.info
            && wanted.params == there.params
            && self.has_key_of(app, there.credential)
    }

    /// Whether the key that was given is the one that a credential keeps.
    pub(super) fn has_key_of(&self, app: &App, credential: Option<CredentialId>) -> bool {
        let snapshot = app.pipeline.views.control.snapshot();
        match (&self.key, credential.map(|id| snapshot.control.credentials.get(&id))) {
            (None, None) => true,
            (Some(key), Some(Some(credential))) => key.is_kept_by(app, credential, &self.host),
            _ => false,
        }
    }
}

/// `litellm_params` as they are kept: the key by its variable's name, or as stars.
fn params(request: &ModelRequest, current: Option<&Deployment>, key: Option<&KeySource>) -> Map<String, Value> {
    let mut params = current.map(|current| fields(&current.params)).unwrap_or_default();
    if let Some(current) = current.filter(|_| !params.contains_key("model")) {
        // It was registered by a command, without LiteLLM's parameters.
        params.insert("model".to_owned(), json!(current.upstream_model));
        params.insert("custom_llm_provider".to_owned(), json!(current.vendor));
    }
    params.extend(request.params.clone());
    if let Some(key) = key {
        params.insert(API_KEY.to_owned(), json!(key.shown()));
    }
    params
}

fn fields(json: &Json) -> Map<String, Value> {
    match json.to_value() {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

const fn vendor_param(error: &VendorError) -> &'static str {
    match error {
        VendorError::Unknown { .. } => "litellm_params.custom_llm_provider",
        VendorError::NotNamed { .. } | VendorError::NoModel => "litellm_params.model",
        VendorError::NoBaseUrl(_) | VendorError::BaseUrl(_) => "litellm_params.api_base",
    }
}

fn refused(param: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::ParameterInvalid, message).param(param)
}
