//! The fields that a deployment is made or changed with.

use serde_json::{Map, Value};
use tallygate_core::id::{DeploymentId, ModelName, RealmId};
use tallygate_core::secret::Secret;

use super::params::{self, API_KEY};
use super::price::{self, PriceRequest};
use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::refuse;

/// What of `model_info` would change who may call the model, and is not built yet.
const UNSUPPORTED_INFO: [&str; 2] = ["access_groups", "access_via_team_ids"];
/// What of `model_info` the gateway itself says: it is not kept as it came.
const OWN_INFO: [&str; 8] =
    ["id", "db_model", "created_at", "created_by", "updated_at", "updated_by", price::INPUT, price::OUTPUT];

/// What a request says about a deployment. What it does not say, or says as null, is none.
#[derive(Debug)]
pub(super) struct ModelRequest {
    pub(super) name: Option<ModelName>,
    pub(super) id: Option<DeploymentId>,
    pub(super) realm: Option<RealmId>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) api_base: Option<String>,
    pub(super) api_key: Option<Secret>,
    pub(super) weight: Option<u32>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) price: PriceRequest,
    /// `litellm_params` to keep, without the key.
    pub(super) params: Map<String, Value>,
    /// `model_info` to keep.
    pub(super) info: Map<String, Value>,
}

impl ModelRequest {
    /// Reads the fields.
    ///
    /// # Errors
    /// 422 for another type, 400 for a value that is not acceptable or not supported.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let params = fields.section("litellm_params")?;
        let info = fields.section("model_info")?;
        let price = PriceRequest::read(params.as_ref(), info.as_ref())?;
        let mut request = Self {
            name: fields.id("model_name", ModelName::new)?.into_value(),
            id: None,
            realm: None,
            model: None,
            provider: None,
            api_base: None,
            api_key: None,
            weight: None,
            max_output_tokens: None,
            price,
            params: Map::new(),
            info: Map::new(),
        };
        if let Some(params) = params {
            request.read_params(&params)?;
        }
        if let Some(info) = info {
            request.read_info(fields, &info)?;
        }
        Ok(request)
    }

    fn read_params(&mut self, params: &Fields<'_>) -> Result<(), ApiError> {
        let text = |name: &str| Ok::<_, ApiError>(params.text(name)?.into_value().filter(|text| !text.is_empty()));
        self.model = text("model")?;
        self.provider = text("custom_llm_provider")?;
        self.api_base = match text("api_base")? {
            Some(base) => Some(base),
            None => text("base_url")?,
        };
        self.api_key = text(API_KEY)?.map(Secret::new);
        self.weight = params.count("weight")?.into_value();
        self.params = params::kept(params)?;
        Ok(())
    }

    fn read_info(&mut self, fields: &Fields<'_>, info: &Fields<'_>) -> Result<(), ApiError> {
        refuse(info, &UNSUPPORTED_INFO)?;
        // LiteLLM takes a number for an id, and makes a text of it.
        self.id = match info.value("id")? {
            Value::Number(number) => {
                Some(DeploymentId::new(number.to_string()).map_err(|e| info.refused("id", &e.to_string()))?)
            }
            _ => info.id("id", DeploymentId::new)?.into_value(),
        };
        self.realm = info.id("team_id", RealmId::new)?.into_value();
        self.max_output_tokens = match info.count("max_output_tokens")?.into_value() {
            Some(tokens) => Some(tokens),
            None => info.count("max_tokens")?.into_value(),
        };
        self.info = fields.object("model_info")?.into_value().unwrap_or_default();
        self.info.retain(|name, value| !OWN_INFO.contains(&name.as_str()) && !value.is_null());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::ModelRequest;
    use crate::http::litellm::fields::Fields;
    use serde_json::json;

    fn read(body: &serde_json::Value) -> Result<ModelRequest, crate::http::error::ApiError> {
        ModelRequest::read(&Fields::read(body.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn what_people_attach_is_kept_and_the_key_is_not() {
        let request = read(&json!({
            "model_name": "vendor/m",
            "litellm_params": {"model": "m", "api_key": "sk-canary", "base_url": "http://llm:8000", "weight": 3},
            "model_info": {"id": 7, "provider": "vendor", "description": "M", "max_tokens": 100, "db_model": false},
        }))
        .unwrap();
        assert_eq!(request.id.unwrap().as_str(), "7");
        assert_eq!(request.api_base.as_deref(), Some("http://llm:8000"));
        assert_eq!((request.weight, request.max_output_tokens), (Some(3), Some(100)));
        assert_eq!(json!(request.info), json!({"provider": "vendor", "description": "M", "max_tokens": 100}));
        assert_eq!(json!(request.params), json!({"model": "m", "base_url": "http://llm:8000", "weight": 3}));
    }

    #[test]
    fn another_type_is_named_with_its_place() {
        for (body, param) in [
            (json!({"model_name": 7}), "model_name"),
            (json!({"litellm_params": []}), "litellm_params"),
            (json!({"litellm_params": {"model": 7}}), "litellm_params.model"),
            (json!({"litellm_params": {"weight": 0.5}}), "litellm_params.weight"),
            (json!({"model_info": {"id": {}}}), "model_info.id"),
        ] {
            let error = read(&body).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (422, Some(param)), "{body}");
        }
    }
}
