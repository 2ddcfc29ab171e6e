//! What the tests of several rooms share: real processes and servers started for one test, and a simulated upstream.
//!
//! This library uses no room of the workspace, so that each of them can use it in its tests.

pub mod binaries;
pub mod process;
pub mod nats_server;
pub mod postgres;
pub mod nats_bridge;
pub mod lossy_link;
pub mod small_disk;
pub mod gateway;
pub mod client;
mod accept;
pub mod agent;
pub mod paced;
pub mod python;
pub mod upstream;
pub mod provider;
pub mod relay;
pub mod node;
