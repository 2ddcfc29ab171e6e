//! The tables of the control store: what is read at the start, and what a group writes.

use tallygate_core::activity;
use tallygate_core::control::{Control, Needs};
use tallygate_core::event::Event;
use tallygate_core::stream::Log;
use tallygate_core::time::Timestamp;

use crate::follow::control_reader::ControlCheckpoint;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Layout, META_TABLE, Store, StoreError, Writes};
use crate::view::key_list::{self, KeyList};
use crate::view::keys::{self, KeysBefore, TouchedKey};
use crate::view::{
    agents, budgets, choices, commands, credentials, end_users, grants, named_budgets, presets, quarantine, realms,
    registry, selections, sessions, tags, users,
};

/// The checkpoint and the moment of the last event. It is no part of a digest.
const CHECKPOINT: RowTable<(ControlCheckpoint, Timestamp)> = RowTable::new(META_TABLE, 1, "checkpoint");

pub(crate) const LAYOUT: Layout = Layout {
    name: Log::Control.name(),
    tables: &[
        (CHECKPOINT.id, CHECKPOINT.schema),
        (realms::REALMS.id, realms::REALMS.schema),
        (users::USERS.id, users::USERS.schema),
        (sessions::PASSWORDS.id, sessions::PASSWORDS.schema),
        (sessions::SESSIONS.id, sessions::SESSIONS.schema),
        (sessions::SIGNED_IN.id, sessions::SIGNED_IN.schema),
        (end_users::END_USERS.id, end_users::END_USERS.schema),
        (tags::TAGS.id, tags::TAGS.schema),
        (grants::GRANTS.id, grants::GRANTS.schema),
        (registry::MODELS.id, registry::MODELS.schema),
        (registry::MODEL_NAMES.id, registry::MODEL_NAMES.schema),
        (registry::DEPLOYMENTS.id, registry::DEPLOYMENTS.schema),
        (credentials::CREDENTIALS.id, credentials::CREDENTIALS.schema),
        (budgets::BUDGETS.id, budgets::BUDGETS.schema),
        (budgets::MODEL_BUDGETS.id, budgets::MODEL_BUDGETS.schema),
        (named_budgets::NAMED_BUDGETS.id, named_budgets::NAMED_BUDGETS.schema),
        (named_budgets::BUDGET_HOLDERS.id, named_budgets::BUDGET_HOLDERS.schema),
        (selections::SELECTIONS.id, selections::SELECTIONS.schema),
        (presets::PRESETS.id, presets::PRESETS.schema),
        (choices::CHOICES.id, choices::CHOICES.schema),
        (agents::AGENTS.id, agents::AGENTS.schema),
        (agents::AGENT_NAMES.id, agents::AGENT_NAMES.schema),
        (agents::AGENT_TOKENS.id, agents::AGENT_TOKENS.schema),
        (agents::AGENT_KEYS.id, agents::AGENT_KEYS.schema),
        (quarantine::QUARANTINED.id, quarantine::QUARANTINED.schema),
        (keys::KEYS.id, keys::KEYS.schema),
        (keys::KEY_BUDGETS.id, keys::KEY_BUDGETS.schema),
        (keys::KEY_HASHES.id, keys::KEY_HASHES.schema),
        (keys::KEY_ALIASES.id, keys::KEY_ALIASES.schema),
        (keys::KEY_REALMS.id, keys::KEY_REALMS.schema),
        (key_list::KEYS_BY_AGE.id, key_list::KEYS_BY_AGE.schema),
        (key_list::ALL_KEYS_BY_AGE.id, key_list::ALL_KEYS_BY_AGE.schema),
        (key_list::KEY_COUNTS.id, key_list::KEY_COUNTS.schema),
        (commands::COMMANDS.id, commands::COMMANDS.schema),
    ],
    events: || Event::types().filter(|event| !activity::Event::TYPES.contains(event)).collect(),
};

/// What a follower begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) control: Control,
    pub(crate) list: KeyList,
    pub(crate) checkpoint: ControlCheckpoint,
    pub(crate) at: Timestamp,
}

fn checkpoint_key() -> RowKey {
    RowKey::of(&CHECKPOINT).text("checkpoint")
}

/// Reads the tables that are whole in memory, and the checkpoint.
pub(crate) fn read(store: &Store) -> Result<Beginning, StoreError> {
    let stored = store.get(&CHECKPOINT, &checkpoint_key())?;
    if stored.is_none() && store.has_rows()? {
        return Err(store.damage("it has rows and no checkpoint"));
    }
    let (checkpoint, at) = stored.unwrap_or((ControlCheckpoint::START, Timestamp::default()));
    let mut control = Control::default();
    realms::load(store, &mut control)?;
    users::load(store, &mut control)?;
    sessions::load(store, &mut control)?;
    end_users::load(store, &mut control)?;
    tags::load(store, &mut control)?;
    grants::load(store, &mut control)?;
    registry::load(store, &mut control)?;
    credentials::load(store, &mut control)?;
    budgets::load(store, &mut control)?;
    named_budgets::load(store, &mut control)?;
    selections::load(store, &mut control)?;
    presets::load(store, &mut control)?;
    agents::load(store, &mut control)?;
    quarantine::load(store, &mut control)?;
    Ok(Beginning { control, list: KeyList::load(store)?, checkpoint, at })
}

/// Brings rows of the partial tables into a state.
pub(crate) fn load(store: &Store, control: &mut Control, needs: &Needs) -> Result<(), StoreError> {
    keys::load(store, control, &needs.resolved(control))?;
    commands::load(store, control, &needs.commands)
}

/// Writes every row that was touched since the last time, and tells which keys were.
pub(crate) fn write(
    control: &mut Control,
    before: &KeysBefore,
    list: &mut KeyList,
    store: &Store,
    writes: &mut Writes,
) -> Result<Vec<TouchedKey>, StoreError> {
    realms::write(control, writes)?;
    users::write(control, writes)?;
    sessions::write(control, writes)?;
    end_users::write(control, writes)?;
    tags::write(control, writes)?;
    grants::write(control, writes)?;
    registry::write(control, writes)?;
    credentials::write(control, writes)?;
    budgets::write(control, writes)?;
    named_budgets::write(control, writes)?;
    selections::write(control, writes)?;
    presets::write(control, writes)?;
    choices::write(control, writes)?;
    agents::write(control, writes)?;
    quarantine::write(control, writes)?;
    commands::write(control, writes)?;
    keys::write(control, before, list, store, writes)
}

/// Writes how far the rows go.
pub(crate) fn write_checkpoint(
    checkpoint: ControlCheckpoint,
    at: Timestamp,
    writes: &mut Writes,
) -> Result<(), StoreError> {
    writes.put(&CHECKPOINT, checkpoint_key(), &(checkpoint, at))
}
