//! LiteLLM's formats: how it names prices, its map of them, its configuration file, its database, and its management API as a client asks it. What to do with them is decided elsewhere.

pub mod amount;
pub mod duration;
pub mod model_list;
pub mod role_name;
pub mod price_name;
pub mod price_map;
pub mod config_file;
pub mod database;
pub mod sealed;
pub mod mirror;

/// What says among a realm's metadata that it was made as an organization. LiteLLM keeps the two apart; a realm does not.
pub const ORGANIZATION: &str = "litellm_organization";
