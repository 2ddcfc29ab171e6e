//! The fold of sessions, and what else ends them.

use std::collections::BTreeSet;

use super::event::{Event, Started};
use super::{Owner, Session, SignedIn, With};
use crate::aggregate::{Mark, Trail};
use crate::control::Control;
use crate::id::{KeyId, SessionId, UserId};

/// Folds what happened to a session.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    let Some(owner) = event.owner(state) else { return };
    match event {
        Event::Started(data) => {
            // Whoever signs in again and again leaves no more rows than they have sessions.
            remove(state, &owner, |session| session.expires_at <= mark.at);
            born(state, &owner, data, mark);
        }
        Event::Ended(data) => remove(state, &owner, |session| session.id == data.session),
    }
    let trail = state.signed_in.get(&owner).map_or_else(|| Trail::born(mark), |row| row.trail.stepped(mark));
    let mut sessions = state.signed_in.get(&owner).map_or_else(BTreeSet::new, |row| row.sessions.clone());
    if let Event::Started(data) = event {
        sessions.insert(data.session);
    }
    state.signed_in.put(owner.clone(), SignedIn { owner, sessions, trail });
}

/// Ends all sessions of a user: what they stand on has changed.
pub(crate) fn end_of_user(state: &mut Control, user: &UserId) {
    remove(state, &Owner::User(user.clone()), |_| true);
}

/// Ends the sessions that somebody signed in to with a key.
pub(crate) fn end_by_key(state: &mut Control, key: KeyId) {
    let Some(user) = state.keys.get(&key).and_then(|key| key.user.clone()) else { return };
    remove(state, &Owner::User(user), |session| session.with == With::Key(key));
}

fn remove(state: &mut Control, owner: &Owner, ends: impl Fn(&Session) -> bool) {
    let gone: Vec<SessionId> = state.sessions_of(owner).filter(|one| ends(one)).map(|one| one.id).collect();
    if gone.is_empty() {
        return;
    }
    for id in &gone {
        state.sessions.remove(id);
    }
    state.signed_in.update(owner, |row| row.sessions.retain(|id| !gone.contains(id)));
}

fn born(state: &mut Control, owner: &Owner, data: &Started, mark: &Mark) {
    let session = Session {
        id: data.session,
        hash: data.hash,
        owner: owner.clone(),
        with: data.with.clone(),
        expires_at: data.expires_at,
        trail: Trail::born(mark),
    };
    state.sessions.put(data.session, session);
}
