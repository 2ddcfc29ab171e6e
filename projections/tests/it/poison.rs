//! Poison is quarantined and the fold goes on; damage stops it; half a command is nobody's business.

use tallygate_core::admission::{self, Payers, Refusal, Rule};
use tallygate_core::control::Needs;
use tallygate_core::end_user::EndUserRef;
use tallygate_core::envelope::{Fault, Line};
use tallygate_core::id::CommandId;
use tallygate_core::key::BlockKey;
use tallygate_core::port::event_log::{Batch, LogError};
use tallygate_core::realm::RegisterRealm;
use tallygate_core::registry::RegisterModel;
use tallygate_core::scope::Scope;
use tallygate_core::selection::SelectModel;
use tallygate_core::stream::{Log, StreamId};
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id};
use tallygate_core::time::Timestamp;
use tallygate_projections::{FollowError, Health, Misplaced, Views};

use crate::gateway::{Running, Site};
use crate::raw_log::RawLog;
use crate::sample::{NOON, budget, hash, key, key_id, realm, realm_id};

fn raw_site() -> (Site, RawLog) {
    let log = RawLog::new(Log::Control);
    (Site::with(log.clone(), MemoryLog::new(Log::Activity)), log)
}

/// The same line under a secret that is not the gateways'.
fn forged(batch: &Batch) -> Line {
    let text = std::str::from_utf8(batch.lines[0].bytes()).unwrap().to_owned();
    let at = text.rfind("\"mac\":\"").unwrap() + 7;
    let (head, mac) = text.split_at(at);
    let flipped = if mac.starts_with('0') { "1" } else { "0" };
    Line::from_bytes(format!("{head}{flipped}{}", &mac[1..]).into_bytes().into())
}

#[tokio::test]
async fn an_event_of_the_future_closes_its_stream_and_nothing_else() {
    let (site, mut writer) = (Site::new(), ControlWriter::new());
    let running = site.start().await;
    for batch in [
        writer.command(realm("acme")),
        writer.command(key("acme", 1)),
        writer.command(key("acme", 2)),
        writer.unknown_event(StreamId::key(key_id(1))),
        writer.command(BlockKey { key: key_id(2) }),
    ] {
        site.append(batch).await;
    }
    let control = &running.views.control;
    control.wait_for(writer.head().position).await.unwrap();
    let snapshot = control.snapshot();
    let ask = |number| {
        let row = control.key_by_hash(&hash(number)).unwrap().unwrap();
        admission::authenticate(&snapshot.control, &row.key, &hash(number), Timestamp::from_millis(NOON))
    };
    assert_eq!(ask(1).unwrap_err().rule, Rule::Quarantined);
    assert_eq!(ask(2).unwrap_err().rule, Rule::KeyBlocked, "what came after it was folded");
    assert_eq!(site.metrics.quarantined(Log::Control), 1);
    running.stop().await;
    let again = site.start().await;
    assert!(again.views.control.snapshot().control.quarantined.contains(&StreamId::key(key_id(1))));
    again.stop().await;
}

/// Whether the key of number 1, of the realm `leaf`, may have an answer to `current`.
fn admitted(views: &Views) -> Result<(), Refusal> {
    let control = &views.control.snapshot().control;
    let row = views.control.key_by_hash(&hash(1)).unwrap().unwrap();
    admission::authenticate(control, &row.key, &hash(1), Timestamp::from_millis(NOON))?;
    let model = admission::resolve(control, &row.key, &id("current"))?.model;
    admission::permit_deployment(control, &model, &model.deployments[0])?;
    let end_users = admission::end_users(control, &row.key, Some("customer 7"))?;
    let (key, of_key, end_users, model) = (&*row.key, row.budget.as_deref(), end_users.as_slice(), &model.name);
    admission::budgets(control, &Payers { key, of_key, end_users, tags: &[], model }).map(drop)
}

/// A chain of two realms with a budget each, a key, and a selected model that is called with a credential.
fn whole_chain(writer: &mut ControlWriter) -> Vec<Batch> {
    let mut deployment = samples::new_deployment("gpt");
    deployment.base_url = Some("https://api.acme.example/v1".to_owned());
    deployment.credential = Some(samples::credential_id(1));
    vec![
        writer.command(realm("default")),
        writer.command(realm("root")),
        writer.command(RegisterRealm { parent: Some(realm_id("root")), ..realm("leaf") }),
        writer.command(samples::store_credential(1)),
        writer.command(RegisterModel { deployments: vec![deployment], ..samples::register_model(1, "gpt") }),
        writer.command(SelectModel { scope: Scope::Gateway, slot: id("current"), model: id("gpt") }),
        writer.command(key("leaf", 1)),
        writer.command(budget(Scope::Key(key_id(1)), 5)),
    ]
}

