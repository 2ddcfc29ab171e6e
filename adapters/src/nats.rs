//! What everything that speaks NATS shares: the connection, the gate for old servers, how ids become subjects, how
//! streams are set up, what servers say of their disks, what gateways tell one another, and the two doors through which
//! commands come in.
//!
//! It knows nothing of what events and commands mean. The event log over JetStream is in `event_log::nats`.

pub mod broadcast;
pub mod connection;
mod door;
pub mod durable_commands;
pub mod micro_service;
pub mod options;
pub mod prefix;
pub mod reply_subject;
pub mod server_survey;
pub mod stream_setup;
pub mod token;
pub mod version;

pub use connection::{ConnectError, Connection};
pub use options::{Options, Replicas};
pub use prefix::Prefix;
