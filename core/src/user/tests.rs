use super::{
    AddMember, BlockUser, Blocked, Event, MemberAdded, MemberRemoved, RegisterUser, Registered, Rejection,
    RemoveMember, RemoveUser, Removed, ReviseUser, Revised, Role, UnblockUser, Unblocked,
};
use crate::admission::{self, Payers, Rule, authenticate, budgets, resolve, scopes};
use crate::budget::{NewBudgetLimit, ResetBudget, SetBudget};
use crate::command::Command;
use crate::key::{IssueKey, KeyHash};
use crate::limits::LimitsPatch;
use crate::model_pattern::Allowed;
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::realm;
use crate::scope::Scope;
use crate::selection::SelectModel;
use crate::stream::StreamId;
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, only, register_user, secret};
use crate::testing::world::World;
use crate::time::Period;

fn with_ada() -> World {
    World::small().with_realm("acme", None).with(RegisterUser { realm: Some(id("acme")), ..register_user("ada") })
}

/// A key of ada's, in the realm `default`, while she belongs to `acme`.
fn with_her_key() -> World {
    with_ada().with(IssueKey { user: Some(id("ada")), ..issue_key(2) })
}

fn refusal(world: &World) -> admission::Refusal {
    authenticate(&world.control, world.key(2), &KeyHash::of_secret(&secret(2)), world.now).unwrap_err()
}

fn budget(scope: Scope) -> SetBudget {
    let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
    SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None }
}

#[test]
fn a_user_is_registered_once_in_a_realm_that_is_there() {
    let command = RegisterUser {
        realm: Some(id("acme")),
        email: Some("ada@acme.example".to_owned()),
        memberships: [(id("default"), Role::Viewer)].into(),
        ..register_user("ada")
    };
    given(World::new().with_realm("acme", None))
        .when(command.clone())
        .then([Event::Registered(Registered::from(&command))])
        .then_planned(|planned| assert_eq!(planned[0].recorded.realm, Some(id("acme"))))
        .when(command.clone())
        .then_rejected(Rejection::AlreadyRegistered(id("ada")));
    given(World::new()).when(command).then_rejected(Rejection::Realm(realm::Rejection::NotRegistered(id("acme"))));
}

#[test]
fn an_email_address_is_one_users_capitals_aside_until_they_are_removed() {
    let with_email = |user: &str, email: &str| RegisterUser { email: Some(email.to_owned()), ..register_user(user) };
    let world = World::new().with(with_email("ada", "Ada@acme.example"));
    given(world.clone())
        .when(with_email("bob", "ada@ACME.example"))
        .then_rejected(Rejection::EmailTaken("ada@ACME.example".to_owned()));
    let world = world.with(RemoveUser { user: id("ada") }).with(with_email("bob", "ada@acme.example"));
    given(world).when(register_user("ada")).then_rejected(Rejection::AlreadyRegistered(id("ada")));
}

#[test]
fn a_revision_says_what_changed_and_nothing_else() {
    let revision = ReviseUser {
        alias: Patch::Set("Ada".to_owned()),
        email: Patch::Clear,
        role: Patch::Set(Role::Member),
        models: Patch::Set(only(["gpt"])),
        limits: LimitsPatch { requests_per_minute: Patch::Set(3), ..LimitsPatch::default() },
        ..ReviseUser::nothing(id("ada"))
    };
    let revised = Revised {
        user: id("ada"),
        alias: revision.alias.clone(),
        email: Patch::Keep,
        role: Patch::Keep,
        models: revision.models.clone(),
        limits: revision.limits.clone(),
        metadata: Patch::Keep,
    };
    given(with_ada())
        .when(revision.clone())
        .then([Event::Revised(revised)])
        .then_state(|control| assert_eq!(control.user(&id("ada")).unwrap().limits.requests_per_minute, Some(3)))
        .when(revision)
        .then_rejected(Rejection::NoChange(id("ada")));
}

