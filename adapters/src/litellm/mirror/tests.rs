use serde_json::{Value, json};
use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::grant::ReplaceGrants;
use tallygate_core::id::{ModelName, RealmId};
use tallygate_core::key::{IssueKey, Key};
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::{Allowed, ModelPattern};
use tallygate_core::money::NanoUsd;
use tallygate_core::realm::{RegisterRealm, SuspendRealm};
use tallygate_core::registry::{NewDeployment, RegisterModel};
use tallygate_core::scope::Scope;
use tallygate_core::secret::Secret;
use tallygate_core::stream::{Position, StreamId};
use tallygate_core::tag::RegisterTag;
use tallygate_core::testing::samples::{
    id, issue_key, join_realm, json as attached, key_id, model_id, new_deployment, only, register_agent,
    register_model, register_realm, register_user,
};
use tallygate_core::testing::world::World;
use tallygate_core::time::{Period, Timestamp};
use tallygate_core::user::{BlockUser, RegisterUser};

use super::wanted::Wanted;
use super::{deployment, key, team, user};

fn key_of(world: &World) -> &Key {
    world.control.keys.get(&key_id(1)).unwrap()
}

fn wanted_key(world: &World) -> Wanted {
    let budget = world.control.key_budgets.get(&key_id(1)).map(AsRef::as_ref);
    key::wanted(&world.control, key_of(world), budget, world.now)
}

fn wanted_team(world: &World, realm: &str) -> Wanted {
    team::wanted(&world.control, world.control.realms.get(realm).unwrap())
}

fn budget(scope: Scope, periods: &[Period]) -> SetBudget {
    let limit =
        |period: &Period| NewBudgetLimit { period: *period, anchor: None, limit_nano_usd: NanoUsd::new(5_000_000_000) };
    SetBudget { scope, limits: periods.iter().map(limit).collect(), reclaim_after_seconds: None }
}

fn of_realm(realm: &str, user: Option<&str>) -> IssueKey {
    IssueKey { realm: id(realm), user: user.map(id), ..issue_key(1) }
}

fn one_minute() -> Limits {
    Limits { requests_per_minute: Some(1), ..Limits::default() }
}

/// Whether LiteLLM lets a name through a list.
fn lets_through(list: &Value, name: &str) -> bool {
    let list: Vec<&str> = list.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let matches = |pattern: &&str| ModelPattern::new(pattern).unwrap().matches(&ModelName::new(name).unwrap());
    list.is_empty() || list.iter().any(matches)
}

#[test]
fn no_name_is_let_through_there_that_is_not_here() {
    let sets = [Allowed::All, Allowed::none(), only(["a"]), only(["a", "b"]), only(["a*"]), only(["*b", "a"])];
    for of_parent in &sets {
        let parent = RegisterRealm { models: Some(of_parent.clone()), ..register_realm("outer") };
        let world = World::new().with(parent);
        for of_realm_itself in &sets {
            let inner = RegisterRealm {
                parent: Some(id("outer")),
                models: Some(of_realm_itself.clone()),
                ..register_realm("inner")
            };
            let world = world.clone().with(inner);
            for (of_key, of_user) in sets.iter().flat_map(|key| sets.iter().map(move |user| (key, user))) {
                let user = RegisterUser { models: of_user.clone(), ..register_user("ann") };
                let key = IssueKey { models: of_key.clone(), ..of_realm("inner", Some("ann")) };
                let world = world.clone().with(user).with(key);
                let (team, key) = (wanted_team(&world, "inner"), wanted_key(&world));
                for name in ["a", "b", "ab", "bb", "c"] {
                    let there = [&team, &key].iter().all(|one| lets_through(&one.fields["models"], name));
                    let name: ModelName = id(name);
                    let here = world.control.realm_may_call(&id::<RealmId>("inner"), &name)
                        && of_key.allows(&name)
                        && of_user.allows(&name);
                    assert!(!there || here, "{name}: {of_parent:?} {of_realm_itself:?} {of_key:?} {of_user:?}");
                }
            }
        }
    }
}

#[test]
fn a_key_without_a_team_bears_what_the_first_realm_allows() {
    let world =
        World::new().with(issue_key(1)).with(ReplaceGrants { realm: RealmId::default_realm(), models: only(["a"]) });
    let wanted = wanted_key(&world);
    assert_eq!((&wanted.fields["models"], &wanted.fields["team_id"]), (&json!(["a"]), &Value::Null));
    let world = world.with(SuspendRealm { realm: RealmId::default_realm() });
    assert!(wanted_key(&world).blocked);
}

