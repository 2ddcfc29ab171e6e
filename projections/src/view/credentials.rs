//! Provider credentials, sealed as they are in the log.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::credential::Credential;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const CREDENTIALS: RowTable<Credential> = RowTable::new(6, 1, "credentials");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &CREDENTIALS, |credential| control.credentials.load(credential.id, Arc::new(credential)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.credentials.take_touched(), &CREDENTIALS, writes, |id, credential| {
        RowKey::of(&CREDENTIALS).realm(Some(&credential.realm)).uuid(id.as_uuid())
    })
}
