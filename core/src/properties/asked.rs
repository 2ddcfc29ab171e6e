//! Random commands over few realms, models, keys, scopes and names, so that most of them meet what others left.

mod end_users;
mod money;
mod presets;
mod sessions;
mod tags;

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::strategy::Union;

use crate::agent::{
    ClearAgentConfiguration, Configuration, ConfigureAgent, JoinRealm, LeaveRealm, Manual, RealmRouting, RegisterAgent,
    RemoveAgent, ReplaceAgentKey, RotateAgentToken, TokenHash,
};
use crate::budget::{NewBudgetLimit, ResetBudget, SetBudget};
use crate::command::{Command, Together};
use crate::credential::{RemoveCredential, ReplaceSecret, StoreCredential};
use crate::grant::{GrantModel, ReplaceGrants, WithdrawGrant};
use crate::id::{DeploymentId, ModelName, RealmId};
use crate::key::{BlockKey, IssueKey, KeyHash, KeyKind, ReviseKey, RevokeKey, RotateKey, UnblockKey};
use crate::limits::LimitsPatch;
use crate::model_pattern::{Allowed, ModelPattern};
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::realm::{RegisterRealm, RemoveRealm, ResumeRealm, ReviseRealm, SuspendRealm};
use crate::registry::{
    AddDeployment, DistrustModel, NewDeployment, RegisterModel, RemoveDeployment, RetireModel, ReviseDeployment,
    RevisePrice, SetRouting, TrustModel,
};
use crate::routing::Routing;
use crate::scope::Scope;
use crate::secret::SecretSource;
use crate::selection::{ClearSelection, SelectModel, UndoSelection};
use crate::testing::samples::{
    agent_key, credential_id, id, issue_key, join_realm, json, key_id, model_id, new_deployment, only, price,
    register_agent, register_model, register_realm, register_user, revise_deployment, secret, store_credential,
};
use crate::time::{Period, Timestamp};
use crate::user::{AddMember, BlockUser, RegisterUser, RemoveMember, RemoveUser, ReviseUser, Role, UnblockUser};

/// Realms: the first is always there.
pub(super) const REALMS: [&str; 4] = ["default", "a", "a:b", "b@a"];
/// How many keys, and secrets that they may have.
pub(super) const KEYS: u128 = 3;
pub(super) const SECRETS: u128 = 5;
/// Names that models, aliases of models and slots go by.
pub(super) const NAMES: [&str; 6] = ["m1", "m2", "n1", "fast", "x@gateway", "gone"];

fn realm() -> impl Strategy<Value = RealmId> {
    prop::sample::select(&REALMS[..]).prop_map(id)
}

fn name() -> impl Strategy<Value = ModelName> {
    prop::sample::select(&NAMES[..]).prop_map(id)
}

fn pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["m1", "m2", "n1", "m*", "*", "*1"][..])
}

fn allowed() -> impl Strategy<Value = Allowed> {
    prop_oneof![2 => Just(Allowed::All), 3 => prop::collection::vec(pattern(), 0..3).prop_map(only)]
}

fn key() -> impl Strategy<Value = u128> {
    1..=KEYS
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Gateway),
        realm().prop_map(Scope::Realm),
        prop::sample::select(&["ada", "bob"][..]).prop_map(|user| Scope::User(id(user))),
        key().prop_map(|number| Scope::Key(key_id(number))),
        (realm(), name()).prop_map(|(realm, model)| Scope::Model(realm, model)),
        end_users::end_user().prop_map(Scope::EndUser),
        tags::tag().prop_map(Scope::Tag),
        prop::sample::select(&["did:a", "b"][..]).prop_map(|agent| Scope::Agent(id(agent))),
    ]
}

/// The same, the gateway's more often: so that most commands about budgets meet one.
fn paid() -> impl Strategy<Value = Scope> {
    prop_oneof![1 => Just(Scope::Gateway), 1 => scope()]
}