#[test]
fn fields_out_of_their_range_are_refused_by_name() {
    let field = |command: Command| match with_ada().try_carry_out(command).map(drop).unwrap_err() {
        crate::command::Rejection::User(Rejection::Field { field, .. }) => field,
        other => panic!("{other}"),
    };
    let bob = || RegisterUser { realm: Some(id("acme")), ..register_user("bob") };
    assert_eq!(field(RegisterUser { alias: Some(String::new()), ..bob() }.into()), "alias");
    assert_eq!(field(RegisterUser { email: Some("x".repeat(257)), ..bob() }.into()), "email");
    assert_eq!(field(RegisterUser { role: Role::Operator, ..bob() }.into()), "role");
    let admin = Patch::Set(Role::Admin);
    assert_eq!(field(ReviseUser { role: admin, ..ReviseUser::nothing(id("ada")) }.into()), "role");
    let too_many = Allowed::Only(
        (0..=1_000)
            .map(|n| id::<crate::id::ModelName>(&format!("m{n}")))
            .map(crate::model_pattern::ModelPattern::exactly)
            .collect(),
    );
    assert_eq!(field(RegisterUser { models: too_many, ..bob() }.into()), "models");
    let operator = [(id("acme"), Role::Operator)].into();
    assert_eq!(field(RegisterUser { memberships: operator, ..bob() }.into()), "memberships");
    assert_eq!(field(AddMember { realm: id("default"), user: id("ada"), role: Role::Admin }.into()), "memberships");
}

#[test]
fn a_member_is_added_changed_and_removed() {
    let add = |role| AddMember { realm: id("default"), user: id("ada"), role };
    let added = |role| Event::MemberAdded(MemberAdded { realm: id("default"), user: id("ada"), role });
    let remove = RemoveMember { realm: id("default"), user: id("ada") };
    let removed = MemberRemoved { realm: id("default"), user: id("ada") };
    given(with_ada())
        .when(add(Role::Member))
        .then([added(Role::Member)])
        .when(add(Role::RealmAdmin))
        .then([added(Role::RealmAdmin)])
        .when(remove.clone())
        .then([Event::MemberRemoved(removed)])
        .then_state(|control| assert!(control.user(&id("ada")).unwrap().memberships.is_empty()))
        .when(remove)
        .then_rejected(Rejection::NotMember { user: id("ada"), realm: id("default") });
    let world = with_ada().with(add(Role::Viewer));
    given(world).when(add(Role::Viewer)).then_rejected(Rejection::NoChange(id("ada")));
}

#[test]
fn the_keys_of_a_blocked_user_are_refused_until_they_are_unblocked() {
    let (block, unblock) = (BlockUser { user: id("ada") }, UnblockUser { user: id("ada") });
    let mut world = with_her_key();
    given(world.clone()).when(unblock.clone()).then_rejected(Rejection::NotBlocked(id("ada")));
    given(world.clone()).when(block.clone()).then([Event::Blocked(Blocked { user: id("ada") })]);
    let blocked = world.carry_out(block.clone()).remove(0);
    let found = refusal(&world);
    assert_eq!((found.rule, found.scope), (Rule::UserBlocked, Some(Scope::User(id("ada")))));
    assert_eq!(found.cause, [blocked.position]);
    given(world.clone()).when(block).then_rejected(Rejection::AlreadyBlocked(id("ada")));
    given(world.clone()).when(unblock.clone()).then([Event::Unblocked(Unblocked { user: id("ada") })]);
    let world = world.with(unblock);
    authenticate(&world.control, world.key(2), &KeyHash::of_secret(&secret(2)), world.now).unwrap();
}

#[test]
fn the_keys_of_a_removed_user_are_refused_for_ever_and_nothing_more_is_decided_about_them() {
    given(with_her_key())
        .when(RemoveUser { user: id("ada") })
        .then([Event::Removed(Removed { user: id("ada") })])
        .when(UnblockUser { user: id("ada") })
        .then_rejected(Rejection::NotRegistered(id("ada")));
    let mut world = with_her_key().with(RemoveUser { user: id("ada") });
    assert_eq!(refusal(&world).rule, Rule::UserBlocked);
    let code = world.try_carry_out(budget(Scope::User(id("ada")))).map(drop).unwrap_err().code();
    assert_eq!(code, "budget_scope_unknown");
}

