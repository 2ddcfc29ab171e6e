//! Deployments, as entries of the proxy's models.

use serde_json::{Value, json};
use tallygate_adapters::litellm::mirror::deployment;
use tallygate_core::id::DeploymentId;
use tallygate_core::port::secret::Binding;
use tallygate_core::registry::{Deployment, Model};
use tallygate_core::secret::{Secret, SecretSource};
use tallygate_core::stream::StreamId;

use super::hand::Hand;
use super::outcome::{Outcome, Stuck};

const OF_FILE: &str =
    "the entry comes from the proxy's configuration file, and cannot be changed over HTTP: change it there";

/// Makes an entry what its deployment is.
pub(super) async fn deployment(hand: &Hand<'_>, id: &DeploymentId) -> Result<Outcome, Stuck> {
    let control = &hand.snapshot.control;
    let model = control.deployments.get(id).and_then(|model| control.models.get(model.as_ref()));
    let found = model.and_then(|model| Some((model, model.deployment(id)?)));
    let there = there(hand, id).await?;
    if there.as_ref().is_some_and(deployment::is_of_file) {
        return Ok(Outcome::NotMirrored(OF_FILE.to_owned()));
    }
    let Some((model, wanted)) = found else {
        if there.is_some() {
            remove(hand, id).await?;
        }
        return Ok(Outcome::InStep);
    };
    if control.quarantined.contains(&StreamId::model(model.id)) {
        return Ok(Outcome::NotMirrored("an event of the model cannot be read by this version".to_owned()));
    }
    let key = match key(hand, wanted) {
        Ok(key) => key,
        Err(reason) => return Ok(Outcome::NotMirrored(reason)),
    };
    let body = body(hand, model, wanted, key.as_ref());
    match there {
        Some(there) if !deployment::is_made_anew(&body, &there) => {
            hand.proxy.post("/model/update", &body, key.as_ref()).await?;
        }
        Some(_) => {
            remove(hand, id).await?;
            hand.proxy.post("/model/new", &body, key.as_ref()).await?;
        }
        None => drop(hand.proxy.post("/model/new", &body, key.as_ref()).await?),
    }
    Ok(Outcome::InStep)
}

async fn there(hand: &Hand<'_>, id: &DeploymentId) -> Result<Option<Value>, Stuck> {
    let found = hand.there("/model/info", "litellm_model_id", id.as_str()).await?;
    Ok(found.and_then(|found| found.pointer("/data/0").cloned()))
}

async fn remove(hand: &Hand<'_>, id: &DeploymentId) -> Result<(), Stuck> {
    hand.proxy.post("/model/delete", &json!({ "id": id }), None).await?;
    Ok(())
}

fn body(hand: &Hand<'_>, model: &Model, wanted: &Deployment, key: Option<&Secret>) -> Value {
    let vendor = hand.app.pipeline.upstreams.vendors().get(wanted.vendor.as_str());
    let vendor = vendor.map_or(wanted.vendor.as_str(), |vendor| vendor.name_at_litellm());
    deployment::body(model, wanted, vendor, key)
}

/// The key of the upstream: a variable by its name, which the proxy reads from its own environment, or a secret that was
/// sealed. None where the vendor's usual variable is used.
fn key(hand: &Hand<'_>, wanted: &Deployment) -> Result<Option<Secret>, String> {
    let Some(id) = wanted.credential else { return Ok(None) };
    let credential = hand.snapshot.control.credentials.get(&id).ok_or("its credential is not there")?;
    match credential.secret.as_ref().ok_or("its credential was removed")? {
        SecretSource::Environment(name) => Ok(Some(Secret::new(format!("os.environ/{name}")))),
        sealed @ SecretSource::Sealed(_) => {
            let binding = Binding { credential: id, realm: &credential.realm, hosts: &credential.hosts };
            hand.app.pipeline.upstreams.vault().open(sealed, &binding).map(Some).map_err(|error| error.to_string())
        }
    }
}
