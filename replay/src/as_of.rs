//! `as-of`: what something was at a position or a time, and the events that made it so. The fold is the gateway's own.

use std::ops::ControlFlow;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::id::{KeyAlias, KeyId, ModelName, RealmId};
use tallygate_core::key::{Key, KeyHash};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{Position, StreamId};
use tallygate_projections::{Moment, as_of};

use crate::cli::AsOfArgs;
use crate::lines;
use crate::report::Report;
use crate::source::Source;

/// An event in short.
struct Seen {
    stream: StreamId,
    json: Value,
}

/// Folds up to the asked moment and tells.
///
/// # Errors
/// When the log cannot be read, or there was no such thing.
pub(crate) async fn run(source: &Source, args: &AsOfArgs) -> anyhow::Result<Report> {
    let past = as_of(source.control.as_ref(), source.mac.as_ref(), moment(args)).await?;
    let position = past.head.position;
    let (state, streams) = find(&past.control, args)?;
    let events = events(source, position).await?;
    let events: Vec<&Value> =
        events.iter().filter(|seen| streams.contains(&seen.stream)).map(|seen| &seen.json).collect();
    let mut text = vec![format!("as of position {position}:"), serde_json::to_string_pretty(&state)?];
    text.push("made so by:".to_owned());
    text.extend(events.iter().map(|event| format!("  {event}")));
    let json = json!({ "position": position, "state": state, "events": events });
    Ok(Report { text, json, wrong: None })
}

fn moment(args: &AsOfArgs) -> Moment {
    match (args.position, args.time) {
        (Some(position), _) => Moment::Position(Position::new(position)),
        (None, Some(time)) => Moment::Time(time),
        (None, None) => Moment::End,
    }
}

/// The events up to a position, in short.
async fn events(source: &Source, last: Position) -> anyhow::Result<Vec<Seen>> {
    let mut events = Vec::new();
    lines::for_each(&source.control, |_, line| {
        let Ok(envelope) = line.envelope() else { return ControlFlow::Continue(()) };
        if envelope.position > last {
            return ControlFlow::Break(());
        }
        events.push(Seen {
            stream: envelope.stream.clone(),
            json: json!({
                "position": envelope.position, "at": envelope.at, "type": envelope.kind, "actor": envelope.actor,
                "command": envelope.command, "cause": envelope.cause, "data": envelope.data,
            }),
        });
        ControlFlow::Continue(())
    })
    .await
    .context("the control log cannot be read")?;
    Ok(events)
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
    let callable: Vec<&ModelName> = admission::callable(control, key).map(|model| &model.name).collect();
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
