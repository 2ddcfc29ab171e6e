//! The codes of rejections: stable, and one for each meaning.

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::Rule;
use crate::command::Rejection;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};
use crate::testing::samples::{credential_id, id, key_id, model_id, session_id};
use crate::time::Timestamp;
use crate::{
    agent, budget, credential, end_user, grant, key, named_budget, realm, registry, rights, selection, session, tag,
    user,
};

/// Codes that stand for one meaning in several places, as in "all is so already".
const SHARED: [&str; 5] = ["no_change", "too_many_patterns", "realm_suspended", "model_not_found", "quarantined"];

/// One rejection of each variant. A variant that is not listed does not compile; one that is not made fails.
macro_rules! every {
    ($rejections:expr; $($variant:pat),+ $(,)?) => {{
        let rejections = $rejections;
        for rejection in &rejections {
            match rejection { $($variant => {})+ }
        }
        $(assert!(rejections.iter().any(|rejection| matches!(rejection, $variant)), "{}", stringify!($variant));)+
        rejections.into_iter().map(|rejection| rejection.code()).collect::<Vec<_>>()
    }};
}

fn of_realms() -> Vec<&'static str> {
    use realm::Rejection as R;
    let realm = || id("acme");
    every!(
        [R::AlreadyRegistered(realm()), R::NotRegistered(realm()), R::TooDeep(realm()), R::AlreadySuspended(realm()),
            R::NotSuspended(realm()), R::HasChildren { realm: realm(), child: id("eu") }, R::IsDefault, R::Name,
            R::TooManyPatterns, R::NoChange(realm())];
        R::AlreadyRegistered(_), R::NotRegistered(_), R::TooDeep(_), R::AlreadySuspended(_), R::NotSuspended(_),
        R::HasChildren { .. }, R::IsDefault, R::Name, R::TooManyPatterns, R::NoChange(_)
    )
}

fn of_users() -> Vec<&'static str> {
    use user::Rejection as R;
    let user = || id("ada");
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::AlreadyRegistered(user()), R::NotRegistered(user()),
            R::EmailTaken("a@b".to_owned()), R::AlreadyBlocked(user()), R::NotBlocked(user()),
            R::NotMember { user: user(), realm: id("acme") }, R::Field { field: "f", expected: "e" },
            R::NoChange(user())];
        R::Realm(_), R::AlreadyRegistered(_), R::NotRegistered(_), R::EmailTaken(_), R::AlreadyBlocked(_),
        R::NotBlocked(_), R::NotMember { .. }, R::Field { .. }, R::NoChange(_)
    );
    own(&codes, 1)
}

fn of_sessions() -> Vec<&'static str> {
    use session::Rejection as R;
    let session = session_id(1);
    let codes = every!(
        [R::User(user::Rejection::NotRegistered(id("ada"))), R::AlreadyStarted(session), R::NotStarted(session),
            R::Refused("the key is nobody's"), R::Expiry];
        R::User(_), R::AlreadyStarted(_), R::NotStarted(_), R::Refused(_), R::Expiry
    );
    own(&codes, 1)
}

fn of_end_users() -> Vec<&'static str> {
    use end_user::Rejection as R;
    let whom = || end_user::EndUserRef { realm: None, id: id("customer 7") };
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::AlreadyRegistered(whom()), R::NotRegistered(whom()),
            R::AlreadyBlocked(whom()), R::NotBlocked(whom()), R::Alias, R::NoChange(whom())];
        R::Realm(_), R::AlreadyRegistered(_), R::NotRegistered(_), R::AlreadyBlocked(_), R::NotBlocked(_), R::Alias,
        R::NoChange(_)
    );
    own(&codes, 1)
}

fn of_tags() -> Vec<&'static str> {
    use tag::Rejection as R;
    let which = || tag::TagRef { realm: None, name: id("prod") };
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::AlreadyRegistered(which()), R::NotRegistered(which()),
            R::Field { field: "f", expected: "e" }, R::NoChange(which())];
        R::Realm(_), R::AlreadyRegistered(_), R::NotRegistered(_), R::Field { .. }, R::NoChange(_)
    );
    own(&codes, 1)
}

fn of_rights() -> Vec<&'static str> {
    use rights::Rejection as R;
    every!([R::NotPermitted("do that"), R::Exceeds("more")]; R::NotPermitted(_), R::Exceeds(_))
}

fn of_grants() -> Vec<&'static str> {
    use grant::Rejection as R;
    let model = || crate::model_pattern::ModelPattern::new("gpt").unwrap();
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::AlreadyGranted { realm: id("acme"), model: model() },
            R::NotGranted { realm: id("acme"), model: model() }, R::TooMany, R::NoChange(id("acme"))];
        R::Realm(_), R::AlreadyGranted { .. }, R::NotGranted { .. }, R::TooMany, R::NoChange(_)
    );
    own(&codes, 1)
}

