//! Providers: who the vendors are, and the one place that opens connections to them.
//!
//! Vendors are data: a row of `vendors.toml` each. A vendor's name in code outside this folder is a mistake.

pub mod doors;
pub mod vendors;
pub mod catalog;
pub mod differences;
pub mod path_form;
pub mod tokens;
pub mod sse;
pub mod error_body;
pub mod vendor_fields;
pub mod client;
mod headers;
mod connector;
mod connection;
mod pool;
mod resolver;
mod time_limits;
mod transport;
mod upstream;
