//! Samples of realms, credentials, models, keys, budgets, selections and users.

use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::credential::StoreCredential;
use tallygate_core::id::{KeyAlias, RealmId, UserId};
use tallygate_core::json::Json;
use tallygate_core::key::IssueKey;
use tallygate_core::limits::Limits;
use tallygate_core::money::NanoUsd;
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::realm::RegisterRealm;
use tallygate_core::registry::{NewDeployment, RegisterModel, SetRouting};
use tallygate_core::routing::{Cooldown, Routing, Strategy};
use tallygate_core::scope::Scope;
use tallygate_core::secret::{SealedSecret, SecretSource};
use tallygate_core::selection::SelectModel;
use tallygate_core::stream::{Log, StreamId};
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id, only};
use tallygate_core::time::{Period, Timestamp};
use tallygate_core::user::{RegisterUser, Role};

pub(super) fn limits() -> Limits {
    Limits { requests_per_minute: Some(600), tokens_per_minute: None, parallel_requests: Some(3) }
}

fn json() -> Json {
    samples::json(r#"{"team":"blue"}"#)
}

pub(super) fn budget(scope: Scope) -> SetBudget {
    let limit = |period| NewBudgetLimit { period, anchor: None, limit_nano_usd: NanoUsd::new(50_000_000_000) };
    SetBudget {
        scope,
        limits: vec![limit(Period::Months(1)), limit(Period::Seconds(86_400)), limit(Period::Total)],
        reclaim_after_seconds: None,
    }
}

pub(super) fn control_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Control), ControlWriter::new());
    let acme: RealmId = id("acme");
    let sealed = SealedSecret { key_id: "k1".to_owned(), nonce: [7; 24], ciphertext: vec![0, 255, 16] };
    let mut deployment = NewDeployment {
        base_url: Some("https://eu.acme.example".to_owned()),
        credential: Some(samples::credential_id(1)),
        info: json(),
        ..samples::new_deployment("gpt-eu")
    };
    deployment.params = json();
    let batches = [
        writer.command(RegisterRealm { models: Some(only(["gpt", "x/*"])), ..samples::register_realm("acme") }),
        writer.command(RegisterRealm {
            parent: Some(acme.clone()),
            name: Some("Europe".to_owned()),
            limits: limits(),
            metadata: json(),
            ..samples::register_realm("acme.eu")
        }),
        writer.command(StoreCredential {
            realm: acme.clone(),
            secret: SecretSource::Sealed(sealed),
            ..samples::store_credential(1)
        }),
        writer.command(RegisterModel {
            realm: acme.clone(),
            deployments: vec![deployment],
            ..samples::register_model(1, "gpt")
        }),
        writer.command(IssueKey {
            realm: acme.clone(),
            alias: Some(KeyAlias::new("ci").unwrap()),
            user: Some(UserId::new("ada").unwrap()),
            models: only(["gpt"]),
            aliases: [(id("fast"), id("gpt"))].into(),
            limits: limits(),
            expires_at: Some(Timestamp::from_millis(1_900_000_000_000)),
            metadata: json(),
            ..samples::issue_key(1)
        }),
        writer.command(budget(Scope::Key(samples::key_id(1)))),
        writer.command(budget(Scope::Realm(acme.clone()))),
        writer.command(SelectModel { scope: Scope::Realm(acme), slot: id("current"), model: id("gpt") }),
        writer.unknown_event(StreamId::key(samples::key_id(2))),
        writer.command(SetRouting { model: samples::model_id(1), routing: Some(routing()) }),
        writer.command(RegisterUser {
            realm: Some(id("acme")),
            alias: Some("Ada".to_owned()),
            email: Some("ada@acme.example".to_owned()),
            role: Role::RealmAdmin,
            memberships: [(id("acme.eu"), Role::Viewer)].into(),
            limits: limits(),
            metadata: json(),
            ..samples::register_user("ada")
        }),
    ];
    for batch in batches {
        block_on(log.append(batch)).unwrap();
    }
    log
}

fn routing() -> Routing {
    Routing {
        strategy: Strategy::LowestLatency,
        retries: 3,
        fallbacks: vec![id("gpt-large"), id("gpt-old")],
        context_window_fallbacks: vec![id("gpt-long")],
        content_policy_fallbacks: Vec::new(),
        cooldown: Cooldown { allowed_failures: 5, first_ms: 10_000 },
    }
}
