//! Upstreams, ready to be called: a deployment's address and its opened credential, made once and kept while neither
//! changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use tallygate_adapters::dialect::exchange::Speaks;
use tallygate_adapters::provider::catalog::{Catalog, Entry};
use tallygate_adapters::provider::differences::abilities;
use tallygate_adapters::provider::vendors::{Vendor, Vendors};
use tallygate_core::endpoint::{BaseUrl, NetworkPolicy};
use tallygate_core::id::{DeploymentId, VendorId};
use tallygate_core::money::NanoUsd;
use tallygate_core::port::provider::{Credential, Header, Provider, Timeouts, Upstream};
use tallygate_core::port::secret::{Binding, Vault};
use tallygate_core::registry::{Deployment, Model, Patience};
use tallygate_core::routing::{Health, Lately, MinuteLimits, Steady, price_per_1k};
use tallygate_core::secret::{Secret, SecretSource};
use tallygate_core::stream::Position;
use tallygate_projections::Snapshot;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// The most targets that are kept. More deployments than this only cost the opening of a credential again.
const TARGETS_MAX: usize = 10_000;

/// A deployment, ready to be called.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) upstream: Arc<dyn Upstream>,
    /// What opens it; kept so that its key can be hidden in what the upstream says.
    pub(crate) credential: Option<Credential>,
    /// The name that it knows the model by.
    pub(crate) model: String,
    /// What it speaks, and what its model can.
    pub(crate) speaks: Speaks,
    /// Headers that it wants to see with every call.
    pub(crate) headers: Vec<Header>,
    /// The longest prompt it takes, in tokens, where people said so or the catalog knows.
    pub(crate) context_window: Option<u64>,
    /// The longest answer that it gives, in tokens, where the catalog knows.
    pub(crate) longest_answer: Option<u64>,
    /// How long it is waited for, and how often it is asked again.
    pub(crate) waits: Waits,
    /// What routing knows of it beside its health.
    pub(crate) fit: Fit,
    health: Mutex<Health>,
    /// The events that it was made of: it is made anew when one of them is not the last any more.
    made_of: (Position, Position),
}

/// How long a deployment is waited for: its own limits over the gateway's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    whole: Timeouts,
    stream: Timeouts,
    /// How often a request that failed there is tried again on the model, if the deployment says so.
    pub(crate) max_retries: Option<u8>,
}

/// What of a deployment decides where a request goes, beside its health.
#[derive(Debug)]
pub(crate) struct Fit {
    /// Its place where deployments are tried in order.
    pub(crate) order: u32,
    pub(crate) price_per_1k: Option<NanoUsd>,
    pub(crate) limits: MinuteLimits,
    pub(crate) tags: Vec<String>,
}

impl Target {
    /// How the deployment is, as this gateway sees it. A deployment that was changed begins anew.
    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waits {
    /// How long a call is waited for.
    pub(crate) const fn of(&self, streams: bool) -> Timeouts {
        if streams { self.stream } else { self.whole }
    }

    /// What was accepted before there were bounds, and cannot be read, says nothing.
    fn of_deployment(deployment: &Deployment, own: &Timeouts) -> Self {
        let patience = Patience::of(&deployment.params.to_value()).unwrap_or_else(|invalid| {
            tracing::warn!(deployment = %deployment.id, %invalid, "a deployment's timeouts cannot be read");
            Patience::default()
        });
        let max_retries = patience.max_retries;
        Self { whole: patience.over(own, false), stream: patience.over(own, true), max_retries }
    }
}

impl Fit {
    /// By LiteLLM's parameters: `order`, `rpm`, `tpm`, `tags`.
    fn of(deployment: &Deployment) -> Self {
        let params = deployment.params.to_value();
        let number = |name: &str| params.get(name).and_then(serde_json::Value::as_u64);
        let tags = params.get("tags").and_then(serde_json::Value::as_array).into_iter().flatten();
        Self {
            order: number("order").and_then(|order| order.try_into().ok()).unwrap_or(u32::MAX),
            price_per_1k: deployment.price.as_ref().map(|in_force| price_per_1k(&in_force.price)),
            limits: MinuteLimits { requests: number("rpm"), tokens: number("tpm") },
            tags: tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect(),
        }
    }
}

/// Makes targets, and keeps them.
#[derive(Debug)]
pub(crate) struct Upstreams {
    provider: Arc<dyn Provider>,
    vendors: Arc<Vendors>,
    catalog: Arc<Catalog>,
    vault: Arc<dyn Vault>,
    own: OwnSettings,
    targets: Mutex<HashMap<DeploymentId, Arc<Target>>>,
}

/// What the gateway was started with, as far as it bears on calls.
#[derive(Debug)]
pub(crate) struct OwnSettings {
    pub(crate) network: NetworkPolicy,
    /// Addresses that people set in the environment for a vendor, by the variable's name.
    pub(crate) environment: BTreeMap<String, String>,
    /// How long deployments are waited for that say nothing of it.
    pub(crate) timeouts: Timeouts,
}

impl Upstreams {
    /// Upstreams of these vendors, called by this provider.
    pub(crate) fn new(
        provider: Arc<dyn Provider>,
        vendors: Arc<Vendors>,
        catalog: Arc<Catalog>,
        vault: Arc<dyn Vault>,
        own: OwnSettings,
    ) -> Self {
        Self { provider, vendors, catalog, vault, own, targets: Mutex::default() }
    }

