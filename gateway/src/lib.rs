//! The gateway: serves requests by what the log allows, and carries out commands.
//!
//! Modules are listed in reading order: how it is configured and put together, the two paths (commands and requests),
//! and what they use.

pub mod config;
mod compose;
mod logs;
mod data_folder;

mod command;
mod declarations;
mod pipeline;
mod prober;
mod mirror;
mod standing;

mod http;
mod agents;
mod a2a;
mod activity;
mod outbox;
mod spending;
mod leases;
mod limits;
mod upstreams;
mod master_key;
mod settings;
mod signing_in;
mod metrics;
mod random;
mod sealed;
mod sabotage;
mod system;

mod serve;
mod demo;
mod operator_client;
mod import;
mod bootstrap;

pub use bootstrap::{BootstrapError, EnvFileError};
pub use compose::StartError;
pub use data_folder::DataFolderError;
pub use declarations::{InvalidFile, NotLoaded};
pub use demo::DemoError;
pub use import::ImportError;
pub use operator_client::ClientError;
pub use serve::{ExitReason, run};
