//! The gateway's journal.
