//! The NATS side against real servers: the event log's contract, faults, set-up, and the command doors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod cluster;
mod contract;
mod doors;
mod durable_commands;
mod faults;
mod fixture;
mod foreigners;
mod limits;
mod micro_service;
mod permissions;
mod set_up;
