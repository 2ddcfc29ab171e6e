//! Secrets: the gateways' keys, the vault that seals provider credentials and what is kept of conversations, and what people
//! sign in with.

mod content;
mod environment;
mod keys;
mod passwords;
mod tokens;
mod vault;

pub use content::{NotSealed, Unreadable};
pub use environment::{Environment, is_allowed_name, is_own_name};
pub use keys::{GATEWAY_SECRET_MIN_BYTES, Keys, SealingKey, WeakSecret};
pub use passwords::PasswordKey;
pub use tokens::TokenKey;
pub use vault::SealedVault;