/// What selects: conversations have no budgets.
fn chooser() -> impl Strategy<Value = Scope> {
    prop_oneof![
        2 => scope(),
        1 => prop::sample::select(&["context:did:a#1", "context:did:a#2", "context:b#1"][..])
            .prop_map(id),
    ]
}

fn deployment() -> impl Strategy<Value = DeploymentId> {
    (1..=3_u8).prop_map(|number| id(&format!("d{number}")))
}

fn patch<T: std::fmt::Debug + Clone>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Patch<T>> {
    prop_oneof![2 => Just(Patch::Keep), 1 => Just(Patch::Clear), 2 => value.prop_map(Patch::Set)]
}

fn limits() -> impl Strategy<Value = LimitsPatch> {
    (patch(0..2_u64), patch(0..2_u32)).prop_map(|(requests_per_minute, parallel_requests)| LimitsPatch {
        requests_per_minute,
        parallel_requests,
        tokens_per_minute: Patch::Keep,
    })
}

fn metadata() -> impl Strategy<Value = crate::json::Json> {
    (0..2_u8).prop_map(|value| json(&format!(r#"{{"share":0.{value}1}}"#)))
}

fn about_realms() -> impl Strategy<Value = Command> {
    let register = (realm(), prop::option::of(realm()), prop::option::weighted(0.8, allowed()));
    prop_oneof![
        3 => register.prop_map(|(realm, parent, models)| {
            RegisterRealm { parent, models, ..register_realm(realm.as_str()) }.into()
        }),
        1 => (realm(), patch(Just("Name".to_owned())), limits(), patch(metadata()))
            .prop_map(|(realm, name, limits, metadata)| ReviseRealm { realm, name, limits, metadata }.into()),
        1 => realm().prop_map(|realm| SuspendRealm { realm }.into()),
        2 => realm().prop_map(|realm| ResumeRealm { realm }.into()),
        1 => realm().prop_map(|realm| RemoveRealm { realm }.into()),
    ]
}

/// Users who have no keys here: what a user may is looked at beside these histories.
fn about_users() -> impl Strategy<Value = Command> {
    let user = || prop::sample::select(&["ada", "bob"][..]);
    let role = || prop::sample::select(&[Role::Member, Role::RealmAdmin, Role::Viewer][..]);
    prop_oneof![
        3 => (user(), prop::option::of(realm()), role(), prop::option::of(Just("a@b.example".to_owned())))
            .prop_map(|(user, realm, role, email)| RegisterUser { realm, role, email, ..register_user(user) }.into()),
        3 => (user(), patch(role()), patch(metadata()), limits()).prop_map(|(user, role, metadata, limits)| {
            ReviseUser { role, metadata, limits, ..ReviseUser::nothing(id(user)) }.into()
        }),
        3 => user().prop_map(|user| BlockUser { user: id(user) }.into()),
        3 => user().prop_map(|user| UnblockUser { user: id(user) }.into()),
        1 => user().prop_map(|user| RemoveUser { user: id(user) }.into()),
        3 => (user(), realm(), role()).prop_map(|(user, realm, role)| AddMember { realm, user: id(user), role }.into()),
        3 => (user(), realm()).prop_map(|(user, realm)| RemoveMember { realm, user: id(user) }.into()),
        4 => paid().prop_map(|scope| ResetBudget { scope }.into()),
    ]
}

fn about_grants() -> impl Strategy<Value = Command> {
    let model = || pattern().prop_map(|text| ModelPattern::new(text).unwrap());
    prop_oneof![
        2 => (realm(), model()).prop_map(|(realm, model)| GrantModel { realm, model }.into()),
        1 => (realm(), model()).prop_map(|(realm, model)| WithdrawGrant { realm, model }.into()),
        2 => (realm(), allowed()).prop_map(|(realm, models)| ReplaceGrants { realm, models }.into()),
    ]
}

fn about_credentials() -> impl Strategy<Value = Command> {
    let number = || 1..=2_u128;
    prop_oneof![
        3 => (number(), realm())
            .prop_map(|(number, realm)| StoreCredential { realm, ..store_credential(number) }.into()),
        1 => number().prop_map(|number| {
            let secret = SecretSource::Environment("OTHER_API_KEY".to_owned());
            ReplaceSecret { credential: credential_id(number), secret }.into()
        }),
        1 => number().prop_map(|number| RemoveCredential { credential: credential_id(number) }.into()),
    ]
}

fn about_models() -> impl Strategy<Value = Command> {
    let number = || 1..=3_u128;
    let new = || {
        (deployment(), prop::option::weighted(0.2, 1..=2_u128), any::<bool>()).prop_map(|(id, credential, priced)| {
            NewDeployment {
                credential: credential.map(credential_id),
                price: priced.then(price),
                ..new_deployment(id.as_str())
            }
        })
    };
    let place = || (number().prop_map(model_id), deployment());
    let revision = (place(), patch(0..3_u32), patch((1..=2_u128).prop_map(credential_id)), patch(metadata()));
    prop_oneof![
        6 => (number(), realm(), name(), prop::collection::vec(new(), 1..3)).prop_map(|(number, realm, name, deployments)| {
            RegisterModel { realm, deployments, ..register_model(number, name.as_str()) }.into()
        }),
        2 => (number().prop_map(model_id), new())
            .prop_map(|(model, deployment)| AddDeployment { model, deployment }.into()),
        3 => revision.prop_map(|((model, deployment), weight, credential, info)| {
            ReviseDeployment { weight, credential, info, ..revise_deployment(model, deployment.as_str()) }.into()
        }),
        2 => place().prop_map(|(model, deployment)| RemoveDeployment { model, deployment }.into()),
        1 => (place(), prop::option::of(Just(price())))
            .prop_map(|((model, deployment), price)| RevisePrice { model, deployment, price }.into()),
        1 => number().prop_map(|number| RetireModel { model: model_id(number) }.into()),
        3 => (number(), 1_i64..99).prop_map(|(number, held)| distrust(number, held).into()),
        3 => number().prop_map(|number| TrustModel { model: model_id(number) }.into()),
        1 => (number(), prop::option::of((0_u8..4, prop::collection::vec(name(), 0..3))))
            .prop_map(|(number, routing)| set_routing(number, routing).into()),
    ]
}

fn distrust(number: u128, held: i64) -> DistrustModel {
    let request = crate::id::RequestId::new(uuid::Uuid::from_u128(number));
    let (held_nano_usd, cost_nano_usd) = (NanoUsd::new(held), NanoUsd::new(held + 1));
    DistrustModel { model: model_id(number), request, held_nano_usd, cost_nano_usd }
}

/// Sometimes with too many retries or a model that falls back to itself: these are refused.
fn set_routing(number: u128, routing: Option<(u8, Vec<ModelName>)>) -> SetRouting {
    let routing = routing.map(|(retries, fallbacks)| Routing { retries: retries * 4, fallbacks, ..Routing::default() });
    SetRouting { model: model_id(number), routing }
}

fn aliases() -> impl Strategy<Value = BTreeMap<ModelName, ModelName>> {
    prop::collection::btree_map(name(), name(), 0..2)
}

fn kind() -> impl Strategy<Value = KeyKind> {
    prop_oneof![
        4 => Just(KeyKind::Default),
        2 => Just(KeyKind::LlmApi),
        1 => Just(KeyKind::Management),
        1 => Just(KeyKind::ReadOnly),
    ]
}

/// Moments around those at which commands are decided.
fn moment() -> impl Strategy<Value = Timestamp> {
    (-5..60_i64).prop_map(|seconds| Timestamp::from_millis(1_795_169_730_123 + seconds * 1_000))
}

fn about_keys() -> impl Strategy<Value = Command> {
    let alias = || prop::sample::select(&["ci", "cd"][..]);
    let hash = || (1..=SECRETS).prop_map(|number| KeyHash::of_secret(&secret(number)));
    let issue =
        (key(), hash(), realm(), prop::option::of(alias()), allowed(), aliases(), prop::option::of(moment()), kind());
    let revise = (key(), patch(alias()), patch(allowed()), patch(aliases()), patch(moment()), patch(kind()), limits());
    prop_oneof![
        8 => issue.prop_map(|(key, hash, realm, alias, models, aliases, expires_at, kind)| IssueKey {
            hash,
            realm,
            alias: alias.map(id),
            models,
            aliases,
            expires_at,
            kind,
            ..issue_key(key)
        }.into()),
        4 => revise.prop_map(|(key, alias, models, aliases, expires_at, kind, limits)| {
            let alias = match alias {
                Patch::Set(text) => Patch::Set(id(text)),
                Patch::Keep => Patch::Keep,
                Patch::Clear => Patch::Clear,
            };
            ReviseKey { alias, models, aliases, expires_at, kind, limits, ..ReviseKey::nothing(key_id(key)) }.into()
        }),
        2 => (key(), hash()).prop_map(|(key, hash)| {
            RotateKey { key: key_id(key), hash, shown: "sk-...".to_owned(), old_until: None }.into()
        }),
        2 => key().prop_map(|key| BlockKey { key: key_id(key) }.into()),
        2 => key().prop_map(|key| UnblockKey { key: key_id(key) }.into()),
        1 => key().prop_map(|key| RevokeKey { key: key_id(key) }.into()),
    ]
}

fn about_scopes() -> impl Strategy<Value = Command> {
    let period = prop_oneof![Just(Period::Total), Just(Period::Seconds(60)), Just(Period::Months(1))];
    let limit = (period, prop::option::of(moment()), -1..9_i64).prop_map(|(period, anchor, nano)| NewBudgetLimit {
        period,
        anchor,
        limit_nano_usd: NanoUsd::new(nano),
    });
    let slot = || prop::sample::select(&["fast", "fast", "x@gateway", "m1"][..]).prop_map(id);
    prop_oneof![
        4 => (paid(), prop::collection::vec(limit, 0..3), prop::option::of(1_u64..99)).prop_map(|(scope, limits, reclaim_after_seconds)| SetBudget { scope, limits, reclaim_after_seconds }.into()),
        3 => (chooser(), slot(), prop_oneof![3 => Just(id("m1")), 2 => Just(id("m2")), 1 => name()])
            .prop_map(|(scope, slot, model)| SelectModel { scope, slot, model }.into()),
        8 => presets::asked(slot()),
        2 => (chooser(), slot()).prop_map(|(scope, slot)| ClearSelection { scope, slot }.into()),
        2 => (chooser(), slot()).prop_map(|(scope, slot)| UndoSelection { scope, slot }.into()),
    ]
}

/// Keys of agents, beside those that are issued by themselves.
const AGENT_KEYS: std::ops::Range<u128> = 11..60;

fn about_agents() -> impl Strategy<Value = Command> {
    let agent = || prop::sample::select(&["did:a", "b"][..]);
    let model = || (1..=3_u128).prop_map(model_id);
    let manual = || Manual { provider: "acme".to_owned(), model: "m".to_owned(), base_url: None, key: None };
    let configuration = prop_oneof![
        (realm(), prop::option::of(model()))
            .prop_map(|(realm, model)| Configuration::Realm(RealmRouting { realm, model })),
        model().prop_map(Configuration::Registry),
        Just(Configuration::Manual(manual())),
    ];
    prop_oneof![
        3 => (agent(), prop::sample::select(&["did:a", "b"][..]))
            .prop_map(|(agent, name)| RegisterAgent { name: id(name), ..register_agent(agent) }.into()),
        1 => (agent(), 0..3_u8).prop_map(|(agent, number)| {
            RotateAgentToken { agent: id(agent), token: TokenHash::of_token(&number.to_string()) }.into()
        }),
        6 => (agent(), realm(), any::<bool>(), AGENT_KEYS).prop_map(|(agent, realm, primary, number)| {
            JoinRealm { primary, ..join_realm(agent, realm.as_str(), number) }.into()
        }),
        2 => (agent(), realm()).prop_map(|(agent, realm)| LeaveRealm { agent: id(agent), realm }.into()),
        2 => (agent(), realm(), AGENT_KEYS).prop_map(|(agent, realm, number)| {
            ReplaceAgentKey { agent: id(agent), realm, key: agent_key(number) }.into()
        }),
        3 => (agent(), configuration)
            .prop_map(|(agent, configuration)| ConfigureAgent { agent: id(agent), configuration }.into()),
        1 => agent().prop_map(|agent| ClearAgentConfiguration { agent: id(agent) }.into()),
        1 => agent().prop_map(|agent| RemoveAgent { agent: id(agent) }.into()),
        // As an operator may do to any key.
        1 => AGENT_KEYS.prop_map(|number| RevokeKey { key: key_id(number) }.into()),
    ]
}

/// One command, of any kind.
pub(crate) fn single() -> impl Strategy<Value = Command> {
    Union::new_weighted(vec![
        (3, about_realms().boxed()),
        (3, about_users().boxed()),
        (3, sessions::about_sessions().boxed()),
        (3, end_users::about_end_users().boxed()),
        (2, tags::about_tags().boxed()),
        (3, money::about_named_budgets().boxed()),
        (3, about_grants().boxed()),
        (1, about_credentials().boxed()),
        (4, about_models().boxed()),
        (5, about_keys().boxed()),
        (4, about_scopes().boxed()),
        (4, about_agents().boxed()),
    ])
}

/// A command, and how many seconds after the one before it is decided.
pub(super) type Asked = (Command, u8);

fn asked() -> impl Strategy<Value = Asked> {
    let together = prop::collection::vec(single(), 0..4).prop_map(|commands| Together::new(commands).into());
    (prop_oneof![12 => single(), 1 => together], 0..4_u8)
}

/// What is asked in a world of its own: from nothing but the realm `default`, or from one that has something of all.
pub(super) fn history(commands: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Asked>> {
    (prop::bool::weighted(0.8), prop::collection::vec(asked(), commands)).prop_map(|(furnished, commands)| {
        let opening = if furnished { opening() } else { Vec::new() };
        opening.into_iter().map(|command| (command, 0)).chain(commands).collect()
    })
}

fn opening() -> Vec<Command> {
    let realm = |realm: &str, parent: Option<&str>, models| RegisterRealm {
        parent: parent.map(id),
        models: Some(models),
        ..register_realm(realm)
    };
    let model = |number, realm: &str, name: &str, deployment: &str| RegisterModel {
        realm: id(realm),
        deployments: vec![new_deployment(deployment)],
        ..register_model(number, name)
    };
    let world: Vec<Command> = vec![
        realm("a", None, Allowed::All).into(),
        realm("b@a", Some("a"), only(["m*"])).into(),
        model(1, "default", "m1", "d1").into(),
        model(2, "a", "m2", "d2").into(),
        issue_key(1).into(),
        IssueKey { realm: id("b@a"), models: only(["m*", "n1"]), ..issue_key(2) }.into(),
        SelectModel { scope: Scope::Gateway, slot: id("fast"), model: id("m1") }.into(),
        RegisterUser { memberships: [(id("a"), Role::Member)].into(), ..register_user("ada") }.into(),
        register_agent("did:a").into(),
        join_realm("did:a", "a", 11).into(),
        ConfigureAgent { agent: id("did:a"), configuration: Configuration::Registry(model_id(1)) }.into(),
    ];
    world.into_iter().chain(sessions::opening()).collect()
}
