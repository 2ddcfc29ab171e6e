//! `as-of`: what something was at a position or a time, and the events that made it so. The fold is the gateway's own.

use std::ops::ControlFlow;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tallygate_core::control::Control;
use tallygate_core::event::Recorded;
use tallygate_core::id::{KeyAlias, KeyId, ModelName, RealmId};
use tallygate_core::key::{Key, KeyHash};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{ChainId, Head, Log, Position, StreamId};

use crate::cli::AsOfArgs;
use crate::lines;
use crate::report::Report;
use crate::source::Source;

/// An event in short.
struct Seen {
    position: Position,
    stream: StreamId,
    json: Value,
}

/// The state at the asked moment, and the events up to it.
struct Past {
    control: Control,
    position: Position,
    events: Vec<Seen>,
    wrong: Option<String>,
}

/// Folds up to the asked moment and tells.
///
/// # Errors
/// When the log cannot be read, or there was no such thing.
pub(crate) async fn run(source: &Source, args: &AsOfArgs) -> anyhow::Result<Report> {
    let past = fold(source, args).await?;
    let (state, streams) = find(&past.control, args)?;
    let events: Vec<&Value> =
        past.events.iter().filter(|seen| streams.contains(&seen.stream)).map(|seen| &seen.json).collect();
    let mut text = vec![format!("as of position {}:", past.position), serde_json::to_string_pretty(&state)?];
    text.push("made so by:".to_owned());
    text.extend(events.iter().map(|event| format!("  {event}")));
    let json = json!({ "position": past.position, "state": state, "events": events });
    Ok(Report { text, json, wrong: past.wrong })
}

async fn fold(source: &Source, args: &AsOfArgs) -> anyhow::Result<Past> {
    let mut past = Past { control: Control::default(), position: Position::START, events: Vec::new(), wrong: None };
    let mut head = Head::EMPTY;
    lines::for_each(&source.control, |_, line| {
        let checked = line.check(Log::Control, &ChainId::control(), &head, source.mac.as_ref());
        let (envelope, next) = match checked {
            Ok(checked) => checked,
            Err(fault) => {
                past.wrong = Some(format!("control: position {}: {fault}", head.position.plus(1)));
                return ControlFlow::Break(());
            }
        };
        let over = args.position.is_some_and(|last| envelope.position.get() > last)
            || args.time.is_some_and(|last| envelope.at > last);
        if over {
            return ControlFlow::Break(());
        }
        match Recorded::decode(&envelope) {
            Ok(recorded) => past.control.evolve(&recorded),
            Err(_) => past.control.quarantine(envelope.stream.clone(), envelope.position),
        }
        past.events.push(Seen {
            position: envelope.position,
            stream: envelope.stream.clone(),
            json: json!({
                "position": envelope.position, "at": envelope.at, "type": envelope.kind, "actor": envelope.actor,
                "command": envelope.command, "cause": envelope.cause, "data": envelope.data,
            }),
        });
        past.position = envelope.position;
        head = next;
        ControlFlow::Continue(())
    })
    .await
    .context("the control log cannot be read")?;
    debug_assert!(past.events.last().is_none_or(|seen| seen.position == past.position));
    Ok(past)
}

/// The state of what was asked for, and the streams that made it.
fn find(control: &Control, args: &AsOfArgs) -> anyhow::Result<(Value, Vec<StreamId>)> {
    if let Some(name) = &args.key {
        return key(control, name);
    }
    if let Some(id) = &args.realm {
        let id = RealmId::new(id)?;
        let realm = control.realms.get(&id).with_context(|| format!("there was no realm `{id}`"))?;
        let scope = Scope::Realm(id.clone());
        let state = json!({
            "realm": realm,
            "grants": control.grants.get(&id).map(|grants| &grants.allowed),
            "budget": control.budget(&scope).map(|budget| &budget.limits),
        });
        return Ok((state, vec![StreamId::realm(&id), StreamId::grant(&id), scope.budget_stream()]));
    }
    let name = ModelName::new(args.model.as_deref().unwrap_or_default())?;
    let models: Vec<_> = control.models.iter().map(|(_, model)| model).filter(|model| model.name == name).collect();
    if models.is_empty() {
        bail!("there was no model `{name}`");
    }
    let streams = models.iter().map(|model| StreamId::model(model.id)).collect();
    Ok((json!({ "models": models }), streams))
}

/// A key by its id, hash or alias.
fn key(control: &Control, name: &str) -> anyhow::Result<(Value, Vec<StreamId>)> {
    let by_id = name.parse::<KeyId>().ok();
    let by_hash = name.parse().ok().and_then(|digest| control.key_hashes.get(&KeyHash::new(digest)));
    let by_alias = KeyAlias::new(name).ok().and_then(|alias| control.key_aliases.get(&alias).map(|id| **id));
    let id = by_id.or(by_hash.map(|id| **id)).or(by_alias);
    let found = id.and_then(|id| control.keys.get(&id));
    let key: &Key = found.with_context(|| format!("there was no key with the id, hash or alias `{name}`"))?;
    let scope = Scope::Key(key.id);
    let realms: Vec<&RealmId> = control.chain(&key.realm).map(|realm| &realm.id).collect();
    let callable: Vec<&ModelName> = control.callable_models(&key.realm, &key.models).map(|model| &model.name).collect();
    let state = json!({
        "key": key,
        "budget": control.budget(&scope).map(|budget| &budget.limits),
        "realms": realms,
        "may_call": callable,
    });
    let mut streams = vec![StreamId::key(key.id), scope.budget_stream()];
    for realm in realms {
        streams.extend([StreamId::realm(realm), StreamId::grant(realm)]);
    }
    Ok((state, streams))
}