#[test]
fn the_keys_of_a_user_whose_event_cannot_be_read_are_refused() {
    let mut world = with_her_key();
    world.control.quarantine(StreamId::user(&id("ada")), crate::stream::Position::new(1));
    assert_eq!(refusal(&world).rule, Rule::Quarantined);
}

#[test]
fn a_user_stands_between_a_key_and_its_realm() {
    let world = with_her_key().with(budget(Scope::User(id("ada"))));
    let user = Scope::User(id("ada"));
    let chain: Vec<_> = scopes(&world.control, world.key(2)).collect();
    assert_eq!(chain, [Scope::Key(world.key(2).id), user.clone(), Scope::Realm(id("default")), Scope::Gateway]);
    let payers = Payers { key: world.key(2), of_key: None, end_users: &[], tags: &[], model: &id("gpt") };
    let paying: Vec<_> = budgets(&world.control, &payers).unwrap().map(|budget| &budget.scope).collect();
    assert_eq!(paying, [&user]);
    let accounted = world.control.budget(&user).unwrap().realm.clone();
    assert_eq!(accounted, Some(id("acme")), "where she belongs, not where the key does");
    let strangers: Vec<_> = scopes(&world.control, world.key(1)).collect();
    assert_eq!(strangers.len(), 3, "a key without a user has no such scope");
}

#[test]
fn a_key_of_a_name_that_no_user_has_is_a_key_of_nobody() {
    let world = World::small().with(IssueKey { user: Some(id("bob")), ..issue_key(2) });
    assert_eq!(scopes(&world.control, world.key(2)).count(), 3);
    authenticate(&world.control, world.key(2), &KeyHash::of_secret(&secret(2)), world.now).unwrap();
}

#[test]
fn a_key_never_calls_what_its_user_may_not() {
    let models = Patch::Set(only(["other"]));
    let world = with_her_key().with(ReviseUser { models, ..ReviseUser::nothing(id("ada")) });
    let refusal = resolve(&world.control, world.key(2), &id("gpt")).unwrap_err();
    assert_eq!((refusal.rule, refusal.scope), (Rule::ModelNotAllowed, Some(Scope::User(id("ada")))));
    assert_eq!(admission::callable(&world.control, world.key(2)).count(), 0);
    assert_eq!(admission::callable(&world.control, world.key(1)).count(), 1);
}

#[test]
fn what_a_user_selects_is_nearer_than_what_the_realm_does() {
    let select = |scope, model: &str| SelectModel { scope, slot: id("fast"), model: id(model) };
    let world = with_her_key()
        .with_model(2, "default", "large")
        .with(select(Scope::Realm(id("default")), "gpt"))
        .with(select(Scope::User(id("ada")), "large"));
    let reached = |number| resolve(&world.control, world.key(number), &id("fast")).unwrap().model.name.to_string();
    assert_eq!((reached(1), reached(2)), ("gpt".to_owned(), "large".to_owned()));
}

#[test]
fn a_reset_counts_every_window_from_now_on_and_keeps_the_limits() {
    let scope = Scope::User(id("ada"));
    let reset = ResetBudget { scope: scope.clone() };
    given(with_ada()).when(reset.clone()).then_rejected(crate::budget::Rejection::None(scope.clone()));
    let mut world = with_ada().with(budget(scope.clone()));
    given(world.clone()).when(reset.clone()).then_rejected(crate::budget::Rejection::NoChange(scope.clone()));
    let before = world.control.budget(&scope).unwrap().clone();
    world.now = world.now.plus_seconds(60).unwrap();
    let now = world.now;
    world.carry_out(reset);
    let after = world.control.budget(&scope).unwrap();
    assert_eq!((after.limits[0].limit_nano_usd, after.limits[0].anchor), (before.limits[0].limit_nano_usd, now));
    assert_eq!((after.trail.version, after.set > before.set), (2, true));
}
