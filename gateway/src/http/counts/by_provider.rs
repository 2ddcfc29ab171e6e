//! Tokens as the provider itself counts them, where a deployment's provider does so in the client's own dialect.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tallygate_adapters::dialect::wire::Dialect;
use tallygate_adapters::provider::doors::Asks;
use tallygate_core::admission;
use tallygate_core::port::provider::failure::{Fault, Kind};
use tallygate_core::port::provider::{AnswerForm, Body, Call, Failure, Header};
use tallygate_core::registry::{Deployment, Model};
use tallygate_core::routing::{Readiness, Steady};

use super::Form;
use crate::http::App;
use crate::http::error::ApiError;
use crate::pipeline::admitted::quotas;
use crate::pipeline::authenticated::Authenticated;
use crate::pipeline::called::answer_to;
use crate::upstreams::Target;

/// How long a provider is waited for, at most: someone waits for a number that can be estimated here.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many deployments are asked. If none of them answers, the prompt is counted here.
const ASKED_MAX: usize = 2;
/// The longest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// What a client asks to be counted.
pub(super) struct Asked<'a> {
    pub(super) form: &'a Form,
    pub(super) caller: &'a Authenticated,
    pub(super) model: &'a Model,
    pub(super) body: &'a Value,
}

/// A provider's answer.
pub(super) struct ByProvider {
    /// Whose provider it is.
    pub(super) deployment: String,
    /// What it said.
    pub(super) body: Bytes,
}

/// Asks the provider of a deployment that is well. None where no provider counts, none answers, or the key has used up its
/// rate limits: a call of a provider is a request as any other, and what can be counted here need not be refused.
///
/// Cancellation: the call is given up. Nothing was held.
///
/// # Errors
/// What the provider said is wrong with the request.
pub(super) async fn ask(app: &App, asked: &Asked<'_>) -> Result<Option<ByProvider>, ApiError> {
    let Asks::Chat(dialect, _) = asked.form.asks else { return Ok(None) };
    let control = &asked.caller.snapshot.control;
    let may_be_asked = |deployment: &&Deployment| {
        app.pipeline.activity.has_room() && admission::permit_deployment(control, asked.model, deployment).is_ok()
    };
    for deployment in asked.model.deployments.iter().filter(may_be_asked).take(ASKED_MAX) {
        let Ok(target) = app.pipeline.upstreams.target(&asked.caller.snapshot, deployment) else { continue };
        let Some(path) = path(app, &target, dialect) else { continue };
        let Ok(share) = app.pipeline.limits.take(&quotas(control, &asked.caller.caller), 0) else { break };
        let told = call(asked, &target, dialect, path).await;
        share.settle(0);
        match told {
            Ok(body) => return Ok(Some(ByProvider { deployment: deployment.id.to_string(), body })),
            Err(failure) if failure.fault() == Fault::Client => {
                let secret = target.credential.as_ref().map(|credential| &credential.secret);
                return Err(answer_to(&failure, asked.model.name.as_str(), secret));
            }
            Err(failure) => {
                tracing::warn!(deployment = %deployment.id, %failure, "a provider did not count tokens");
            }
        }
    }
    Ok(None)
}

/// Where a deployment counts, if it does in this dialect and is well.
fn path(app: &App, target: &Target, dialect: &dyn Dialect) -> Option<String> {
    let now = Steady::from_millis(app.pipeline.clock.steady_ms());
    let usual = target.speaks.dialects.first()?;
    let is_asked = usual.name() == dialect.name() && target.health().may_run(now) == Readiness::Ready;
    usual.count_path(&target.model).filter(|_| is_asked)
}

async fn call(asked: &Asked<'_>, target: &Target, dialect: &dyn Dialect, path: String) -> Result<Bytes, Failure> {
    let timeouts = target.waits.of(false).at_most(Some(PATIENCE), Some(PATIENCE));
    let call = Call {
        path: path.into(),
        body: Some(Bytes::from(body(asked.body, &target.model, dialect).to_string())),
        content_type: None,
        headers: headers(asked, target),
        answer: AnswerForm::Buffered { limit_bytes: ANSWER_MAX_BYTES },
        timeouts,
    };
    let told = |failure: Failure| match failure.said {
        Some(said) => dialect.read_error(*said, failure.retry_after),
        None => failure,
    };
    let answer = target.upstream.call(call).await.map_err(told)?;
    let Body::Whole(bytes) = answer.body else { return Err(Failure::new(Kind::Protocol)) };
    let said: Option<Value> = serde_json::from_slice(&bytes).ok();
    let count = said.as_ref().and_then(|said| said.get(asked.form.count)?.as_u64());
    count.map(|_| bytes).ok_or_else(|| Failure::new(Kind::Protocol))
}

/// The client's body, written anew from what was read of it, with the upstream's name of the model.
fn body(asked: &Value, model: &str, dialect: &dyn Dialect) -> Value {
    let mut body = asked.clone();
    if dialect.places().model_in_body {
        body["model"] = json!(model);
    } else if let Value::Object(fields) = &mut body {
        fields.remove("model");
        if let Some(Value::Object(within)) = fields.get_mut("generateContentRequest") {
            within.insert("model".to_owned(), json!(format!("models/{model}")));
        }
    }
    body
}

/// The client's headers that hold for the upstream too, and the vendor's that the client did not send.
fn headers(asked: &Asked<'_>, target: &Target) -> Vec<Header> {
    let mut headers = asked.caller.received.forwarded.clone();
    let own =
        target.headers.iter().filter(|own| asked.caller.received.forwarded.iter().all(|told| told.name != own.name));
    headers.extend(own.cloned());
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tallygate_adapters::provider::doors::{Asks, GENERATE, MESSAGES};

    use super::body;

    #[test]
    fn a_provider_is_told_its_own_name_of_the_model() {
        let (Asks::Chat(messages, _), Asks::Chat(contents, _)) = (MESSAGES, GENERATE) else { panic!("no chats") };
        let asked = json!({ "model": "public", "messages": [], "tools": [1] });
        assert_eq!(body(&asked, "own", messages), json!({ "model": "own", "messages": [], "tools": [1] }));
        let asked = json!({ "generateContentRequest": { "model": "models/public", "contents": [] } });
        let told = json!({ "generateContentRequest": { "model": "models/own", "contents": [] } });
        assert_eq!(body(&asked, "own", contents), told);
        assert_eq!(body(&json!({ "contents": [] }), "own", contents), json!({ "contents": [] }));
    }
}