fn of_credentials() -> Vec<&'static str> {
    use credential::Rejection as R;
    let credential = credential_id(1);
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::AlreadyStored(credential), R::NotStored(credential),
            R::InUse { credential, deployment: id("d") }, R::Hosts, R::Name];
        R::Realm(_), R::AlreadyStored(_), R::NotStored(_), R::InUse { .. }, R::Hosts, R::Name
    );
    own(&codes, 1)
}

fn of_the_registry() -> Vec<&'static str> {
    use registry::Rejection as R;
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::Credential(credential::Rejection::Name),
            R::AlreadyRegistered { realm: id("acme"), name: id("gpt") }, R::NotRegistered(model_id(1)),
            R::DeploymentExists(id("d")), R::NoDeployment(id("d")), R::DeploymentCount, R::UnknownVendor(id("v")),
            R::Field { field: "f", expected: "e" }, R::NameIsSlot(id("fast")),
            R::Routing(crate::routing::InvalidRouting::Retries), R::NoChange(model_id(1))];
        R::Realm(_), R::Credential(_), R::AlreadyRegistered { .. }, R::NotRegistered(_), R::DeploymentExists(_),
        R::NoDeployment(_), R::DeploymentCount, R::UnknownVendor(_), R::Field { .. }, R::NameIsSlot(_), R::Routing(_),
        R::NoChange(_)
    );
    own(&codes, 2)
}

fn of_keys() -> Vec<&'static str> {
    use key::Rejection as R;
    let (key, now) = (key_id(1), Timestamp::from_millis(0));
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::RealmSuspended(id("acme")), R::AlreadyIssued(key), R::HashTaken,
            R::AliasTaken(id("ci")), R::NotIssued(key), R::ExpiryInPast { expires_at: now, now },
            R::AlreadyBlocked(key), R::NotBlocked(key), R::Field { field: "f", expected: "e" }, R::NoChange(key)];
        R::Realm(_), R::RealmSuspended(_), R::AlreadyIssued(_), R::HashTaken, R::AliasTaken(_), R::NotIssued(_),
        R::ExpiryInPast { .. }, R::AlreadyBlocked(_), R::NotBlocked(_), R::Field { .. }, R::NoChange(_)
    );
    own(&codes, 1)
}

fn of_budgets() -> Vec<&'static str> {
    use budget::Rejection as R;
    every!(
        [R::UnknownScope(Scope::Gateway), R::NotForScope(Scope::Gateway), R::None(Scope::Gateway), R::Negative(NanoUsd::ZERO),
            R::PeriodTwice, R::Period, R::Anchor(Timestamp::from_millis(0)), R::Grace, R::TooMany, R::Unnamed(id("free")),
            R::RaiseOver(Timestamp::from_millis(0)), R::OtherWindow { said: None, open: None },
            R::CarriedLower { scope: Scope::Gateway, carried: NanoUsd::ZERO, said: NanoUsd::ZERO }, R::Source, R::TooManyCarried,
            R::NoChange(Scope::Gateway)];
        R::UnknownScope(_), R::NotForScope(_), R::None(_), R::Negative(_), R::PeriodTwice, R::Period, R::Anchor(_), R::Grace,
        R::TooMany, R::Unnamed(_), R::RaiseOver(_), R::OtherWindow { .. }, R::CarriedLower { .. }, R::Source, R::TooManyCarried, R::NoChange(_)
    )
}

fn of_named_budgets() -> Vec<&'static str> {
    use named_budget::Rejection as R;
    let budget = || id("free");
    let codes = every!(
        [R::Limits(budget::Rejection::Period), R::AlreadyRegistered(budget()), R::NotRegistered(budget()),
            R::InUse { budget: budget(), holder: Scope::Gateway }, R::NoLimit(budget()), R::NoChange(budget())];
        R::Limits(_), R::AlreadyRegistered(_), R::NotRegistered(_), R::InUse { .. }, R::NoLimit(_), R::NoChange(_)
    );
    own(&codes, 1)
}

fn of_selections() -> Vec<&'static str> {
    use selection::Rejection as R;
    every!(
        [R::UnknownScope(Scope::Gateway), R::UnknownModel(id("gpt")),
            R::NotGranted { scope: Scope::Gateway, model: id("gpt") }, R::SlotIsModel(id("fast")),
            R::NothingSelected { scope: Scope::Gateway, slot: id("fast") },
            R::NothingToUndo { scope: Scope::Gateway, slot: id("fast") }, R::TooManyContexts(id("did:a")),
            R::UnknownPreset(id("p")), R::TooManyPresets(Scope::Gateway), R::Parameter { field: "f", expected: "e" },
            R::NoChange(Scope::Gateway)];
        R::UnknownScope(_), R::UnknownModel(_), R::NotGranted { .. }, R::SlotIsModel(_), R::NothingSelected { .. },
        R::NothingToUndo { .. }, R::TooManyContexts(_), R::UnknownPreset(_), R::TooManyPresets(_), R::Parameter { .. },
        R::NoChange(_)
    )
}

