//! The views of the control log, one a file: their rows, how rows are written and read again, and what can be asked.

pub(crate) mod agents;
pub(crate) mod budgets;
pub(crate) mod choices;
pub(crate) mod commands;
pub(crate) mod credentials;
pub(crate) mod grants;
pub(crate) mod key_list;
pub(crate) mod keys;
pub(crate) mod light;
pub(crate) mod quarantine;
pub(crate) mod realms;
pub(crate) mod registry;
pub(crate) mod presets;
pub(crate) mod selections;
pub(crate) mod users;
pub(crate) mod sessions;
pub(crate) mod end_users;
pub(crate) mod tags;
pub(crate) mod named_budgets;
