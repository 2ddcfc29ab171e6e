//! Secrets: the gateways' keys, and the vault that seals provider credentials under one of them.

mod environment;
mod keys;
mod vault;

pub use environment::{Environment, is_allowed_name, is_own_name};
pub use keys::{GATEWAY_SECRET_MIN_BYTES, Keys, SealingKey, WeakSecret};
pub use vault::SealedVault;
