//! The outside world: logs, providers, secrets, telemetry. Every module implements a port of core.

pub mod event_log;
