//! Users, each under the realm that they belong to.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::user::User;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const USERS: RowTable<User> = RowTable::new(21, 1, "users");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &USERS, |user| control.users.load(user.id.clone(), Arc::new(user)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.users.take_touched(), &USERS, writes, |id, user| {
        RowKey::of(&USERS).realm(user.realm.as_ref()).text(id.as_str())
    })
}
