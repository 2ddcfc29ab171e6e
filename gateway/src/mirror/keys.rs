//! Virtual keys, by the hash of their secret.
//!
//! A key that the proxy has is found and changed by its hash. One that it has not can only be made with its secret, which is
//! known here for the keys of agents alone.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::mirror::wanted::Wanted;
use tallygate_adapters::litellm::mirror::{key, user};
use tallygate_core::event::{Event, Recorded};
use tallygate_core::id::{KeyId, RealmId, UserId};
use tallygate_core::key::{Event as KeyEvent, Key, KeyHash};
use tallygate_core::secret::Secret;
use tallygate_core::stream::{Offset, StreamId};
use tallygate_projections::{KeyRow, PAGE_ROWS_MAX, Page};

use super::Ground;
use super::hand::{Hand, Routes, said};
use super::outcome::{Outcome, Stuck};
use super::target::Target;
use super::{teams, users};
use crate::agents::sealing;

const ROUTES: Routes = Routes {
    id: "key",
    info: ("/key/info", "key", "info"),
    new: "/key/generate",
    update: "/key/update",
    block: Some(("/key/block", "/key/unblock")),
};
/// States of a key that is there no more, and shown all the same by newer proxies.
const GONE: [&str; 2] = ["deleted", "revoked"];
/// Lines that are looked through at once for the earlier secrets of a key.
const LINES_MAX: usize = 1_000;

/// Makes a key what it is here.
pub(super) async fn key(hand: &Hand<'_>, id: KeyId) -> Result<Outcome, Stuck> {
    match hand.app.pipeline.views.control.key_by_id(id)? {
        Some(row) => of_row(hand, &row).await,
        None => Ok(Outcome::InStep),
    }
}

async fn of_row(hand: &Hand<'_>, row: &KeyRow) -> Result<Outcome, Stuck> {
    let hash = row.key.hash.to_string();
    let there = there(hand, &row.key.hash).await?;
    if row.key.revoked.is_some() {
        if there.is_some() {
            hand.proxy.post("/key/delete", &json!({ "keys": [hash] }), None).await?;
        }
        return Ok(Outcome::InStep);
    }
    let mut wanted = key::wanted(&hand.snapshot.control, &row.key, row.budget.as_deref(), hand.now);
    wanted.unsaid.extend(user_is_missing(hand, row).await?);
    let is_over = row.key.expires_at.is_some_and(|expires_at| expires_at <= hand.now);
    match there {
        Some(there) => {
            let expires_there = there.get("expires").and_then(Value::as_str).and_then(|text| text.parse().ok());
            let lifetime = key::lifetime(row.key.expires_at, expires_there, hand.now).filter(|_| !is_over);
            let also = lifetime.map(|lifetime| ("duration".to_owned(), json!(lifetime)));
            hand.keep(&ROUTES, &hash, &wanted, &there, also.into_iter().collect::<Map<_, _>>()).await
        }
        // Blocked or over, it need not be there.
        None if wanted.blocked => Ok(Outcome::InStep),
        None if !wanted.unsaid.is_empty() => Ok(Outcome::not_made_for(&wanted.unsaid)),
        None => make(hand, row, &wanted).await,
    }
}

/// The key that the proxy has under a hash.
async fn there(hand: &Hand<'_>, hash: &KeyHash) -> Result<Option<Value>, Stuck> {
    let info = hand.read(&ROUTES, &hash.to_string()).await?;
    Ok(info.filter(|info| !info.get("status").and_then(Value::as_str).is_some_and(|status| GONE.contains(&status))))
}

/// A user whose rules hold for the key must be there, or they would not hold.
async fn user_is_missing(hand: &Hand<'_>, row: &KeyRow) -> Result<Option<String>, Stuck> {
    let control = &hand.snapshot.control;
    let user = row.key.user.as_ref().and_then(|id| control.user(id));
    let Some(user) = user.filter(|user| key::team_of(&row.key.realm).is_none() && user::has_rules(control, user))
    else {
        return Ok(None);
    };
    let is_there = hand.read(&users::ROUTES, user.id.as_str()).await?.is_some();
    Ok((!is_there).then(|| format!("the budget and limits of the user `{}`, who is not there", user.id)))
}

async fn make(hand: &Hand<'_>, row: &KeyRow, wanted: &Wanted) -> Result<Outcome, Stuck> {
    let Some(secret) = secret(hand, row) else {
        let reason = format!(
            "the proxy has no key with this hash ({}), and its secret is known to its holder alone: make it there by /key/generate with `key`, and the next change of it is carried over",
            row.key.shown
        );
        return Ok(Outcome::NotMirrored(reason));
    };
    if let Some(team) = key::team_of(&row.key.realm)
        && hand.read(&teams::ROUTES, team.as_str()).await?.is_none()
    {
        return Ok(Outcome::NotMirrored(format!("its team `{team}` is not there")));
    }
    let mut body = said(wanted);
    body.insert("key".to_owned(), json!(secret.expose()));
    if let Some(lifetime) = key::lifetime(row.key.expires_at, None, hand.now) {
        body.insert("duration".to_owned(), json!(lifetime));
    }
    hand.make(&ROUTES, &row.key.hash.to_string(), wanted, body, Some(&secret)).await
}

