//! Sessions, whose they are, and what users sign in with. Somebody who signs in has nothing but a secret or a name, so these
//! lie among no realm's rows.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::id::UserId;
use tallygate_core::session::{Session, SignedIn};
use tallygate_core::user::Password;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const PASSWORDS: RowTable<(UserId, Password)> = RowTable::new(51, 1, "passwords");
pub(crate) const SESSIONS: RowTable<Session> = RowTable::new(52, 1, "sessions");
pub(crate) const SIGNED_IN: RowTable<SignedIn> = RowTable::new(53, 1, "signed in");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &PASSWORDS, |(user, password)| control.passwords.load(user, Arc::new(password)))?;
    light::load(store, &SESSIONS, |session| control.sessions.load(session.id, Arc::new(session)))?;
    light::load(store, &SIGNED_IN, |row| control.signed_in.load(row.owner.clone(), Arc::new(row)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    for (user, password) in control.passwords.take_touched() {
        let key = RowKey::of(&PASSWORDS).text(user.as_str());
        match password {
            Some(password) => writes.put(&PASSWORDS, key, &(user, password.as_ref().clone()))?,
            None => writes.remove(key),
        }
    }
    for (id, session) in control.sessions.take_touched() {
        let key = RowKey::of(&SESSIONS).fixed(id.as_uuid().as_bytes());
        match session {
            Some(session) => writes.put(&SESSIONS, key, &session)?,
            None => writes.remove(key),
        }
    }
    light::write(control.signed_in.take_touched(), &SIGNED_IN, writes, |owner, _| {
        RowKey::of(&SIGNED_IN).text(&owner.to_string())
    })
}
