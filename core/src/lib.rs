//! What is true: the pure domain of Tallygate.
//!
//! No I/O, no async runtime, no clock, no randomness: they come in as values. Read the modules in this order; a later
//! one may use an earlier one, never the reverse.

pub mod actor;
pub mod digest;
pub mod envelope;
pub mod id;
pub mod money;
pub mod port;
pub mod price;
pub mod stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod usage;