#[tokio::test]
async fn whatever_a_request_depends_on_refuses_it_when_it_cannot_be_read_after_a_restart_too() {
    let scopes =
        [Scope::Key(key_id(1)), Scope::Realm(realm_id("leaf")), Scope::Realm(realm_id("root")), Scope::Gateway];
    let mut streams = vec![
        (StreamId::key(key_id(1)), Some(scopes[0].clone())),
        (StreamId::realm(&realm_id("leaf")), Some(scopes[1].clone())),
        (StreamId::grant(&realm_id("leaf")), Some(scopes[1].clone())),
        (StreamId::realm(&realm_id("root")), Some(scopes[2].clone())),
        (StreamId::grant(&realm_id("root")), Some(scopes[2].clone())),
        (StreamId::model(samples::model_id(1)), None),
        (StreamId::credential(samples::credential_id(1)), None),
    ];
    let whom = EndUserRef { realm: Some(realm_id("root")), id: id("customer 7") };
    streams.push((StreamId::end_user(&whom), Some(Scope::EndUser(whom))));
    let of_model = Scope::Model(realm_id("root"), id("gpt"));
    streams.push((of_model.budget_stream(), Some(of_model)));
    for scope in scopes {
        streams.push((scope.budget_stream(), Some(scope.clone())));
        streams.push((scope.selection_stream(&id("current")), Some(scope)));
    }
    for (stream, scope) in streams {
        let (site, mut writer) = (Site::new(), ControlWriter::new());
        for batch in whole_chain(&mut writer) {
            site.append(batch).await;
        }
        let running = site.start().await;
        running.catch_up(&site).await.unwrap();
        assert_eq!(admitted(&running.views), Ok(()));
        site.append(writer.unknown_event(stream.clone())).await;
        running.catch_up(&site).await.unwrap();
        let refused = |views: &Views| {
            let refusal = admitted(views).unwrap_err();
            (refusal.rule, refusal.scope, refusal.cause)
        };
        let expected = (Rule::Quarantined, scope, vec![writer.head().position]);
        assert_eq!(refused(&running.views), expected, "{stream}");
        running.stop().await;
        let again = site.start().await;
        assert_eq!(refused(&again.views), expected, "{stream}, after a restart");
        again.stop().await;
    }
}

#[tokio::test]
async fn the_command_of_an_event_that_cannot_be_read_was_carried_out_all_the_same() {
    let (site, mut writer) = (Site::new(), ControlWriter::new());
    site.append(writer.unknown_event(StreamId::key(key_id(1)))).await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let id = CommandId::new("command-0").unwrap();
    let record = running.views.control.command(&id).unwrap().unwrap();
    assert_eq!((record.first, record.last), (writer.head().position, writer.head().position));
    let state =
        running.views.control.decision_state(&Needs { commands: vec![id.clone()], ..Needs::default() }).unwrap();
    assert!(state.control.commands.contains(&id));
    running.stop().await;
}

#[tokio::test]
async fn a_forged_line_is_skipped_whether_it_takes_a_place_or_not() {
    let (site, log) = raw_site();
    let mut writer = ControlWriter::new();
    let true_line = writer.command(realm("acme"));
    let lie = forged(&writer.command(key("acme", 1)));
    // The next true line follows the last true one …
    let mut unaware = ControlWriter::new();
    unaware.command(realm("acme"));
    let next = unaware.command(key("acme", 2));
    log.push(true_line.lines.into_iter().chain([lie.clone()]).chain(next.lines));
    let running = site.start().await;
    let control = &running.views.control;
    control.wait_for(unaware.head().position).await.unwrap();
    assert!(control.key_by_hash(&hash(1)).unwrap().is_none());
    assert!(control.key_by_hash(&hash(2)).unwrap().is_some());
    // … or the forged one: whoever appends takes the log's word for where it ends.
    log.push([lie.clone()]);
    while site.metrics.quarantined(Log::Control) < 2 {
        tokio::task::yield_now().await;
    }
    // Whoever waits for the end of the log does not wait for ever, though the end is a lie.
    control.wait_for(unaware.head().position.plus(1)).await.unwrap();
    let state = running.decision_at(|head| head.hash == lie.hash()).await;
    assert_eq!(state.head.position, unaware.head().position.plus(1));
    let mut after_the_lie = unaware.at(state.head);
    log.push(after_the_lie.command(key("acme", 3)).lines);
    control.wait_for(after_the_lie.head().position).await.unwrap();
    assert!(control.key_by_hash(&hash(3)).unwrap().is_some());
    running.stop().await;
    // A restart finds the lie in the checkpoint, and goes on.
    let again = site.start().await;
    assert_eq!(again.views.control.snapshot().head, after_the_lie.head());
    again.stop().await;
}

