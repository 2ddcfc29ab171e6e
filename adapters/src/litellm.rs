//! LiteLLM's formats: how it names prices, and its map of them. Data alone: what to do with it is decided elsewhere.

pub mod price_name;
pub mod price_map;
