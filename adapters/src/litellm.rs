//! LiteLLM's formats: how it names prices, its map of them, its configuration file, and its database. Data alone: what to do with it is decided elsewhere.

pub mod amount;
pub mod duration;
pub mod model_list;
pub mod role_name;
pub mod price_name;
pub mod price_map;
pub mod config_file;
pub mod database;
pub mod sealed;
