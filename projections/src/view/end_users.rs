//! End users, each under the realm that they are registered for.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::end_user::EndUser;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const END_USERS: RowTable<EndUser> = RowTable::new(24, 1, "end users");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &END_USERS, |row| control.end_users.load(row.end_user.clone(), Arc::new(row)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.end_users.take_touched(), &END_USERS, writes, |whom, _| {
        RowKey::of(&END_USERS).realm(whom.realm.as_ref()).text(whom.id.as_str())
    })
}