    /// The vendors there are.
    pub(crate) fn vendors(&self) -> &Vendors {
        &self.vendors
    }

    /// What is known of a vendor's model, by the name that the vendor has for it.
    pub(crate) fn known_as(&self, vendor: &VendorId, upstream_model: &str) -> Option<&Entry> {
        self.catalog.get(vendor, upstream_model)
    }

    /// What is known of the model that a deployment serves.
    pub(crate) fn known(&self, deployment: &Deployment) -> Option<&Entry> {
        let vendor = self.vendors.get(deployment.vendor.as_str());
        let named = deployment.upstream_model.as_str();
        self.catalog.get(&deployment.vendor, vendor.map_or(named, |vendor| vendor.calls(named).1))
    }

    /// What seals and opens credentials.
    pub(crate) fn vault(&self) -> &dyn Vault {
        self.vault.as_ref()
    }

    /// Where a vendor's API is: at the address that a deployment gives, at the one that the environment gives, or at the
    /// vendor's own.
    ///
    /// # Errors
    /// A sentence: no address, not an address, or one that may not be called.
    pub(crate) fn endpoint(&self, vendor: &Vendor, given: Option<&str>) -> Result<BaseUrl, String> {
        let given = given.or_else(|| self.set_in_environment(&vendor.base_env));
        let endpoint = vendor.endpoint(given).map_err(|error| error.to_string())?;
        endpoint.check(&self.own.network).map_err(|error| error.to_string())?;
        Ok(endpoint)
    }

    /// A deployment's target.
    ///
    /// # Errors
    /// [`ErrorCode::DeploymentUnusable`]: the operator must mend it.
    pub(crate) fn target(&self, snapshot: &Snapshot, deployment: &Deployment) -> Result<Arc<Target>, ApiError> {
        let credential = deployment.credential.and_then(|id| snapshot.control.credentials.get(&id));
        let credential_changed = credential.map_or(Position::START, |credential| credential.trail.changed.position);
        let made_of = (deployment.changed.position, credential_changed);
        if let Some(target) = self.targets().get(&deployment.id).filter(|target| target.made_of == made_of) {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(self.make(snapshot, deployment, made_of).map_err(|why| unusable(deployment, &why))?);
        let mut targets = self.targets();
        if targets.len() >= TARGETS_MAX {
            targets.clear();
        }
        targets.insert(deployment.id.clone(), Arc::clone(&target));
        Ok(target)
    }

    /// What the last calls of a model came to, at this gateway. A deployment that was not called since it last changed adds
    /// nothing.
    pub(crate) fn lately(&self, model: &Model, now: Steady) -> Lately {
        let mut lately = Lately::default();
        let of_model = |targets: &HashMap<DeploymentId, Arc<Target>>| -> Vec<Arc<Target>> {
            model.deployments.iter().filter_map(|deployment| targets.get(&deployment.id).cloned()).collect()
        };
        // Requests wait for the map, so it is let go of first.
        let targets = of_model(&self.targets());
        targets.iter().for_each(|target| target.health().add_to(&mut lately, now));
        lately
    }

    fn targets(&self) -> MutexGuard<'_, HashMap<DeploymentId, Arc<Target>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(
        &self,
        snapshot: &Snapshot,
        deployment: &Deployment,
        made_of: (Position, Position),
    ) -> Result<Target, String> {
        let vendor = self
            .vendors
            .get(deployment.vendor.as_str())
            .ok_or_else(|| format!("this version knows no vendor `{}`", deployment.vendor))?;
        let endpoint = self.endpoint(vendor, deployment.base_url.as_deref())?;
        let credential = self.credential(snapshot, deployment, vendor, &endpoint)?;
        let upstream = self.provider.upstream(&endpoint, credential.as_ref()).map_err(|failure| failure.to_string())?;
        let info = deployment.info.to_value();
        let known = self.known(deployment);
        Ok(Target {
            upstream: self.with_paths(upstream, vendor, deployment, &endpoint)?,
            credential,
            model: vendor.calls(&deployment.upstream_model).1.to_owned(),
            speaks: speaks(vendor, deployment, known),
            headers: vendor.headers.clone(),
            context_window: info
                .get("max_input_tokens")
                .and_then(serde_json::Value::as_u64)
                .or_else(|| known.and_then(|known| known.longest_context_tokens)),
            longest_answer: known.and_then(|known| known.max_output_tokens),
            waits: Waits::of_deployment(deployment, &self.own.timeouts),
            fit: Fit::of(deployment),
            health: Mutex::default(),
            made_of,
        })
    }

