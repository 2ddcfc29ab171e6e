//! Everything that is tested from outside: the rules of the repository, and the suites against real processes.
#![cfg(test)]
#![allow(unreachable_pub, reason = "a test binary has no outside: `pub` means shared between its modules")]

mod tidy;
mod harness;
mod sdk;
mod providers;
mod scene;
mod requests;
mod routing;
mod dialects;
mod media;
mod bad_upstreams;
mod coding_agents;
mod budgets;
mod spend_elsewhere;
mod clients_that_leave;
mod prices;
mod commands;
mod durability;
mod killed;
mod books;
mod leases;
mod cluster;
mod sessions;
mod shared_budgets;
mod gone_gateways;
mod shared_limits;
mod token_counts;
mod foreign_lines;
mod foreign_leases;
mod standing;
mod demo;
mod litellm;
mod guides;
mod bootstrap;
mod config_file;
mod import;
mod mirror;
mod openapi;
mod model_selection;
mod compare;
mod control_plane;
mod full_disk;
mod stopping;
mod quarantine;
mod abuse;
