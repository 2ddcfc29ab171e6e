//! The outside world: logs, wire formats, providers and secrets. Adapters implement the ports of `tallygate-core`; they
//! know nothing of the gateway, its pipeline or its views.

pub mod event_log;
pub mod outbox;
pub mod nats;
pub mod dialect;
pub mod provider;
pub mod yaml;
pub mod litellm;
pub mod secret;
