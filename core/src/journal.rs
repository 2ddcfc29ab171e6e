//! The gateway's journal: what it held and settled, in its own words, before any log has it.
//!
//! A hold is in the journal before its request is sent; what became of it is there before anybody is told. So a process
//! that is killed leaves behind which requests ran, what the others cost, and which records the activity log still lacks.
//! This module is the format and its fold; writing files, syncing and locking them is an adapter's work.
//!
//! A journal is a sequence of *segments*, each made by one *run* of the process, each readable by itself: it names the
//! accounts again that its records speak of, and what was held when it was begun. A segment may be dropped once a later one
//! is written and the activity log has its records, oldest first: the head of the later one stands for it. It names the
//! checksum that the one before ended with, so that no end of a segment goes missing unseen.
//!
//! ```text
//! segment = record* zeros  record = length u32 · checksum u32 · checksum of the two u32 · payload
//! ```
//!
//! Checksums are CRC-32 (they find damage, they do not stop a forger: who can write the folder can write anything), each
//! seeded with the one before, so that a record that is missing, doubled or moved is found too. A last record that is cut
//! short is what a killed process leaves; anything else that does not match is damage.

pub mod frame;
pub mod record;
pub mod encoder;
pub mod fold;
pub mod recovery;

pub use encoder::Encoder;
pub use fold::Journal;
pub use recovery::{Circumstances, Recovery};

#[cfg(test)]
mod tests;
