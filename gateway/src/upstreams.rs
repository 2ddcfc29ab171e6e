//! Upstreams, ready to be called: a deployment's address and its opened credential, made once and kept while neither
//! changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tallygate_adapters::dialect::openai_chat::LimitField;
use tallygate_adapters::provider::catalog::{Catalog, Entry};
use tallygate_adapters::provider::vendors::{Vendor, Vendors};
use tallygate_core::endpoint::{BaseUrl, NetworkPolicy};
use tallygate_core::id::DeploymentId;
use tallygate_core::port::provider::{Credential, Provider, Upstream};
use tallygate_core::port::secret::{Binding, Vault};
use tallygate_core::registry::Deployment;
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
    /// Whether it is asked for the usage of streams.
    pub(crate) meters_streams: bool,
    /// What it calls the limit of output.
    pub(crate) limit_field: LimitField,
    /// The longest prompt it takes, in tokens, where people said so or the catalog knows.
    pub(crate) context_window: Option<u64>,
    /// The longest answer that it gives, in tokens, where the catalog knows.
    pub(crate) longest_answer: Option<u64>,
    /// The events that it was made of: it is made anew when one of them is not the last any more.
    made_of: (Position, Position),
}

/// Makes targets, and keeps them.
#[derive(Debug)]
pub(crate) struct Upstreams {
    provider: Arc<dyn Provider>,
    vendors: Arc<Vendors>,
    catalog: Arc<Catalog>,
    vault: Arc<dyn Vault>,
    network: NetworkPolicy,
    /// Addresses that people set in the environment for a vendor, by the variable's name.
    environment: BTreeMap<String, String>,
    targets: Mutex<HashMap<DeploymentId, Arc<Target>>>,
}

impl Upstreams {
    /// Upstreams of these vendors, called by this provider. `environment` is what the gateway was started with.
    pub(crate) fn new(
        provider: Arc<dyn Provider>,
        vendors: Arc<Vendors>,
        catalog: Arc<Catalog>,
        vault: Arc<dyn Vault>,
        network: NetworkPolicy,
        environment: BTreeMap<String, String>,
    ) -> Self {
        Self { provider, vendors, catalog, vault, network, environment, targets: Mutex::default() }
    }

    /// The vendors there are.
    pub(crate) fn vendors(&self) -> &Vendors {
        &self.vendors
    }

    /// What is known of the model that a deployment serves.
    pub(crate) fn known(&self, deployment: &Deployment) -> Option<&Entry> {
        self.catalog.get(&deployment.vendor, &deployment.upstream_model)
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
        let from_environment =
            || vendor.base_env.iter().find_map(|name| self.environment.get(name)).map(String::as_str);
        let endpoint = vendor.endpoint(given.or_else(from_environment)).map_err(|error| error.to_string())?;
        endpoint.check(&self.network).map_err(|error| error.to_string())?;
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

    fn targets(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, Arc<Target>>> {
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
            upstream,
            credential,
            meters_streams: vendor.tells_usage_on_request(),
            limit_field: vendor.limit_field(),
            context_window: info
                .get("max_input_tokens")
                .and_then(serde_json::Value::as_u64)
                .or_else(|| known.and_then(|known| known.longest_context_tokens)),
            longest_answer: known.and_then(|known| known.max_output_tokens),
            made_of,
        })
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

fn unusable(deployment: &Deployment, why: &str) -> ApiError {
    let message = format!("the deployment `{}` cannot be called: {why}", deployment.id);
    tracing::warn!(deployment = %deployment.id, why, "a deployment cannot be called");
    ApiError::new(ErrorCode::DeploymentUnusable, message)
}
