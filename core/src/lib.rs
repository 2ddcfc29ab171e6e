//! What is true: the pure domain of Tallygate.
//!
//! No I/O, no async runtime, no clock, no randomness: they come in as values, and the domain fails only by rejection.
//! The modules are listed in reading order.

// A hash map's order differs from run to run: what is folded or written in it breaks replay = live.
#![warn(clippy::iter_over_hash_type)]

// Values and units.
pub mod id;
pub mod money;
pub mod time;
pub mod usage;
pub mod price;
pub mod json;
pub mod patch;
pub mod digest;
pub mod secret;
pub mod endpoint;
pub mod limits;
pub mod model_pattern;

// Logs and events.
pub mod stream;
pub mod scope;
pub mod actor;
pub mod envelope;
pub mod event;
pub mod upcast;

// The control state and its aggregates: commands, events, rejections, decide, evolve.
pub mod control;
pub mod command;
pub mod plan;
pub mod aggregate;
pub mod realm;
pub mod user;
pub mod end_user;
pub mod tag;
pub mod session;
pub mod rights;
pub mod grant;
pub mod credential;
pub mod registry;
pub mod key;
pub mod budget;
pub mod named_budget;
pub mod selection;
pub mod agent;

// What happened.
pub mod activity;

// What a request says, what it may do, and where it goes.
pub mod conversation;
pub mod admission;
pub mod portion;
pub mod lease;
pub mod journal;
pub mod routing;

// What the outside world must provide.
pub mod port;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(test)]
mod properties;
