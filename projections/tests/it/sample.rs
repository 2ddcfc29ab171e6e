//! Commands that tests send.

use std::collections::{BTreeMap, BTreeSet};

use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::credential::StoreCredential;
use tallygate_core::id::{CredentialId, DeploymentId, KeyAlias, KeyId, ModelId, ModelName, RealmId, VendorId};
use tallygate_core::json::Json;
use tallygate_core::key::{IssueKey, KeyHash, KeyKind, RotateKey};
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::money::{NanoUsd, PicoUsd};
use tallygate_core::price::Price;
use tallygate_core::realm::RegisterRealm;
use tallygate_core::registry::{NewDeployment, RegisterModel};
use tallygate_core::scope::Scope;
use tallygate_core::secret::{SealedSecret, SecretSource};
use tallygate_core::time::Period;
use uuid::Uuid;

pub fn realm_id(id: &str) -> RealmId {
    RealmId::new(id).unwrap()
}

pub fn key_id(number: u64) -> KeyId {
    KeyId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000 << 64 | u128::from(number)))
}

pub fn secret(number: u64) -> String {
    format!("sk-{number}")
}

pub fn hash(number: u64) -> KeyHash {
    KeyHash::of_secret(&secret(number))
}

pub fn realm(id: &str) -> RegisterRealm {
    RegisterRealm {
        realm: realm_id(id),
        name: Some(format!("The realm {id}")),
        parent: None,
        models: Some(Allowed::All),
        limits: Limits::default(),
        metadata: Json::empty(),
    }
}

/// The key of a number: its secret is `sk-<number>`, its alias `alias-<number>`.
pub fn key(realm: &str, number: u64) -> IssueKey {
    IssueKey {
        key: key_id(number),
        hash: hash(number),
        shown: format!("sk-...{:04}", number % 10_000),
        realm: realm_id(realm),
        alias: Some(KeyAlias::new(format!("alias-{number}")).unwrap()),
        user: None,
        models: Allowed::All,
        aliases: BTreeMap::new(),
        limits: Limits::default(),
        expires_at: None,
        blocked: false,
        kind: KeyKind::Default,
        metadata: Json::empty(),
    }
}

/// Gives the key of one number the secret of another.
pub fn rotate(number: u64, to: u64) -> RotateKey {
    RotateKey { key: key_id(number), hash: hash(to), shown: format!("sk-...{:04}", to % 10_000) }
}

pub fn budget(scope: Scope, limit: i64) -> SetBudget {
    let limit = NewBudgetLimit { period: Period::Months(1), anchor: None, limit_nano_usd: NanoUsd::new(limit) };
    SetBudget { scope, limits: vec![limit] }
}

pub fn model(realm: &str, number: u64) -> RegisterModel {
    RegisterModel {
        model: ModelId::new(Uuid::from_u128(0x0199_0000_0000_7000_a000 << 64 | u128::from(number))),
        realm: realm_id(realm),
        name: ModelName::new(format!("model-{number}")).unwrap(),
        deployments: vec![NewDeployment {
            id: DeploymentId::new(format!("deployment-{number}")).unwrap(),
            vendor: VendorId::new("acme-ai").unwrap(),
            upstream_model: "acme-large".to_owned(),
            base_url: None,
            credential: None,
            weight: 1,
            max_output_tokens: Some(4_096),
            price: Some(Price::simple(PicoUsd::new(150_000), PicoUsd::new(600_000))),
            info: Json::empty(),
            params: Json::empty(),
        }],
    }
}

pub fn credential(realm: &str, number: u64) -> StoreCredential {
    StoreCredential {
        credential: CredentialId::new(Uuid::from_u128(0x0199_0000_0000_7000_b000 << 64 | u128::from(number))),
        realm: realm_id(realm),
        name: "main".to_owned(),
        secret: SecretSource::Sealed(SealedSecret {
            key_id: "k1".to_owned(),
            nonce: [7; 24],
            ciphertext: vec![1, 2, 3],
        }),
        hosts: BTreeSet::from(["api.acme.example".to_owned()]),
    }
}
