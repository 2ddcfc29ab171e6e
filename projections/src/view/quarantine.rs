//! Streams with an event that this version cannot read. A table of the gateway, not of a realm: it names streams alone.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::stream::{Position, StreamId};

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const QUARANTINED: RowTable<(StreamId, Position)> = RowTable::new(9, 1, "quarantined streams");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &QUARANTINED, |(stream, position)| control.quarantined.load(stream, Arc::new(position)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    for (stream, position) in control.quarantined.take_touched() {
        let Some(position) = position else { continue };
        // A stream's name is what its writer made it, so it may hold any byte; it is the key's last part.
        let key = RowKey::of(&QUARANTINED).fixed(stream.as_str().as_bytes());
        writes.put(&QUARANTINED, key, &(stream, *position))?;
    }
    Ok(())
}
