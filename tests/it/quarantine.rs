//! Events of a newer version in the log: what hangs on them is refused, and nothing else.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use hmac::{Hmac, Mac as _};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::Sha256;
use tallygate_core::actor::Actor;
use tallygate_core::envelope::{Draft, Line, MacKey, seal};
use tallygate_core::id::{CredentialId, EventId, ModelId, RealmId};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{Head, Log, StreamId};
use tallygate_core::time::Timestamp;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::Upstream;
use uuid::Uuid;

use crate::scene::{IssuedKey, KeyTerms, MODEL, Scene, chat, command, issue, lines, uuid};

const SECRET: &str = "the-secret-of-two-versions";
const SEGMENT: &str = "log/control/00000000000000000001.jsonl";

fn hmac(key: &[u8], message: &[u8]) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().into())
}

/// The key of the lines of a gateway with a secret, worked out anew: another version would do it the same.
pub fn mac_key(secret: &str) -> Result<MacKey> {
    let root = hmac(b"tallygate keys 1", secret.as_bytes())?;
    Ok(MacKey::new(hmac(&root, b"authenticate log lines\x01")?))
}

/// Appends one authentic event of an unknown type to each stream, and gives its position.
fn append(data: &Path, streams: &[StreamId]) -> Result<Vec<u64>> {
    let segment = data.join(SEGMENT);
    let text = std::fs::read_to_string(&segment)?;
    let last = Line::from_bytes(text.lines().last().context("an empty log")?.to_owned().into_bytes().into());
    let position = last.envelope().ok().context("a line that is no line")?.position;
    let mut head = Head { position, hash: last.hash() };
    let key = mac_key(SECRET)?;
    let mut file = OpenOptions::new().append(true).open(&segment)?;
    let mut positions = Vec::new();
    for stream in streams {
        let draft = Draft {
            id: EventId::new(uuid().parse()?),
            kind: "of.the.future",
            schema: 1,
            realm: Some(RealmId::default_realm()),
            stream: stream.clone(),
            version: 1_000,
            at: Timestamp::from_millis(1_795_169_730_123),
            actor: Actor::operator(),
            command: None,
            part: (1, 1),
            cause: Vec::new(),
            data: RawValue::from_string("{}".to_owned())?,
        };
        let (line, next) = seal(Log::Control, &head, &draft, &key)?;
        file.write_all(line.bytes())?;
        file.write_all(b"\n")?;
        head = next;
        positions.push(next.position.get());
    }
    Ok(positions)
}

/// Who asks, for which model, and the stream that the answer hangs on.
struct Case {
    key: IssuedKey,
    model: &'static str,
    stream: StreamId,
    scope: Value,
}

async fn tenant(gateway: &Gateway, realm: &'static str) -> Result<IssuedKey> {
    command(gateway, "RegisterRealm", json!({ "realm": realm, "models": "all" })).await?.expect(200)?;
    issue(gateway, KeyTerms { realm: Some(realm), ..KeyTerms::default() }).await
}

/// The id in the control log of what an event of a type brought about.
fn id_of(scene: &Scene, kind: &str, field: &str) -> Result<Uuid> {
    let found = scene.log("control")?.into_iter().rfind(|line| line["type"] == kind).context("no such event")?;
    Ok(found["data"][field].as_str().context("no id")?.parse()?)
}