#[test]
fn every_rule_without_a_field_is_noted() {
    let total = [Period::Total];
    let two = [Period::Total, Period::Seconds(86_400)];
    let user = || RegisterUser { limits: one_minute(), ..register_user("ann") };
    let in_team = || {
        World::new()
            .with_realm("outer", None)
            .with_realm("inner", Some("outer"))
            .with(user())
            .with(of_realm("inner", None))
    };
    let alone = || World::new().with(user()).with(issue_key(1));
    let of_model = |realm: &str| Scope::Model(id(realm), id("gpt"));
    let tagged = IssueKey { metadata: attached(r#"{"tags":["batch"]}"#), ..issue_key(1) };
    let tag = RegisterTag { limits: one_minute(), ..id_of_tag("batch") };
    for (rule, world, of_team) in [
        ("two periods", alone().with(budget(Scope::Key(key_id(1)), &two)), false),
        ("the gateway's budget", alone().with(budget(Scope::Gateway, &total)), false),
        ("the first realm's budget", alone().with(budget(Scope::Realm(RealmId::default_realm()), &total)), false),
        ("a model's budget in the first realm", alone().with(budget(of_model("default"), &total)), false),
        (
            "a user's two periods",
            World::new()
                .with(user())
                .with(IssueKey { user: Some(id("ann")), ..issue_key(1) })
                .with(budget(Scope::User(id("ann")), &two)),
            false,
        ),
        (
            "a user's limits at a team's key",
            World::new().with_realm("inner", None).with(user()).with(of_realm("inner", Some("ann"))),
            false,
        ),
        (
            "an agent's budget",
            World::new()
                .with(register_agent("planner"))
                .with(join_realm("planner", "default", 1))
                .with(budget(Scope::Agent(id("planner")), &total)),
            false,
        ),
        ("a tag's rules", World::new().with(tag).with(tagged), false),
        ("a team's two periods", in_team().with(budget(Scope::Realm(id("inner")), &two)), true),
        ("the gateway's budget for a team", in_team().with(budget(Scope::Gateway, &total)), true),
        ("a budget above", in_team().with(budget(Scope::Realm(id("outer")), &total)), true),
        ("a model's budget above", in_team().with(budget(of_model("outer"), &total)), true),
        ("a model's budget", in_team().with(budget(of_model("inner"), &total)), true),
    ] {
        let wanted = if of_team { wanted_team(&world, "inner") } else { wanted_key(&world) };
        assert_eq!(wanted.unsaid.len(), 1, "{rule}: {:?}", wanted.unsaid);
        assert!(wanted.is_to_be_blocked(), "{rule}");
    }
    assert!(wanted_key(&alone()).unsaid.is_empty() && wanted_team(&in_team(), "inner").unsaid.is_empty());
    assert!(wanted_key(&in_team()).unsaid.is_empty());
}

fn id_of_tag(name: &str) -> RegisterTag {
    RegisterTag { realm: None, tag: id(name), description: None, models: Allowed::All, limits: Limits::default() }
}

#[test]
fn a_teams_parallel_requests_have_no_field_and_a_keys_have() {
    let parallel = Limits { parallel_requests: Some(2), ..Limits::default() };
    let world = World::new().with(RegisterRealm { limits: parallel, ..register_realm("acme") });
    let world = world.with(IssueKey { limits: parallel, ..of_realm("acme", None) });
    assert_eq!(wanted_team(&world, "acme").unsaid.len(), 1);
    assert_eq!(wanted_key(&world).fields["max_parallel_requests"], 2);
}

#[test]
fn what_cannot_be_read_is_blocked_there_until_it_can() {
    let mut world =
        World::new().with_realm("acme", None).with(register_user("ann")).with(of_realm("acme", Some("ann")));
    for stream in [StreamId::key(key_id(1)), StreamId::user(&id("ann")), StreamId::grant(&id("acme"))] {
        let mut control = world.control.clone();
        control.quarantine(stream.clone(), Position::new(9));
        let wanted = key::wanted(&control, key_of(&world), None, world.now);
        assert!(wanted.unsaid.iter().any(|rule| rule.contains("cannot read")), "{stream}");
    }
    world.carry_out(BlockUser { user: id("ann") });
    assert!(wanted_key(&world).blocked, "LiteLLM blocks no users");
}

#[test]
fn a_key_that_is_over_is_blocked() {
    let mut world = World::new();
    let soon = Timestamp::from_millis(world.now.millis() + 1_000);
    world.carry_out(IssueKey { expires_at: Some(soon), ..issue_key(1) });
    assert!(!wanted_key(&world).blocked);
    world.now = soon;
    assert!(wanted_key(&world).blocked);
}

#[test]
fn who_manages_people_here_manages_nothing_there() {
    for (role, there) in
        [("admin", "internal_user"), ("realm_admin", "internal_user"), ("viewer", "internal_user_viewer")]
    {
        let role = crate::litellm::role_name::of_user(role).unwrap();
        let world = World::new().with(RegisterUser { role, ..register_user("ann") });
        let wanted = user::wanted(&world.control, world.control.user(&id("ann")).unwrap());
        assert_eq!(wanted.fields["user_role"], there);
    }
}

#[test]
fn a_deployment_is_worded_with_its_key_its_prices_and_its_team() {
    let deployment = NewDeployment { weight: 3, ..new_deployment("d-1") };
    let model = RegisterModel { realm: id("acme"), deployments: vec![deployment], ..register_model(1, "gpt") };
    let world = World::new().with_realm("acme", None).with(model);
    let model = world.control.models.get(&model_id(1)).unwrap();
    let body = deployment::body(model, &model.deployments[0], "vendor", Some(&Secret::new("os.environ/X_API_KEY")));
    let (params, info) = (&body["litellm_params"], &body["model_info"]);
    assert_eq!(
        (&body["model_name"], &params["weight"], &params["api_key"]),
        (&json!("gpt"), &json!(3), &json!("os.environ/X_API_KEY"))
    );
    assert_eq!(params["model"], format!("vendor/{}", model.deployments[0].upstream_model));
    assert_eq!((&info["id"], &info["team_id"]), (&json!("d-1"), &json!("acme")));
    assert!(params["input_cost_per_token"].is_number(), "{params}");
}
