//! The dialects from outside: every pair, golden; every parser, on any bytes.

#![allow(clippy::disallowed_methods, reason = "the files of a test are read by the test")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod fuzz;
mod golden;
mod scene;
mod streams;
mod through;
mod vendors;
