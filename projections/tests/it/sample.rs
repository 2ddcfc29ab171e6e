//! Commands that tests send, and requests that have happened.

use std::sync::Arc;

use tallygate_core::activity::{Charge, Endpoint, Event, Outcome, RequestRefused, RequestSettled, Tags};
use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::id::{KeyAlias, KeyId, RealmId, RequestId};
use tallygate_core::key::{IssueKey, KeyHash, RotateKey};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::money::NanoUsd;
use tallygate_core::realm::RegisterRealm;
use tallygate_core::routing::Route;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;
use tallygate_core::testing::activity_writer::Happened;
use tallygate_core::testing::samples::{self, id};
use tallygate_core::time::{Period, Timestamp};
use tallygate_core::usage::Usage;
use uuid::Uuid;

/// 2026-11-20T10:15:30.123Z.
pub const NOON: i64 = 1_795_169_730_123;

pub fn realm_id(name: &str) -> RealmId {
    id(name)
}

pub fn key_id(number: u64) -> KeyId {
    samples::key_id(u128::from(number))
}

pub fn hash(number: u64) -> KeyHash {
    KeyHash::of_secret(&samples::secret(u128::from(number)))
}

pub fn alias(number: u64) -> KeyAlias {
    id(&format!("alias-{number}"))
}

pub fn realm(name: &str) -> RegisterRealm {
    RegisterRealm { models: Some(Allowed::All), ..samples::register_realm(name) }
}

/// The key of a number, with the alias of the number.
pub fn key(realm: &str, number: u64) -> IssueKey {
    IssueKey { realm: realm_id(realm), alias: Some(alias(number)), ..samples::issue_key(u128::from(number)) }
}

/// Gives the key of one number the secret of another.
pub fn rotate(number: u64, to: u64) -> RotateKey {
    RotateKey { key: key_id(number), hash: hash(to), shown: "sk-...".to_owned(), old_until: None }
}

pub fn budget(scope: Scope, limit: i64) -> SetBudget {
    let limit = NewBudgetLimit { period: Period::Months(1), anchor: None, limit_nano_usd: NanoUsd::new(limit) };
    SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None }
}

pub fn request_id(number: u64) -> RequestId {
    RequestId::new(Uuid::from_u128((0x0199_0000_0000_7000_c000 << 64) | u128::from(number)))
}

/// The window of a month that all of these requests are charged to.
pub fn charge(scope: Scope) -> Charge {
    Charge { scope, period: Period::Months(1), window: Timestamp::from_millis(NOON) }
}

/// A request of a key that succeeded, cost its number in nano-dollars, and came in so many milliseconds after noon.
pub fn settled(realm: &str, key: u64, number: u64) -> RequestSettled {
    RequestSettled {
        request: request_id(number),
        provider_request: Some(format!("chatcmpl-{number}")),
        endpoint: Endpoint::Chat,
        key: key_id(key),
        user: None,
        end_user: None,
        requested_model: id("current"),
        model: id("gpt"),
        deployment: id("gpt-eu"),
        vendor: id(samples::VENDOR),
        upstream_model: "gpt-1".to_owned(),
        outcome: Outcome::Succeeded,
        status: 200,
        streamed: true,
        usage: Usage { input_tokens: 10, output_tokens: 3, ..Usage::default() },
        estimated: false,
        price: Some(Position::new(4)),
        cost_nano_usd: Some(NanoUsd::new(i64::try_from(number).unwrap())),
        unpriced: None,
        charged: [charge(Scope::Key(key_id(key))), charge(Scope::Realm(realm_id(realm))), charge(Scope::Gateway)]
            .map(Into::into)
            .into(),
        started_at: started_at(number),
        first_byte_ms: Some(120),
        duration_ms: 900,
        route: Route::default(),
        candidates: None,
        tags: Tags::default(),
    }
}

pub fn started_at(number: u64) -> Timestamp {
    Timestamp::from_millis(NOON + i64::try_from(number).unwrap())
}

/// That request as it is recorded.
pub fn happened(realm: &str, settled: RequestSettled) -> Happened {
    let at = Timestamp::from_millis(settled.started_at.millis() + 900);
    Happened { realm: Some(realm_id(realm)), at, event: Event::RequestSettled(Arc::new(settled)) }
}

/// A request that was refused.
pub fn refused(realm: Option<&str>, key: Option<u64>, number: u64, count: u64) -> Happened {
    let event = RequestRefused {
        request: request_id(number),
        endpoint: Endpoint::Chat,
        key: key.map(key_id),
        requested_model: Some(id("no-such-model")),
        code: "model_not_found".to_owned(),
        status: 404,
        scope: None,
        count,
    };
    Happened { realm: realm.map(realm_id), at: started_at(number), event: Event::RequestRefused(event) }
}
