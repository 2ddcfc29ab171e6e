//! Carries over what was read, or finds out what would be.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::item::Item;
use super::report::{Kind, Report};
use super::{models, rows};
use crate::import::ImportError;
use crate::operator_client::{Client, ClientError};

/// The most commands of one call: what `POST /api/commands` takes.
const COMMANDS_MAX: usize = 100;
/// The code that says that there is a key of the same id, whatever became of it.
const ALREADY_ISSUED: &str = "key_already_issued";
/// Codes that say that what is asked for is there already.
const THERE_ALREADY: [&str; 9] = [
    "budget_carried_lower",
    "end_user_already_registered",
    ALREADY_ISSUED,
    "key_secret_taken",
    "named_budget_already_registered",
    "no_change",
    "realm_already_registered",
    "tag_already_registered",
    "user_already_registered",
];
/// Codes that say that an amount which was spent has no budget here that it counts in: somebody changed it since.
const NO_WINDOW: [&str; 3] = ["budget_not_set", "budget_scope_unknown", "budget_window_other"];

/// Carries everything over, or finds out what would be. Tells how the gateway knows the keys that it has then, by their hashes.
pub(super) async fn carry(
    client: &Client,
    items: Vec<Item>,
    bodies: Vec<(String, String)>,
    apply: bool,
    report: &mut Report,
) -> Result<BTreeMap<String, String>, ImportError> {
    let before = there(client).await?;
    let (known, missing): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| is_there(item, &before));
    known.iter().for_each(|item| report.there(item.kind));
    if !apply {
        for item in &missing {
            report.carried(item.kind, &item.name);
            item.only_spend().iter().for_each(|spend| report.carried(spend.kind, &spend.name));
        }
        bodies.iter().for_each(|(name, _)| report.carried(Kind::Model, name));
        let made = missing.iter().filter_map(Item::key).map(|issue| issue.hash.to_string());
        return Ok(before.into_iter().chain(made).map(|hash| (hash.clone(), hash)).collect());
    }
    // What nests in a realm, and whose keys they are, comes after it: so keys are sent when it is known whom there is.
    let (keys, others): (Vec<Item>, Vec<Item>) = missing.into_iter().partition(|item| item.kind == Kind::Key);
    let mut sent = Sent::default();
    sent.send(client, others, report).await?;
    let keys = sent.without_refused(keys, report);
    sent.send(client, keys, report).await?;
    let spends = known.iter().chain(&sent.known).filter_map(Item::only_spend).collect();
    sent.send(client, spends, report).await?;
    models::register(client, bodies, report).await?;
    let by_hash = there(client).await?.into_iter().map(|hash| (hash.clone(), hash));
    Ok(sent.keys.into_iter().chain(by_hash).collect())
}

/// What became of what was sent.
#[derive(Debug, Default)]
struct Sent {
    /// What was there already.
    known: Vec<Item>,
    /// The ids of the keys that were ever issued, by their hashes there: here one may have been given another secret, or revoked.
    keys: BTreeMap<String, String>,
    /// Users whom the gateway refused.
    refused: BTreeSet<String>,
}

impl Sent {
    async fn send(&mut self, client: &Client, mut items: Vec<Item>, report: &mut Report) -> Result<(), ClientError> {
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(COMMANDS_MAX));
            let commands = Value::Array(items.iter().map(Item::request).collect());
            let outcomes: Vec<Value> = client.post("/api/commands", &commands).await?;
            for (item, outcome) in items.into_iter().zip(&outcomes) {
                self.note(item, outcome, report);
            }
            items = rest;
        }
        Ok(())
    }

    fn note(&mut self, item: Item, outcome: &Value, report: &mut Report) {
        let Some(error) = outcome.get("error") else {
            self.note_key(&item);
            report.carried(item.kind, &item.name);
            return item.only_spend().iter().for_each(|spend| report.carried(spend.kind, &spend.name));
        };
        let code = error.pointer("/tallygate/code").and_then(Value::as_str).unwrap_or_default();
        let message = rows::text(error, "message");
        if THERE_ALREADY.contains(&code) {
            report.there(item.kind);
            if code == ALREADY_ISSUED {
                self.note_key(&item);
            }
            self.known.push(item);
        } else if item.kind == Kind::Spend && NO_WINDOW.contains(&code) {
            report.left(item.kind, &item.name, message);
        } else {
            report.refuse(item.kind, &item.name, message);
            if item.kind == Kind::User {
                self.refused.insert(item.name);
            }
        }
    }

    fn note_key(&mut self, item: &Item) {
        self.keys.extend(item.key().map(|issue| (issue.hash.to_string(), issue.key.to_string())));
    }

    /// The keys but for those of users whom the gateway refused: they would be bound by nothing.
    fn without_refused(&self, keys: Vec<Item>, report: &mut Report) -> Vec<Item> {
        let is_refused = |item: &Item| item.user.as_ref().is_some_and(|user| self.refused.contains(user));
        let (refused, kept): (Vec<Item>, Vec<Item>) = keys.into_iter().partition(is_refused);
        refused.iter().for_each(|item| report.left(item.kind, &item.name, "its user was refused"));
        kept
    }
}

fn is_there(item: &Item, hashes: &BTreeSet<String>) -> bool {
    item.key().is_some_and(|issue| hashes.contains(&issue.hash.to_string()))
}

/// A page of `/key/list`.
#[derive(Debug, Deserialize)]
struct Listed {
    keys: Vec<String>,
    total_pages: u64,
}

/// The hashes of the keys that the gateway has.
async fn there(client: &Client) -> Result<BTreeSet<String>, ClientError> {
    let (mut hashes, mut page) = (BTreeSet::new(), 1);
    loop {
        let listed: Listed = client.get(format!("/key/list?size=100&page={page}")).await?;
        hashes.extend(listed.keys);
        if page >= listed.total_pages {
            return Ok(hashes);
        }
        page += 1;
    }
}
