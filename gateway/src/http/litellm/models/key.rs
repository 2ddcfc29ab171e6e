//! The key of a deployment: a variable of the gateway's environment, or a secret that is sealed before it enters a
//! command. Either way it is bound to the host that it is given for.

use std::collections::BTreeSet;

use subtle::ConstantTimeEq as _;
use tallygate_adapters::secret::is_allowed_name;
use tallygate_core::credential::{Credential, StoreCredential};
use tallygate_core::id::{CredentialId, RealmId};
use tallygate_core::port::secret::Binding;
use tallygate_core::secret::{Secret, SecretSource};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

const PARAM: &str = "litellm_params.api_key";
/// The most characters of a credential's name that come from the model's.
const NAME_MAX_CHARACTERS: usize = 200;
/// What is shown in the place of a sealed secret.
const STARS: &str = "***";

/// Where a deployment's key comes from.
#[derive(Debug, Clone)]
pub(super) enum KeySource {
    /// `os.environ/NAME`.
    Environment(String),
    /// The key itself.
    Given(Secret),
}

impl KeySource {
    /// Takes what a request gave.
    ///
    /// # Errors
    /// 400 for a variable that may not be read: the gateway's own secrets are out of reach. And for stars, which someone
    /// copied from an answer.
    pub(super) fn of(given: &Secret) -> Result<Self, ApiError> {
        if given.expose() == STARS {
            return Err(
                ApiError::new(ErrorCode::ParameterInvalid, "`***` is not a key: give the key itself").param(PARAM)
            );
        }
        let Some(name) = SecretSource::environment_reference(given.expose()) else {
            return Ok(Self::Given(given.clone()));
        };
        if !is_allowed_name(name) {
            let message = format!(
                "the environment variable {} may not be used as a provider's key: its name must end in _API_KEY, _API_BASE, _BASE_URL or _API_TOKEN, and be none of the gateway's own",
                name.chars().take(128).collect::<String>()
            );
            return Err(ApiError::new(ErrorCode::ParameterForbidden, message).param(PARAM));
        }
        Ok(Self::Environment(name.to_owned()))
    }

    /// What may be shown of it: the variable's name, or stars.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Environment(name) => format!("os.environ/{name}"),
            Self::Given(_) => STARS.to_owned(),
        }
    }

    /// The command that keeps it for one host.
    ///
    /// # Errors
    /// 400 for a secret that cannot be one.
    pub(super) fn store(
        &self,
        app: &App,
        realm: &RealmId,
        model: &str,
        host: &str,
    ) -> Result<StoreCredential, ApiError> {
        let credential = CredentialId::new(app.pipeline.ids.uuid());
        let hosts = BTreeSet::from([host.to_owned()]);
        let secret = match self {
            Self::Environment(name) => SecretSource::Environment(name.clone()),
            Self::Given(secret) => {
                let binding = Binding { credential, realm, hosts: &hosts };
                let sealed = app.pipeline.upstreams.vault().seal(secret, &binding);
                let sealed = sealed
                    .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param(PARAM))?;
                SecretSource::Sealed(sealed)
            }
        };
        let name = model.chars().take(NAME_MAX_CHARACTERS).collect();
        Ok(StoreCredential { credential, realm: realm.clone(), name, secret, hosts })
    }

    /// Whether a credential is this key, kept for just this host.
    pub(super) fn is_kept_by(&self, app: &App, credential: &Credential, host: &str) -> bool {
        if !credential.hosts.iter().eq([host]) {
            return false;
        }
        match (self, &credential.secret) {
            (Self::Environment(name), Some(SecretSource::Environment(kept))) => name == kept,
            (Self::Given(secret), Some(sealed @ SecretSource::Sealed(_))) => {
                let binding = Binding { credential: credential.id, realm: &credential.realm, hosts: &credential.hosts };
                let opened = app.pipeline.upstreams.vault().open(sealed, &binding);
                opened.is_ok_and(|kept| kept.expose().as_bytes().ct_eq(secret.expose().as_bytes()).into())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeySource;
    use tallygate_core::secret::Secret;

    #[test]
    fn a_variable_is_shown_by_its_name_and_a_secret_not_at_all() {
        let shown = |text: &str| KeySource::of(&Secret::new(text)).unwrap().shown();
        assert_eq!(shown("os.environ/LITELLM_OPENAI_API_KEY"), "os.environ/LITELLM_OPENAI_API_KEY");
        assert_eq!(shown("sk-canary"), "***");
    }

    #[test]
    fn the_gateways_own_secrets_cannot_be_named() {
        for name in ["LITELLM_MASTER_KEY", "LITELLM_SALT_KEY", "TALLYGATE_MASTER_KEY", "PATH", "DATABASE_URL", ""] {
            let error = KeySource::of(&Secret::new(format!("os.environ/{name}"))).unwrap_err();
            assert_eq!((error.status, error.code), (400, "parameter_forbidden"), "{name}");
            assert_eq!(error.param.as_deref(), Some("litellm_params.api_key"));
        }
        assert_eq!(KeySource::of(&Secret::new("***")).unwrap_err().status, 400);
    }
}
