//! Secrets: the gateways' keys, and the vault that seals provider credentials, and what is kept of conversations, under one of
//! them.

mod content;
mod environment;
mod keys;
mod vault;

pub use content::{NotSealed, Unreadable};
pub use environment::{Environment, is_allowed_name, is_own_name};
pub use keys::{GATEWAY_SECRET_MIN_BYTES, Keys, SealingKey, WeakSecret};
pub use vault::SealedVault;
