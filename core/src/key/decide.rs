//! Decisions about keys, and their fold.

use std::collections::BTreeMap;

use super::command::{BlockKey, IssueKey, ReviseKey, RevokeKey, RotateKey, UnblockKey};
use super::event::{Blocked, Event, Issued, Revised, Revoked, Rotated, Unblocked};
use super::{ALIASES_MAX, Earlier, Key, KeyHash, KeyKind, OLD_SECRET_MAX_SECONDS};
use crate::aggregate::{Mark, Trail};
use crate::command::Context;
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::{KeyAlias, KeyId, ModelName};
use crate::json::Json;
use crate::model_pattern::Allowed;
use crate::realm;
use crate::session;
use crate::stream::StreamId;
use crate::time::Timestamp;

/// What stands before the part of a secret that may be shown.
const SHOWN_PREFIX: &str = "sk-...";
/// How many characters of a secret may be shown: its last ones.
const SHOWN_MAX_CHARACTERS: usize = 4;

/// Why a command about keys is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such realm.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// The realm is suspended.
    #[error("the realm `{0}` is suspended: resume it before issuing keys")]
    RealmSuspended(crate::id::RealmId),
    /// The id is taken.
    #[error("the key {0} was issued already")]
    AlreadyIssued(KeyId),
    /// Some key has or had this secret.
    #[error("a key with this secret exists or existed: choose another secret")]
    HashTaken,
    /// Some key has this alias.
    #[error("Key with alias '{0}' already exists. Unique key aliases across all keys are required.")]
    AliasTaken(KeyAlias),
    /// There is none, or it is revoked.
    #[error("there is no key {0}")]
    NotIssued(KeyId),
    /// It would be refused from the start.
    #[error("the key would expire at {expires_at}, and it is {now}")]
    ExpiryInPast {
        /// When it would expire.
        expires_at: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// It is blocked already.
    #[error("the key {0} is already blocked")]
    AlreadyBlocked(KeyId),
    /// It is not blocked.
    #[error("the key {0} is not blocked")]
    NotBlocked(KeyId),
    /// A field is out of its range.
    #[error("`{field}` of a key {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The command would change nothing.
    #[error("nothing about the key {0} would change")]
    NoChange(KeyId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::RealmSuspended(_) => "realm_suspended",
            Self::AlreadyIssued(_) => "key_already_issued",
            Self::HashTaken => "key_secret_taken",
            Self::AliasTaken(_) => "key_alias_taken",
            Self::NotIssued(_) => "key_not_found",
            Self::ExpiryInPast { .. } => "key_expiry_in_past",
            Self::AlreadyBlocked(_) => "key_already_blocked",
            Self::NotBlocked(_) => "key_not_blocked",
            Self::Field { .. } => "key_field_invalid",
            Self::NoChange(_) => "no_change",
        }
    }
}

fn issued(state: &Control, id: KeyId) -> Result<&Key, Rejection> {
    state.keys.get(&id).map(AsRef::as_ref).filter(|key| key.revoked.is_none()).ok_or(Rejection::NotIssued(id))
}

/// Decides [`IssueKey`].
///
/// # Errors
/// [`Rejection`].
pub fn issue(state: &Control, command: &IssueKey, context: &Context<'_>) -> Result<Vec<Change>, Rejection> {
    let realm = realm::registered(state, &command.realm)?;
    if state.chain(&command.realm).any(|ancestor| ancestor.suspended.is_some()) {
        return Err(Rejection::RealmSuspended(command.realm.clone()));
    }
    if state.keys.contains(&command.key) {
        return Err(Rejection::AlreadyIssued(command.key));
    }
    check_hash(state, command.hash)?;
    check_shown(&command.shown)?;
    check_alias(state, command.alias.as_ref())?;
    check_models(&command.models)?;
    check_aliases(&command.aliases)?;
    check_expiry(command.expires_at, context.now)?;
    Ok(vec![Change {
        realm: Some(command.realm.clone()),
        stream: StreamId::key(command.key),
        event: AnyEvent::Key(Event::Issued(Issued::from(command))),
        cause: vec![realm.trail.changed.position],
    }])
}