#[tokio::test]
async fn nobody_sees_half_a_command() {
    let (site, log) = raw_site();
    let mut writer = ControlWriter::new();
    let (first, together) = (writer.command(realm("default")), writer.command(samples::register_model(1, "gpt")));
    let before = first.lines.last().unwrap().envelope().unwrap().position;
    let (last, head) = together.lines.split_last().unwrap();
    log.push(first.lines.clone());
    log.push(head.to_vec());
    let running = site.start().await;
    let control = &running.views.control;
    control.wait_for(before).await.unwrap();
    while log.tailed() < log.len() {
        tokio::task::yield_now().await;
    }
    assert_eq!(control.position(), before);
    assert!(control.snapshot().control.models.is_empty());
    // A stop in the midst of it loses nothing.
    running.stop().await;
    let running = site.start().await;
    assert_eq!(running.views.control.position(), before);
    log.push([last.clone()]);
    running.views.control.wait_for(writer.head().position).await.unwrap();
    assert_eq!(running.views.control.snapshot().control.models.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_command_that_is_not_whole_is_damage() {
    let (site, log) = raw_site();
    let mut writer = ControlWriter::new();
    let whole = writer.command(realm("default"));
    let together = writer.command(samples::register_model(1, "gpt"));
    let mut lines = whole.lines;
    let rest = &together.lines[..1];
    lines.extend_from_slice(rest);
    let end = rest[0].envelope().unwrap().position;
    let mut other = writer.at(tallygate_core::stream::Head { position: end, hash: rest[0].hash() });
    lines.extend(other.command(realm("acme")).lines);
    log.push(lines);
    let running = site.start().await;
    assert!(matches!(damage_of(running).await, Misplaced::Part { part: 1, expected: 2, .. }));
}

#[tokio::test]
async fn a_line_in_the_wrong_place_stops_the_views_where_they_are() {
    let (site, log) = raw_site();
    let mut writer = ControlWriter::new();
    let (one, two, three) =
        (writer.command(realm("acme")), writer.command(key("acme", 1)), writer.command(key("acme", 2)));
    let after_one = one.lines.last().unwrap().envelope().unwrap().position;
    log.push(one.lines.into_iter().chain(three.lines).chain(two.lines));
    let running = site.start().await;
    running.views.control.wait_for(after_one).await.unwrap();
    let ended = running.views.control.wait_for(writer.head().position).await.unwrap_err();
    assert!(matches!(ended.0, Health::Stopped(_)));
    assert!(running.views.control.snapshot().control.realms.contains("acme"));
    assert!(matches!(damage_of(running).await, Misplaced::Line(Fault::Position { .. })));
}

async fn damage_of(running: Running) -> Misplaced {
    match &*running.failure_at_once().await {
        FollowError::Damaged(damage) => damage.what.clone(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_log_that_goes_away_is_followed_again_when_it_is_back() {
    let (site, log) = raw_site();
    let mut writer = ControlWriter::new();
    log.push(writer.command(realm("default")).lines);
    // Away in the midst of a command.
    log.push(writer.command(samples::register_model(1, "gpt")).lines);
    log.fail_after(2, LogError::Unavailable("the test pulled the plug".into()));
    let running = site.start().await;
    let mut health = running.views.control.health();
    health.wait_for(|health| matches!(health, Health::Waiting(_))).await.unwrap();
    running.views.control.wait_for(writer.head().position).await.unwrap();
    health.wait_for(|health| matches!(health, Health::Following)).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_is_not_set_up_right_stops_the_views() {
    let (site, log) = raw_site();
    let mut writer = ControlWriter::new();
    log.push(writer.command(realm("acme")).lines);
    log.fail_after(0, LogError::Misconfigured("a retention limit".to_owned()));
    let running = site.start().await;
    assert!(matches!(&*running.failure_at_once().await, FollowError::Log { log: Log::Control, .. }));
}
