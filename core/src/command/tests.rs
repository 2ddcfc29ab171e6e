//! How commands are read.

mod codes;

use super::{Command, Malformed, Rejection, Request, Together};
use crate::id::InvalidId;
use crate::key::BlockKey;
use crate::realm::SuspendRealm;
use crate::testing::samples::{id, issue_key, key_id};
use crate::testing::world::World;

fn read(body: &str) -> Result<Request, Malformed> {
    Request::parse(body.as_bytes())
}

fn suspend(data: &str) -> Result<Request, Malformed> {
    read(&format!(r#"{{"id":"c-1","type":"SuspendRealm","data":{data}}}"#))
}

const AGENT_KEY: &str =
    r#"{"key":"ID","hash":"HASH","shown":"sk-...","secret":{"key_id":"k","nonce":"NONCE","ciphertext":"00"}}"#;

/// A body of every command with all its fields, as in `golden/commands`, and one that is wrong in a field.
fn bodies() -> Vec<(&'static str, String)> {
    let folder = [
        ("GrantModel", r#"{"realm":"a","model":"m"}"#),
        ("WithdrawGrant", r#"{"realm":"a","model":"m"}"#),
        ("ReplaceGrants", r#"{"realm":"a","models":"all"}"#),
        ("StoreCredential", r#"{"credential":"ID","name":"n","secret":{"environment":"E"},"hosts":["h"]}"#),
        ("ReplaceSecret", r#"{"credential":"ID","secret":{"environment":"E"}}"#),
        ("RemoveCredential", r#"{"credential":"ID"}"#),
        ("RegisterModel", r#"{"model":"ID","name":"m","deployments":[]}"#),
        ("AddDeployment", r#"{"model":"ID","deployment":{"id":"d","vendor":"v","upstream_model":"u"}}"#),
        ("ReviseDeployment", r#"{"model":"ID","deployment":"d"}"#),
        ("RemoveDeployment", r#"{"model":"ID","deployment":"d"}"#),
        ("RevisePrice", r#"{"model":"ID","deployment":"d"}"#),
        ("RetireModel", r#"{"model":"ID"}"#),
        ("DistrustModel", r#"{"model":"ID","request":"ID","held_nano_usd":1,"cost_nano_usd":2}"#),
        ("TrustModel", r#"{"model":"ID"}"#),
        ("SetRouting", r#"{"model":"ID","routing":{"strategy":"ordered"}}"#),
        ("IssueKey", r#"{"key":"ID","hash":"HASH","shown":"sk-..."}"#),
        ("ReviseKey", r#"{"key":"ID"}"#),
        ("RotateKey", r#"{"key":"ID","hash":"HASH","shown":"sk-..."}"#),
        ("BlockKey", r#"{"key":"ID"}"#),
        ("UnblockKey", r#"{"key":"ID"}"#),
        ("RevokeKey", r#"{"key":"ID"}"#),
        ("SetBudget", r#"{"scope":"gateway","limits":[]}"#),
        ("ResetBudget", r#"{"scope":"gateway"}"#),
        ("AttachBudget", r#"{"scope":"gateway","budget":"b"}"#),
        ("ReviseBudget", r#"{"scope":"gateway"}"#),
        ("CarrySpend", r#"{"scope":"gateway","period":"total","source":"x","spent_nano_usd":1}"#),
        ("RegisterNamedBudget", r#"{"budget":"b"}"#),
        ("ReviseNamedBudget", r#"{"budget":"b"}"#),
        ("RemoveNamedBudget", r#"{"budget":"b"}"#),
        ("SelectModel", r#"{"scope":"gateway","model":"m"}"#),
        ("SelectPreset", r#"{"scope":"gateway","preset":"p"}"#),
        ("SavePreset", r#"{"scope":"gateway","preset":"p","model":"m"}"#),
        ("DeletePreset", r#"{"scope":"gateway","preset":"p"}"#),
        ("ClearSelection", r#"{"scope":"gateway"}"#),
        ("UndoSelection", r#"{"scope":"gateway"}"#),
        ("RegisterAgent", r#"{"agent":"a","name":"n","token":"HASH"}"#),
        ("RotateAgentToken", r#"{"agent":"a","token":"HASH"}"#),
        ("JoinRealm", r#"{"agent":"a","realm":"a","key":AGENTKEY}"#),
        ("LeaveRealm", r#"{"agent":"a","realm":"a"}"#),
        ("ReplaceAgentKey", r#"{"agent":"a","realm":"a","key":AGENTKEY}"#),
        ("ConfigureAgent", r#"{"agent":"a","configuration":{"registry":"ID"}}"#),
        ("ClearAgentConfiguration", r#"{"agent":"a"}"#),
        ("RemoveAgent", r#"{"agent":"a"}"#),
    ];
    of_realms_and_people().into_iter().chain(folder).map(|(name, data)| (name, filled(data))).collect()
}

/// Those about realms, about people, and about what requests say of themselves.
fn of_realms_and_people() -> Vec<(&'static str, &'static str)> {
    vec![
        ("RegisterRealm", r#"{"realm":"a"}"#),
        ("ReviseRealm", r#"{"realm":"a"}"#),
        ("SuspendRealm", r#"{"realm":"a"}"#),
        ("ResumeRealm", r#"{"realm":"a"}"#),
        ("RemoveRealm", r#"{"realm":"a"}"#),
        ("RegisterUser", r#"{"user":"u"}"#),
        ("ReviseUser", r#"{"user":"u"}"#),
        ("BlockUser", r#"{"user":"u"}"#),
        ("UnblockUser", r#"{"user":"u"}"#),
        ("RemoveUser", r#"{"user":"u"}"#),
        ("AddMember", r#"{"realm":"a","user":"u"}"#),
        ("RemoveMember", r#"{"realm":"a","user":"u"}"#),
        ("SetPassword", r#"{"user":"u"}"#),
        (
            "StartSession",
            r#"{"session":"ID","hash":"HASH","with":{"password":"u"},"expires_at":"2026-11-20T11:15:30.123Z"}"#,
        ),
        ("EndSession", r#"{"session":"ID"}"#),
        ("RegisterEndUser", r#"{"end_user":"e"}"#),
        ("ReviseEndUser", r#"{"end_user":"e"}"#),
        ("BlockEndUser", r#"{"end_user":"e"}"#),
        ("UnblockEndUser", r#"{"end_user":"e"}"#),
        ("RemoveEndUser", r#"{"end_user":"e"}"#),
        ("RegisterTag", r#"{"tag":"t"}"#),
        ("ReviseTag", r#"{"tag":"t"}"#),
        ("RemoveTag", r#"{"tag":"t"}"#),
    ]
}

/// What the words in capitals stand for.
fn filled(data: &str) -> String {
    let data = data.replace("AGENTKEY", AGENT_KEY).replace("NONCE", &"0".repeat(48));
    data.replace("ID", &key_id(1).to_string()).replace("HASH", &"0".repeat(64))
}

#[test]
fn a_command_is_read_as_it_is_sent() {
    let request = read(r#" {"data":{"realm":"acme"},"id":"c-1","type":"SuspendRealm"} "#).unwrap();
    assert_eq!(request, Request { id: id("c-1"), command: SuspendRealm { realm: id("acme") }.into() });
}

#[test]
fn a_body_that_is_no_object_of_id_type_and_data_is_refused() {
    for body in [
        "",
        "null",
        "7",
        "{}",
        r#"{"id":"c-1","type":"SuspendRealm"}"#,
        r#"{"type":"SuspendRealm","data":{"realm":"a"}}"#,
        r#"{"id":"","type":"SuspendRealm","data":{"realm":"a"}}"#,
        r#"{"id":7,"type":"SuspendRealm","data":{"realm":"a"}}"#,
        r#"{"id":"c-1","type":"SuspendRealm","data":{"realm":"a"},"more":1}"#,
        r#"{"id":"c-1","id":"c-2","type":"SuspendRealm","data":{"realm":"a"}}"#,
        r#"{"id":"c-1","type":"SuspendRealm","data":{"realm":"a"},"data":{"realm":"b"}}"#,
        r#"{"id":"c-1","type":"SuspendRealm","data":{"realm":"a"}} {}"#,
        r#"["c-1","SuspendRealm",{"realm":"a"}]"#,
        r#"{"id":"c-1","type":"SuspendRealm","data":{"realm":"a"}"#,
    ] {
        assert!(matches!(read(body), Err(Malformed::Envelope(_))), "{body}");
    }
    assert!(matches!(Request::parse(b"{\"id\":\"\xff\"}"), Err(Malformed::Envelope(_))));
}

#[test]
fn a_command_that_does_not_exist_is_named_at_most_to_its_64th_character() {
    for name in ["suspendrealm", "", "SuspendRealm ", "DropTables"] {
        let error = Command::parse(name, "{}").unwrap_err();
        assert!(matches!(&error, Malformed::UnknownType(found) if found == name), "{error}");
    }
    let error = Command::parse(&"模".repeat(1_000), "{}").unwrap_err();
    assert!(matches!(error, Malformed::UnknownType(found) if found.chars().count() == 64));
}

#[test]
fn data_that_does_not_have_the_fields_of_its_command_is_refused() {
    for data in [
        "null",
        "7",
        "{}",
        r#"{"realm":null}"#,
        r#"{"realm":"a","realm":"b"}"#,
        r#"{"realm":"a","more":1}"#,
        r#"{"Realm":"a"}"#,
        r#"["a"]"#,
        r#"{"realm":"a\u0000"}"#,
    ] {
        assert!(matches!(suspend(data), Err(Malformed::Data { kind: "SuspendRealm", .. })), "{data}");
    }
}

#[test]
fn every_command_is_read_and_refuses_unknown_fields_second_fields_and_lists() {
    let bodies = bodies();
    let names: Vec<&str> = bodies.iter().map(|(name, _)| *name).chain(["Together"]).collect();
    assert_eq!(names, Command::NAMES);
    for (name, data) in bodies {
        assert_eq!(Command::parse(name, &data).unwrap().name(), name);
        let inner = data.strip_suffix('}').unwrap();
        let first = inner.split_once(',').map_or(inner, |(first, _)| first).strip_prefix('{').unwrap();
        let fields: serde_json::Value = serde_json::from_str(&data).unwrap();
        let values: Vec<_> = fields.as_object().unwrap().values().cloned().collect();
        for wrong in [
            format!("{inner},\"unheard_of\":1}}"),
            format!("{inner},{first}}}"),
            serde_json::to_string(&values).unwrap(),
            "null".to_owned(),
        ] {
            let error = Command::parse(name, &wrong).unwrap_err();
            assert!(matches!(error, Malformed::Data { kind, .. } if kind == name), "{name} {wrong}: {error}");
        }
    }
}

#[test]
fn every_command_is_decided_by_some_aggregate() {
    for (name, data) in bodies() {
        let decided = World::new().try_carry_out(Command::parse(name, &data).unwrap());
        assert!(!matches!(decided, Err(Rejection::TooManyTogether)), "nothing decides {name}");
    }
}

#[test]
fn nested_objects_refuse_unknown_and_second_fields_too() {
    let key = key_id(1);
    for (name, data) in [
        ("ReviseKey", r#""limits":{"requests":1}"#),
        ("ReviseKey", r#""limits":{"requests_per_minute":1,"requests_per_minute":2}"#),
        ("ReviseKey", r#""aliases":{"a":"x","a":"y"}"#),
        ("ReviseKey", r#""models":{"only":["a"],"all":null}"#),
        ("ReviseKey", r#""models":{"some":["a"]}"#),
        ("ReviseKey", r#""models":[]"#),
        ("ReviseKey", r#""models":"*""#),
        ("ReviseKey", r#""kind":"admin""#),
        ("IssueKey", r#""hash":"00","shown":"""#),
    ] {
        let data = format!(r#"{{"key":"{key}",{data}}}"#);
        assert!(matches!(Command::parse(name, &data), Err(Malformed::Data { .. })), "{data}");
    }
    let issue = |aliases: &str| {
        let hash = "0".repeat(64);
        let data = format!(r#"{{"key":"{key}","hash":"{hash}","shown":"sk-...","aliases":{aliases}}}"#);
        Command::parse("IssueKey", &data)
    };
    assert!(issue(r#"{"a":"x","b":"y"}"#).is_ok());
    let error = issue(r#"{"a":"x","\u0061":"y"}"#).unwrap_err();
    let Malformed::Data { source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().contains("duplicate alias `a`"), "{source}");
}

#[test]
fn numbers_out_of_range_are_refused() {
    for limit in ["-1", "1.5", "1e309", "9223372036854775808", "\"5\"", "NaN"] {
        let data = format!(r#"{{"scope":"gateway","limits":[{{"period":"total","limit_nano_usd":{limit}}}]}}"#);
        let read = Command::parse("SetBudget", &data);
        // Below zero is a rule of budgets and not of JSON.
        assert_eq!(read.is_ok(), limit == "-1", "{limit}");
    }
    for period in [r#"{"seconds":-1}"#, r#"{"seconds":1,"months":1}"#, r#""Total""#, r#"{"months":4294967296}"#] {
        let data = format!(r#"{{"scope":"gateway","limits":[{{"period":{period},"limit_nano_usd":1}}]}}"#);
        assert!(Command::parse("SetBudget", &data).is_err(), "{period}");
    }
}

#[test]
fn the_digest_is_one_for_every_spelling_of_a_command_and_another_for_every_other_command() {
    let digest = |data: &str| Command::parse("IssueKey", data).unwrap().digest();
    let (key, hash) = (key_id(1), issue_key(1).hash);
    let short = format!(r#"{{"key":"{key}","hash":"{hash}","shown":"sk-..."}}"#);
    let long = format!(
        r#"{{ "blocked":false, "kind":"default", "shown":"sk-\u002e..", "hash":"{hash}", "limits":{{"requests_per_minute":null,
        "tokens_per_minute":null,"parallel_requests":null}}, "metadata":{{}}, "aliases":{{}}, "models":{{"only":[]}},
        "alias":null, "user":null, "expires_at":null, "realm":"default", "key":"{}" }}"#,
        key.to_string().to_uppercase()
    );
    assert_eq!(digest(&short), digest(&long));
    let other = format!(r#"{{"key":"{key}","hash":"{hash}","shown":"sk-...","blocked":true}}"#);
    assert_ne!(digest(&short), digest(&other));
    let block: Command = BlockKey { key }.into();
    let unblock: Command = crate::key::UnblockKey { key }.into();
    assert_ne!(block.digest(), unblock.digest(), "the same data under another name");
}

#[test]
fn commands_together_are_read_one_by_one_and_do_not_nest() {
    let part = r#"{"type":"SuspendRealm","data":{"realm":"a"}}"#;
    let read = |data: &str| Command::parse("Together", data);
    let suspend: Command = SuspendRealm { realm: id("a") }.into();
    assert_eq!(
        read(&format!("[{part},{part}]")).unwrap(),
        Together::new(vec![suspend.clone(), suspend.clone()]).into()
    );
    assert_eq!(read("[]").unwrap(), Together::new(vec![]).into());
    for data in [
        "{}".to_owned(),
        part.to_owned(),
        format!("[{part},null]"),
        r#"[{"type":"SuspendRealm","data":{"realm":"a"},"id":"c-1"}]"#.to_owned(),
        r#"[{"type":"Unheard","data":{}}]"#.to_owned(),
        r#"[{"type":"Together","data":[]}]"#.to_owned(),
    ] {
        assert!(matches!(read(&data), Err(Malformed::Data { kind: "Together", .. })), "{data}");
    }
    let nested = Together::new(vec![Together::new(vec![suspend.clone()]).into(), suspend]);
    assert_eq!(nested.commands().len(), 2, "taken one by one");
}

#[test]
fn ten_thousand_levels_of_commands_together_are_refused_and_use_up_no_stack() {
    let levels = 10_000;
    let data = format!("{}{}", r#"[{"type":"Together","data":"#.repeat(levels), "}]".repeat(levels));
    assert!(data.len() < 1 << 20);
    assert!(Command::parse("Together", &format!("{}[]{}", &data[..levels * 27], &data[levels * 27..])).is_err());
}

#[test]
fn an_id_in_a_command_is_refused_for_the_reason_that_ids_are() {
    let Err(Malformed::Data { source, .. }) = suspend(r#"{"realm":" a"}"#) else { panic!("refused") };
    let reason = id::<crate::id::RealmId>("a");
    let expected = " a".parse::<crate::id::RealmId>().unwrap_err();
    assert!(matches!(expected, InvalidId::Character { .. }) && reason.as_str() == "a");
    assert!(source.to_string().contains(&expected.to_string()), "{source}");
}
