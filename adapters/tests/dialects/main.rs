//! The dialects from outside: every pair, golden; every parser, on any bytes.

#![allow(clippy::disallowed_methods, reason = "the files of a test are read by the test")]

mod fuzz;
mod golden;
mod scene;
mod streams;