/// Decides [`ReviseKey`].
///
/// # Errors
/// [`Rejection`].
pub fn revise(state: &Control, command: &ReviseKey, context: &Context<'_>) -> Result<Vec<Change>, Rejection> {
    let key = issued(state, command.key)?;
    let revised = Revised::new(command, key);
    if revised.is_empty() {
        return Err(Rejection::NoChange(command.key));
    }
    check_alias(state, revised.alias.change().flatten())?;
    check_expiry(revised.expires_at.change().flatten().copied(), context.now)?;
    if let Some(Some(models)) = revised.models.change() {
        check_models(models)?;
    }
    if let Some(Some(aliases)) = revised.aliases.change() {
        check_aliases(aliases)?;
    }
    Ok(vec![change(key, Event::Revised(revised))])
}

/// Decides [`RotateKey`].
///
/// # Errors
/// [`Rejection`].
pub fn rotate(state: &Control, command: &RotateKey, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let key = issued(state, command.key)?;
    check_hash(state, command.hash)?;
    check_shown(&command.shown)?;
    check_old_until(command.old_until, now)?;
    let RotateKey { key: id, hash, shown, old_until } = command.clone();
    let rotated = Rotated { key: id, hash, shown, old_until };
    Ok(vec![change(key, Event::Rotated(rotated))])
}

/// Decides [`BlockKey`].
///
/// # Errors
/// [`Rejection`].
pub fn block(state: &Control, command: &BlockKey) -> Result<Vec<Change>, Rejection> {
    let key = issued(state, command.key)?;
    if key.blocked.is_some() {
        return Err(Rejection::AlreadyBlocked(command.key));
    }
    Ok(vec![change(key, Event::Blocked(Blocked { key: command.key }))])
}

/// Decides [`UnblockKey`].
///
/// # Errors
/// [`Rejection`].
pub fn unblock(state: &Control, command: &UnblockKey) -> Result<Vec<Change>, Rejection> {
    let key = issued(state, command.key)?;
    if key.blocked.is_none() {
        return Err(Rejection::NotBlocked(command.key));
    }
    Ok(vec![change(key, Event::Unblocked(Unblocked { key: command.key }))])
}

/// Decides [`RevokeKey`].
///
/// # Errors
/// [`Rejection`].
pub fn revoke(state: &Control, command: &RevokeKey) -> Result<Vec<Change>, Rejection> {
    let key = issued(state, command.key)?;
    Ok(vec![change(key, Event::Revoked(Revoked { key: command.key }))])
}

fn change(key: &Key, event: Event) -> Change {
    Change {
        realm: Some(key.realm.clone()),
        stream: StreamId::key(key.id),
        event: AnyEvent::Key(event),
        cause: vec![key.trail.changed.position],
    }
}

fn check_hash(state: &Control, hash: KeyHash) -> Result<(), Rejection> {
    if state.key_hashes.contains(&hash) { Err(Rejection::HashTaken) } else { Ok(()) }
}

fn check_shown(shown: &str) -> Result<(), Rejection> {
    let is_tail = |tail: &str| tail.len() <= SHOWN_MAX_CHARACTERS && tail.bytes().all(|byte| byte.is_ascii_graphic());
    if !shown.strip_prefix(SHOWN_PREFIX).is_some_and(is_tail) {
        return Err(Rejection::Field {
            field: "shown",
            expected: "is `sk-...` and at most the last four characters of the secret",
        });
    }
    Ok(())
}

fn check_alias(state: &Control, alias: Option<&KeyAlias>) -> Result<(), Rejection> {
    match alias {
        Some(alias) if state.key_aliases.contains(alias) => Err(Rejection::AliasTaken(alias.clone())),
        _ => Ok(()),
    }
}

fn check_models(models: &Allowed) -> Result<(), Rejection> {
    if models.is_too_long() {
        return Err(Rejection::Field {
            field: "models",
            expected: "holds at most 1000 names and patterns: use a wildcard",
        });
    }
    Ok(())
}

fn check_aliases(aliases: &BTreeMap<ModelName, ModelName>) -> Result<(), Rejection> {
    if aliases.len() > ALIASES_MAX {
        return Err(Rejection::Field { field: "aliases", expected: "holds at most 100 names" });
    }
    // One step, never a chain: so there can be no cycle.
    if aliases.values().any(|target| aliases.contains_key(target)) {
        return Err(Rejection::Field { field: "aliases", expected: "must lead to models, not to other aliases" });
    }
    Ok(())
}

fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), Rejection> {
    match expires_at {
        Some(expires_at) if expires_at <= now => Err(Rejection::ExpiryInPast { expires_at, now }),
        _ => Ok(()),
    }
}

/// A secret that goes on for ever after it was rotated away would not have been rotated away.
fn check_old_until(old_until: Option<Timestamp>, now: Timestamp) -> Result<(), Rejection> {
    let latest = now.plus_seconds(OLD_SECRET_MAX_SECONDS).unwrap_or(now);
    match old_until {
        Some(until) if until <= now || until > latest => {
            Err(Rejection::Field { field: "old_until", expected: "is a moment of the next 31 days" })
        }
        _ => Ok(()),
    }
}

/// Folds what happened to a key.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    if ends_sessions(event) {
        session::end_by_key(state, event.key());
    }
    match event {
        Event::Issued(data) => evolve_issued(state, data, mark),
        Event::Revised(data) => evolve_revised(state, data, mark),
        Event::Rotated(data) => {
            // The old hash stays taken, so that an old secret can never become another key's.
            state.key_hashes.put(data.hash, data.key);
            update(state, data.key, mark, |key| {
                key.earlier = data.old_until.map(|until| Earlier { hash: key.hash, until });
                key.hash = data.hash;
                key.shown.clone_from(&data.shown);
            });
        }
        Event::Blocked(data) => update(state, data.key, mark, |key| key.blocked = Some(mark.position)),
        Event::Unblocked(data) => update(state, data.key, mark, |key| key.blocked = None),
        Event::Revoked(data) => {
            if let Some(alias) = state.keys.get(&data.key).and_then(|key| key.alias.clone()) {
                state.key_aliases.remove(&alias);
            }
            update(state, data.key, mark, |key| key.revoked = Some(mark.position));
        }
    }
}

/// Whether those who signed in with a key must sign in again: it is refused, or another's secret, or another's altogether.
fn ends_sessions(event: &Event) -> bool {
    match event {
        Event::Rotated(_) | Event::Blocked(_) | Event::Revoked(_) => true,
        Event::Revised(data) => !(data.user.is_keep() && data.kind.is_keep() && data.expires_at.is_keep()),
        Event::Issued(_) | Event::Unblocked(_) => false,
    }
}

fn update(state: &mut Control, id: KeyId, mark: &Mark, change: impl FnOnce(&mut Key)) {
    state.keys.update(&id, |key| {
        change(key);
        key.trail.step(mark);
    });
}

fn evolve_issued(state: &mut Control, data: &Issued, mark: &Mark) {
    state.key_hashes.put(data.hash, data.key);
    if let Some(alias) = &data.alias {
        state.key_aliases.put(alias.clone(), data.key);
    }
    let key = Key {
        id: data.key,
        hash: data.hash,
        earlier: None,
        shown: data.shown.clone(),
        realm: data.realm.clone(),
        alias: data.alias.clone(),
        user: data.user.clone(),
        models: data.models.clone(),
        models_set: mark.position,
        aliases: data.aliases.clone(),
        limits: data.limits,
        expires_at: data.expires_at,
        expiry_set: mark.position,
        blocked: data.blocked.then_some(mark.position),
        revoked: None,
        kind: data.kind,
        metadata: data.metadata.clone(),
        trail: Trail::born(mark),
    };
    state.keys.put(data.key, key);
}

fn evolve_revised(state: &mut Control, data: &Revised, mark: &Mark) {
    if let Some(new) = data.alias.change() {
        if let Some(old) = state.keys.get(&data.key).and_then(|key| key.alias.clone()) {
            state.key_aliases.remove(&old);
        }
        if let Some(new) = new {
            state.key_aliases.put(new.clone(), data.key);
        }
    }
    update(state, data.key, mark, |key| {
        data.alias.apply(&mut key.alias);
        data.user.apply(&mut key.user);
        data.limits.apply(&mut key.limits);
        data.aliases.apply_or(&mut key.aliases, BTreeMap::new());
        data.kind.apply_or(&mut key.kind, KeyKind::Default);
        data.metadata.apply_or(&mut key.metadata, Json::empty());
        if !data.models.is_keep() {
            data.models.apply_or(&mut key.models, Allowed::none());
            key.models_set = mark.position;
        }
        if !data.expires_at.is_keep() {
            data.expires_at.apply(&mut key.expires_at);
            key.expiry_set = mark.position;
        }
    });
}