/// The secret of a key, if it is sealed in the log: that of an agent in a realm.
fn secret(hand: &Hand<'_>, row: &KeyRow) -> Option<Secret> {
    let control = &hand.snapshot.control;
    let agent = control.agents.get(control.agent_of(row.key.id)?)?;
    let membership = agent.realms.iter().find(|membership| membership.key == row.key.id)?;
    let opened = sealing::open_key(hand.app.pipeline.upstreams.vault(), &agent.id, membership).ok()?;
    // It may have been given another one since.
    (KeyHash::of_secret(opened.expose()) == row.key.hash).then_some(opened)
}

/// Takes secrets that a key had before out of the proxy. One that works here for a while yet is told how long.
pub(super) async fn old_secrets(hand: &Hand<'_>, ground: &Ground, id: KeyId) -> Result<Outcome, Stuck> {
    let Some(row) = hand.app.pipeline.views.control.key_by_id(id)? else { return Ok(Outcome::InStep) };
    for hash in earlier_hashes(ground, id).await?.into_iter().filter(|hash| *hash != row.key.hash) {
        let Some(there) = there(hand, &hash).await? else { continue };
        let old = row.key.earlier.filter(|earlier| earlier.hash == hash && hand.now < earlier.until);
        let Some(old) = old else {
            hand.proxy.post("/key/delete", &json!({ "keys": [hash.to_string()] }), None).await?;
            continue;
        };
        let expires_there = there.get("expires").and_then(Value::as_str).and_then(|text| text.parse().ok());
        if let Some(lifetime) = key::lifetime(Some(old.until), expires_there, hand.now) {
            let body = json!({ "key": hash.to_string(), "duration": lifetime });
            hand.proxy.post(ROUTES.update, &body, None).await?;
        }
    }
    Ok(Outcome::InStep)
}

/// All hashes that a key ever had. The views keep the last but one at most, so the log is looked through: rotations are rare.
async fn earlier_hashes(ground: &Ground, id: KeyId) -> Result<Vec<KeyHash>, Stuck> {
    let (stream, mut hashes, mut after) = (StreamId::key(id), Vec::new(), Offset::START);
    loop {
        let entries = ground.log.read(after, LINES_MAX).await.map_err(|error| Stuck::Log(error.to_string()))?;
        let Some(last) = entries.last() else { return Ok(hashes) };
        after = last.offset;
        for line in entries.iter().flat_map(|entry| &entry.lines) {
            let is_named = memchr::memmem::find(line.bytes(), stream.as_str().as_bytes()).is_some();
            let envelope = (is_named && line.is_authentic(&ground.mac)).then(|| line.envelope().ok()).flatten();
            match envelope.and_then(|envelope| Recorded::decode(&envelope).ok()).map(|recorded| recorded.event) {
                Some(Event::Key(KeyEvent::Issued(data))) if data.key == id => hashes.push(data.hash),
                Some(Event::Key(KeyEvent::Rotated(data))) if data.key == id => hashes.push(data.hash),
                _ => {}
            }
        }
    }
}

/// Which keys, of all.
pub(super) enum Whose<'a> {
    Realm(&'a RealmId),
    /// Those with aliases.
    RealmAliased(&'a RealmId),
    User(&'a UserId),
}

impl<'a> Whose<'a> {
    /// The keys that an object stands for; none where it is an object by itself.
    pub(super) const fn of(target: &'a Target) -> Option<Self> {
        match target {
            Target::KeysOfRealm(realm) => Some(Self::Realm(realm)),
            Target::AliasesOfRealm(realm) => Some(Self::RealmAliased(realm)),
            Target::KeysOfUser(user) => Some(Self::User(user)),
            _ => None,
        }
    }
}

/// The ids of keys that are not revoked. There is no index of a user's: all are looked through.
pub(super) async fn ids(hand: &Hand<'_>, whose: Whose<'_>) -> Result<Vec<KeyId>, Stuck> {
    let is_aliased = matches!(whose, Whose::RealmAliased(_));
    let (realm, user) = match whose {
        Whose::Realm(realm) | Whose::RealmAliased(realm) => (Some(realm.clone()), None),
        Whose::User(user) => (None, Some(user.clone())),
    };
    let view = hand.app.pipeline.views.control.clone();
    // The rows are on disk.
    let read = tokio::task::spawn_blocking(move || {
        let (mut ids, mut skip) = (Vec::new(), 0);
        loop {
            let page = Page { skip, rows: PAGE_ROWS_MAX };
            let rows = match &realm {
                Some(realm) => view.keys_of_realm(realm, page)?.keys,
                None => view.keys_of_all_realms_for_operator(page)?.keys,
            };
            let is_last = rows.len() < PAGE_ROWS_MAX;
            let is_theirs =
                |key: &&Arc<Key>| (user.is_none() || key.user == user) && (!is_aliased || !key.aliases.is_empty());
            ids.extend(rows.iter().map(|row| &row.key).filter(is_theirs).map(|key| key.id));
            if is_last {
                return Ok(ids);
            }
            skip += PAGE_ROWS_MAX;
        }
    });
    read.await.map_err(|error| Stuck::Log(error.to_string()))?.map_err(Stuck::Views)
}
