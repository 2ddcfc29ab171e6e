//! Receipts: which commands were carried out, for ever. A global index, since a command's id is unique over the
//! gateway; it holds no one's data but a digest and positions.

use std::sync::Arc;

use tallygate_core::control::{CommandRecord, Control};
use tallygate_core::id::CommandId;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const COMMANDS: RowTable<CommandRecord> = RowTable::new(18, 1, "commands");

fn key(id: &CommandId) -> RowKey {
    RowKey::of(&COMMANDS).text(id.as_str())
}

/// The record of one command.
pub(crate) fn find(store: &Store, id: &CommandId) -> Result<Option<CommandRecord>, StoreError> {
    store.get(&COMMANDS, &key(id))
}

/// Brings the records of some commands into a state that does not have them yet.
pub(crate) fn load(store: &Store, control: &mut Control, ids: &[CommandId]) -> Result<(), StoreError> {
    for id in ids {
        if let Some(record) = find(store, id)? {
            control.commands.load(id.clone(), Arc::new(record));
        }
    }
    Ok(())
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.commands.take_touched(), &COMMANDS, writes, |id, _| key(id))
}