    /// The upstream, called by the paths of its vendor where those are not the dialect's. The version of the API is the
    /// deployment's, or the one that the environment gives, or the vendor's own.
    fn with_paths(
        &self,
        upstream: Arc<dyn Upstream>,
        vendor: &Vendor,
        deployment: &Deployment,
        endpoint: &BaseUrl,
    ) -> Result<Arc<dyn Upstream>, String> {
        let Some(form) = &vendor.path_form else { return Ok(upstream) };
        let params = deployment.params.to_value();
        let told = params.get("api_version").and_then(serde_json::Value::as_str);
        let version = told.or_else(|| self.set_in_environment(&form.api_version_env));
        let paths = form.paths(endpoint, &deployment.upstream_model, version).map_err(|error| error.to_string())?;
        Ok(match paths {
            Some(paths) => paths.calling(upstream),
            None => upstream,
        })
    }

    /// The first of some variables that is set.
    fn set_in_environment(&self, names: &[String]) -> Option<&str> {
        names.iter().find_map(|name| self.own.environment.get(name)).map(String::as_str)
    }

    fn credential(
        &self,
        snapshot: &Snapshot,
        deployment: &Deployment,
        vendor: &Vendor,
        endpoint: &BaseUrl,
    ) -> Result<Option<Credential>, String> {
        let Some(id) = deployment.credential else { return Ok(self.vendor_credential(vendor, deployment, endpoint)) };
        let stored =
            snapshot.control.credentials.get(&id).ok_or_else(|| format!("the credential {id} is not there"))?;
        let source = stored.secret.as_ref().ok_or_else(|| format!("the credential {id} was removed"))?;
        let binding = Binding { credential: id, realm: &stored.realm, hosts: &stored.hosts };
        let secret = self.vault.open(source, &binding).map_err(|error| error.to_string())?;
        Ok(Some(Credential { secret, auth: vendor.auth, hosts: Arc::new(stored.hosts.clone()) }))
    }

    /// The key that the environment holds for a vendor, sent to nowhere but where the operator who set it would: the
    /// vendor's own address, or the one that the environment gives.
    fn vendor_credential(&self, vendor: &Vendor, deployment: &Deployment, endpoint: &BaseUrl) -> Option<Credential> {
        if deployment.base_url.is_some() {
            return None;
        }
        let secret = vendor.key_env.iter().find_map(|name| self.environment_secret(name))?;
        let hosts = Arc::new(std::iter::once(endpoint.origin().authority()).collect());
        Some(Credential { secret, auth: vendor.auth, hosts })
    }

    fn environment_secret(&self, name: &str) -> Option<Secret> {
        let source = SecretSource::Environment(name.to_owned());
        let realm = tallygate_core::id::RealmId::default_realm();
        let credential = tallygate_core::id::CredentialId::new(uuid::Uuid::nil());
        self.vault.open(&source, &Binding { credential, realm: &realm, hosts: &std::collections::BTreeSet::new() }).ok()
    }
}

/// What an upstream speaks and can, by its vendor, by what is known of its model, and by what people said of the deployment.
fn speaks(vendor: &Vendor, deployment: &Deployment, known: Option<&Entry>) -> Speaks {
    let params = deployment.params.to_value();
    let also_drop = params.get("additional_drop_params").and_then(serde_json::Value::as_array);
    // Where people choose the names of models, they may say which model it is.
    let info = deployment.info.to_value();
    let named = vendor.calls(&deployment.upstream_model).1;
    let model = info.get("base_model").and_then(serde_json::Value::as_str).unwrap_or(named);
    let names = also_drop.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
    Speaks {
        dialects: vendor.calls(&deployment.upstream_model).0,
        embeddings_path: vendor.embeddings_path.clone().map(Into::into),
        abilities: abilities(vendor, known, model),
        output_max_tokens: deployment.max_output_tokens.or_else(|| known.and_then(|known| known.max_output_tokens)),
        drop_params: params.get("drop_params").and_then(serde_json::Value::as_bool).unwrap_or_default(),
        also_drop: names.collect(),
    }
}

fn unusable(deployment: &Deployment, why: &str) -> ApiError {
    let message = format!("the deployment `{}` cannot be called: {why}", deployment.id);
    tracing::warn!(deployment = %deployment.id, why, "a deployment cannot be called");
    ApiError::new(ErrorCode::DeploymentUnusable, message)
}
