//! The whole control state as text, for comparison: equal states have equal dumps, whatever way they came to be.

#![allow(clippy::expect_used, reason = "rows can be written as JSON; a panic is a failed test")]

use std::fmt::{Debug, Write as _};

use serde::Serialize;

use crate::aggregate::Table;
use crate::control::Control;

/// One line a row: table, id, row as JSON. Tables and rows stand in order. What was touched is no part of it.
///
/// # Panics
/// When a row cannot be written as JSON.
#[must_use]
pub fn dump(control: &Control) -> String {
    let mut text = String::new();
    rows(&mut text, "realm", &control.realms);
    rows(&mut text, "user", &control.users);
    rows(&mut text, "password", &control.passwords);
    rows(&mut text, "session", &control.sessions);
    rows(&mut text, "signed in", &control.signed_in);
    rows(&mut text, "end user", &control.end_users);
    rows(&mut text, "tag", &control.tags);
    rows(&mut text, "grants", &control.grants);
    rows(&mut text, "credential", &control.credentials);
    rows(&mut text, "model", &control.models);
    rows(&mut text, "model name", &control.model_names);
    rows(&mut text, "deployment", &control.deployments);
    rows(&mut text, "budget", &control.budgets);
    rows(&mut text, "model budget", &control.model_budgets);
    rows(&mut text, "named budget", &control.named_budgets);
    rows(&mut text, "budget holder", &control.budget_holders);
    rows(&mut text, "selection", &control.selections);
    rows(&mut text, "presets", &control.presets);
    rows(&mut text, "choice", &control.choices);
    rows(&mut text, "agent", &control.agents);
    rows(&mut text, "agent name", &control.agent_names);
    rows(&mut text, "agent token", &control.agent_tokens);
    rows(&mut text, "agent key", &control.agent_keys);
    rows(&mut text, "quarantined", &control.quarantined);
    rows(&mut text, "key", &control.keys);
    rows(&mut text, "key hash", &control.key_hashes);
    rows(&mut text, "key alias", &control.key_aliases);
    rows(&mut text, "key budget", &control.key_budgets);
    rows(&mut text, "command", &control.commands);
    text
}

fn rows<K: Ord + Clone + Debug, V: Serialize>(text: &mut String, table: &str, rows: &Table<K, V>) {
    for (id, row) in rows.iter() {
        let row = serde_json::to_string(row.as_ref()).expect("a row that can be written");
        writeln!(text, "{table} {id:?} {row}").expect("text takes text");
    }
}
