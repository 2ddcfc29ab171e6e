//! Ports: what the domain asks of the outside world. Only what a test or a second implementation replaces is a trait.
//!
//! The traits are object-safe, their futures are boxed, and no runtime's type stands in a signature. Each has a written
//! contract; where there is more than one implementation, one suite in `testing` checks them all.

pub mod clock;
pub mod command_door;
pub mod event_log;
pub mod provider;
pub mod secret;

use std::future::Future;
use std::pin::Pin;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed stream that may move between threads.
pub type BoxStream<'a, T> = Pin<Box<dyn futures_core::Stream<Item = T> + Send + 'a>>;
