//! Commands as tests want them: small, valid in a [`World`](super::world::World), and easy to change with `..`.

#![allow(clippy::expect_used, clippy::panic, reason = "the inputs are the test's own; a panic is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::str::FromStr;

use uuid::Uuid;

use crate::agent::{AgentKey, JoinRealm, RegisterAgent, TokenHash};
use crate::credential::StoreCredential;
use crate::digest::Digest;
use crate::id::{CredentialId, KeyId, ModelId, RealmId, SessionId};
use crate::json::Json;
use crate::key::{IssueKey, KeyHash, KeyKind};
use crate::limits::Limits;
use crate::model_pattern::{Allowed, ModelPattern};
use crate::money::PicoUsd;
use crate::patch::Patch;
use crate::price::Price;
use crate::realm::RegisterRealm;
use crate::registry::{NewDeployment, RegisterModel, ReviseDeployment};
use crate::secret::{SealedSecret, SecretSource};
use crate::session::{SessionHash, StartSession, With};
use crate::user::{Password, RegisterUser, Role};

/// The vendor of all deployments here.
pub const VENDOR: &str = "acme";

/// An id, a name, a scope or a moment from its text.
///
/// # Panics
/// When the text is none.
#[must_use]
pub fn id<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a text of that form")
}

/// The id of the key of a number.
#[must_use]
pub const fn key_id(number: u128) -> KeyId {
    KeyId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0001_0000_0000 + number))
}

/// The id of the model of a number.
#[must_use]
pub const fn model_id(number: u128) -> ModelId {
    ModelId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0002_0000_0000 + number))
}

/// The id of the credential of a number.
#[must_use]
pub const fn credential_id(number: u128) -> CredentialId {
    CredentialId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0003_0000_0000 + number))
}

/// The id of the session of a number.
#[must_use]
pub const fn session_id(number: u128) -> SessionId {
    SessionId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0004_0000_0000 + number))
}

/// A session by the key of number 1, until an hour after a [`World`](super::world::World) begins.
#[must_use]
pub fn start_session(number: u128) -> StartSession {
    StartSession {
        session: session_id(number),
        hash: SessionHash::of_secret(&format!("session {number}")),
        with: With::Key(key_id(1)),
        expires_at: id("2026-11-20T11:15:30.123Z"),
    }
}

/// What was made of a password, by a hash that is no password's.
#[must_use]
pub fn password(text: &str) -> Password {
    Password { memory_kib: 8, passes: 1, salt: Digest::of(b"salt"), hash: Digest::of(text.as_bytes()) }
}

/// Just these names and patterns.
///
/// # Panics
/// When one is not a name.
#[must_use]
pub fn only<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Allowed {
    let pattern = |text| ModelPattern::new(text).expect("a name or a pattern");
    Allowed::Only(patterns.into_iter().map(pattern).collect())
}

/// An attachment from its text.
///
/// # Panics
/// When the text is no JSON object.
#[must_use]
pub fn json(text: &str) -> Json {
    serde_json::from_str(text).expect("a JSON object")
}

/// A price of 1 $ for a million prompt tokens and 2 $ for a million tokens of the answer.
#[must_use]
pub const fn price() -> Price {
    Price::simple(PicoUsd::new(1_000_000), PicoUsd::new(2_000_000))
}

/// A realm without a parent and without models.
#[must_use]
pub fn register_realm(realm: &str) -> RegisterRealm {
    RegisterRealm {
        realm: id(realm),
        name: None,
        parent: None,
        models: None,
        limits: Limits::default(),
        metadata: Json::empty(),
    }
}

/// A member without a realm of their own, who may call all models.
#[must_use]
pub fn register_user(user: &str) -> RegisterUser {
    RegisterUser {
        user: id(user),
        realm: None,
        alias: None,
        email: None,
        role: Role::Member,
        models: Allowed::All,
        limits: Limits::default(),
        memberships: BTreeMap::new(),
        metadata: Json::empty(),
    }
}

/// A credential of the realm `default`, from the environment, for `api.acme.example`.
#[must_use]
pub fn store_credential(number: u128) -> StoreCredential {
    StoreCredential {
        credential: credential_id(number),
        realm: RealmId::default_realm(),
        name: format!("credential {number}"),
        secret: SecretSource::Environment("ACME_API_KEY".to_owned()),
        hosts: BTreeSet::from(["api.acme.example".to_owned()]),
    }
}

/// A deployment with a price, without a credential.
#[must_use]
pub fn new_deployment(deployment: &str) -> NewDeployment {
    NewDeployment {
        id: id(deployment),
        vendor: id(VENDOR),
        upstream_model: "upstream".to_owned(),
        base_url: None,
        credential: None,
        weight: 1,
        max_output_tokens: Some(4_096),
        price: Some(price()),
        info: Json::empty(),
        params: Json::empty(),
    }
}

/// A model of the realm `default` with one deployment, which goes by the model's name.
#[must_use]
pub fn register_model(number: u128, name: &str) -> RegisterModel {
    RegisterModel {
        model: model_id(number),
        realm: RealmId::default_realm(),
        name: id(name),
        deployments: vec![new_deployment(name)],
    }
}

/// A revision of a deployment that changes nothing yet.
#[must_use]
pub fn revise_deployment(model: ModelId, deployment: &str) -> ReviseDeployment {
    ReviseDeployment {
        model,
        deployment: id(deployment),
        vendor: Patch::Keep,
        upstream_model: Patch::Keep,
        base_url: Patch::Keep,
        credential: Patch::Keep,
        weight: Patch::Keep,
        max_output_tokens: Patch::Keep,
        info: Patch::Keep,
        params: Patch::Keep,
    }
}

/// A key of the realm `default` that may call all models. Its secret is [`secret`]`(number)`.
#[must_use]
pub fn issue_key(number: u128) -> IssueKey {
    IssueKey {
        key: key_id(number),
        hash: KeyHash::of_secret(&secret(number)),
        shown: "sk-...".to_owned(),
        realm: RealmId::default_realm(),
        alias: None,
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

/// An agent whose token is `token of <agent>`.
///
/// # Panics
/// When the text is no id.
#[must_use]
pub fn register_agent(agent: &str) -> RegisterAgent {
    RegisterAgent { agent: id(agent), name: id(agent), token: TokenHash::of_token(&format!("token of {agent}")) }
}

/// An agent in a realm, with the key of a number, whose secret is [`secret`]`(number)`.
///
/// # Panics
/// When a text is no id.
#[must_use]
pub fn join_realm(agent: &str, realm: &str, number: u128) -> JoinRealm {
    JoinRealm { agent: id(agent), realm: id(realm), primary: false, key: agent_key(number) }
}

/// The key of a number, as an agent's. What is sealed is not the secret: nothing here opens it.
#[must_use]
pub fn agent_key(number: u128) -> AgentKey {
    AgentKey {
        key: key_id(number),
        hash: KeyHash::of_secret(&secret(number)),
        shown: "sk-...".to_owned(),
        secret: SealedSecret { key_id: "k1".to_owned(), nonce: [7; 24], ciphertext: vec![0, 255, 16] },
    }
}

/// The secret of the key of a number.
#[must_use]
pub fn secret(number: u128) -> String {
    format!("sk-secret-of-key-{number:04}")
}