async fn cases(scene: &Scene) -> Result<Vec<Case>> {
    let gateway = &scene.gateway;
    let mut cases = Vec::new();
    let realm_scope = |realm: &str| anyhow::Ok(format!("realm:{realm}").parse::<Scope>()?);
    let current = "current".parse()?;
    for realm in ["budgeted", "choosing", "granted", "told"] {
        let key = tenant(gateway, realm).await?;
        let (scope, id) = (realm_scope(realm)?, RealmId::new(realm)?);
        let (model, stream) = match realm {
            "budgeted" => (MODEL, scope.budget_stream()),
            "choosing" => ("current", scope.selection_stream(&current)),
            "granted" => (MODEL, StreamId::grant(&id)),
            _ => (MODEL, StreamId::realm(&id)),
        };
        cases.push(Case { key, model, stream, scope: json!(scope) });
    }
    for of_budget in [true, false] {
        let key = issue(gateway, KeyTerms { budget_nano_usd: Some(1_000_000), ..KeyTerms::default() }).await?;
        let scope: Scope = format!("key:{}", key.id).parse()?;
        let stream = if of_budget { scope.budget_stream() } else { StreamId::key(key.id.parse()?) };
        cases.push(Case { key, model: MODEL, stream, scope: json!(scope) });
    }
    let sealed = json!({ "model_name": "sealed", "litellm_params": {
        "model": "m", "custom_llm_provider": "openai", "api_base": scene.upstream.url(), "api_key": "sk-of-a-provider",
    }});
    gateway.operator()?.post("/model/new", &sealed).await?.expect(200)?;
    let credential = StreamId::credential(CredentialId::new(id_of(scene, "credential.stored", "credential")?));
    scene.register("retold", "deployment-2").await?;
    let model = StreamId::model(ModelId::new(id_of(scene, "model.registered", "model")?));
    for (model, stream) in [("sealed", credential), ("retold", model)] {
        let key = issue(gateway, KeyTerms::default()).await?;
        cases.push(Case { key, model, stream, scope: json!(null) });
    }
    Ok(cases)
}

#[tokio::test]
async fn what_hangs_on_an_event_of_a_newer_version_is_refused_with_its_place_and_nothing_else() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new().env("TALLYGATE_SECRET", SECRET).data(folder.path());
    let upstream = Upstream::start().await?;
    let mut scene = Scene { gateway: setup.clone().start().await?, upstream };
    scene.register(MODEL, "deployment-1").await?;
    let select = json!({ "scope": "gateway", "model": MODEL });
    command(&scene.gateway, "SelectModel", select).await?.expect(200)?;
    let cases = cases(&scene).await?;
    let free = scene.key(KeyTerms::default()).await?;
    for Case { key, model, .. } in &cases {
        scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(model)).await?.expect(200)?;
    }
    scene.gateway.shut_down().await?;
    let streams: Vec<StreamId> = cases.iter().map(|case| case.stream.clone()).collect();
    let positions = append(folder.path(), &streams)?;
    scene.gateway = setup.clone().start().await?;
    let (asked, written) = (scene.upstream.requests().len(), lines(folder.path(), "control")?.len());

    for (Case { key, model, stream, scope }, position) in cases.iter().zip(&positions) {
        let answer = scene.gateway.caller(&key.secret)?.post("/v1/chat/completions", &chat(model)).await?;
        let found = (answer.status, answer.at("/error/tallygate/code")?);
        assert_eq!(found, (503, json!("quarantined")), "{stream}: {}", answer.text());
        let details = answer.at("/error/tallygate/details")?;
        assert_eq!(details, json!({ "scope": scope, "decided_by": [position] }), "{stream}");
    }
    let refused = scene.activity("request.refused", cases.len()).await?;
    let recorded: Vec<_> = refused.iter().map(|fact| (&fact["key"], &fact["code"], &fact["status"])).collect();
    let (code, status) = (json!("quarantined"), json!(503));
    let ids: Vec<Value> = cases.iter().map(|case| json!(case.key.id)).collect();
    assert_eq!(recorded, ids.iter().map(|id| (id, &code, &status)).collect::<Vec<_>>());
    for model in [MODEL, "current"] {
        scene.gateway.caller(&free.secret)?.post("/v1/chat/completions", &chat(model)).await?.expect(200)?;
    }
    assert_eq!(scene.upstream.requests().len(), asked + 2);
    let command = command(&scene.gateway, "BlockKey", json!({ "key": cases[5].key.id })).await?;
    assert_eq!((command.status, command.at("/error/tallygate/code")?), (503, json!("quarantined")));
    assert_eq!(lines(folder.path(), "control")?.len(), written);

    // The gateway's own budget is everybody's.
    scene.gateway.shut_down().await?;
    append(folder.path(), &[Scope::Gateway.budget_stream()])?;
    scene.gateway = setup.start().await?;
    let answer = scene.gateway.caller(&free.secret)?.post("/v1/chat/completions", &chat(MODEL)).await?;
    let found = (answer.status, answer.at("/error/tallygate/code")?, answer.at("/error/tallygate/details/scope")?);
    assert_eq!(found, (503, json!("quarantined"), json!("gateway")), "{}", answer.text());
    assert_eq!(scene.upstream.requests().len(), asked + 2);
    Ok(())
}