fn of_agents() -> Vec<&'static str> {
    use agent::Rejection as R;
    let (agent, model) = (|| id("did:a"), model_id(1));
    let codes = every!(
        [R::Key(key::Rejection::HashTaken), R::AlreadyRegistered(agent()), R::NameTaken(id("planner")), R::TokenTaken,
            R::NotRegistered(agent()), R::AlreadyInRealm { agent: agent(), realm: id("acme") },
            R::NotInRealm { agent: agent(), realm: id("acme") }, R::TooManyRealms, R::UnknownModel(model),
            R::ModelNotGranted { agent: agent(), model }, R::Field { field: "f", expected: "e" },
            R::NotConfigured(agent()), R::NoChange(agent())];
        R::Key(_), R::AlreadyRegistered(_), R::NameTaken(_), R::TokenTaken, R::NotRegistered(_),
        R::AlreadyInRealm { .. }, R::NotInRealm { .. }, R::TooManyRealms, R::UnknownModel(_), R::ModelNotGranted { .. },
        R::Field { .. }, R::NotConfigured(_), R::NoChange(_)
    );
    own(&codes, 1)
}

fn of_commands() -> Vec<&'static str> {
    use Rejection as R;
    let codes = every!(
        [R::Realm(realm::Rejection::Name), R::User(user::Rejection::NotRegistered(id("ada"))),
            R::Session(session::Rejection::Expiry), R::EndUser(end_user::Rejection::Alias),
            R::Tag(tag::Rejection::Field { field: "f", expected: "e" }),
            R::Rights(rights::Rejection::NotPermitted("do that")), R::Grant(grant::Rejection::TooMany),
            R::Credential(credential::Rejection::Name), R::Registry(registry::Rejection::DeploymentCount),
            R::Key(key::Rejection::HashTaken), R::Budget(budget::Rejection::Period),
            R::NamedBudget(named_budget::Rejection::NotRegistered(id("free"))),
            R::Selection(selection::Rejection::UnknownModel(id("gpt"))),
            R::Agent(agent::Rejection::TooManyRealms),
            R::Quarantined { stream: StreamId::key(key_id(1)), position: Position::new(1) }, R::NothingTogether,
            R::TooManyTogether];
        R::Realm(_), R::User(_), R::Session(_), R::EndUser(_), R::Tag(_), R::Rights(_), R::Grant(_), R::Credential(_), R::Registry(_), R::Key(_), R::Budget(_), R::NamedBudget(_), R::Selection(_),
        R::Agent(_), R::Quarantined { .. }, R::NothingTogether, R::TooManyTogether
    );
    own(&codes, 14)
}

fn of_admission() -> Vec<&'static str> {
    use Rule as R;
    let mut codes = every!(
        [R::KeyUnknown, R::KeyRevoked, R::KeyBlocked, R::KeyExpired, R::KeyKind, R::UserBlocked, R::EndUserBlocked,
            R::RealmUnknown, R::RealmSuspended, R::ModelUnknown, R::ModelNotAllowed, R::ModelNotGranted, R::NoDeployment, R::ModelDistrusted, R::Quarantined];
        R::KeyUnknown, R::KeyRevoked, R::KeyBlocked, R::KeyExpired, R::KeyKind, R::UserBlocked, R::EndUserBlocked,
        R::RealmUnknown, R::RealmSuspended, R::ModelUnknown, R::ModelNotAllowed, R::ModelNotGranted, R::NoDeployment, R::ModelDistrusted, R::Quarantined
    );
    // A revoked key must look like one that never was.
    codes.dedup();
    codes
}

/// The codes without the first few, which are those of another aggregate.
fn own(codes: &[&'static str], others: usize) -> Vec<&'static str> {
    codes[others..].to_vec()
}

#[test]
fn each_code_has_one_meaning_and_is_lower_case_with_underscores() {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (place, codes) in [
        ("realm", of_realms()),
        ("user", of_users()),
        ("session", of_sessions()),
        ("end user", of_end_users()),
        ("tag", of_tags()),
        ("rights", of_rights()),
        ("grant", of_grants()),
        ("credential", of_credentials()),
        ("registry", of_the_registry()),
        ("key", of_keys()),
        ("budget", of_budgets()),
        ("named budget", of_named_budgets()),
        ("selection", of_selections()),
        ("agent", of_agents()),
        ("command", of_commands()),
        ("admission", of_admission()),
    ] {
        for code in codes {
            let words = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
            assert!(code.split('_').all(words), "{code}");
            places.entry(code).or_default().push(place);
        }
    }
    for (code, places) in &places {
        let distinct: BTreeSet<_> = places.iter().collect();
        assert_eq!(distinct.len(), places.len(), "{code} stands for two rejections of {places:?}");
        assert_eq!(places.len() > 1, SHARED.contains(code), "{code}: {places:?}");
    }
}

#[test]
fn only_a_rejection_that_says_so_is_no_change() {
    assert!(Rejection::from(key::Rejection::NoChange(key_id(1))).is_no_change());
    assert!(Rejection::from(grant::Rejection::NoChange(id("acme"))).is_no_change());
    assert!(Rejection::NothingTogether.is_no_change());
    assert!(!Rejection::TooManyTogether.is_no_change());
    assert!(!Rejection::from(key::Rejection::AlreadyBlocked(key_id(1))).is_no_change());
}
