//! `tallygate import litellm`: what a LiteLLM proxy knows, from its configuration file, its database, or both, into a running
//! gateway. It says what it would carry over and what it would not, and does it only when asked. Run again, it adds what came
//! since.

mod rows;
mod realms;
mod keys;
mod models;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_adapters::litellm::config_file::ConfigFile;
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_core::command::{Command, Together};
use tallygate_core::digest::Digest;
use tallygate_core::port::clock::Clock as _;
use tallygate_core::secret::Secret;

use super::ImportError;
use crate::config::ImportLitellmArgs;
use crate::operator_client::{Client, ClientError};
use crate::system::SystemClock;
use report::{Kind, Report};

/// The most commands of one call: what `POST /api/commands` takes.
const COMMANDS_MAX: usize = 100;
/// Codes that say that what is asked for is there already.
const THERE_ALREADY: [&str; 4] = ["realm_already_registered", "key_already_issued", "key_secret_taken", "no_change"];

/// One object of LiteLLM's, and what makes it here.
#[derive(Debug)]
struct Item {
    kind: Kind,
    /// What it is called in the report. Never a secret.
    name: String,
    commands: Vec<Command>,
}

/// Reads, reports, and carries over if it is asked to.
pub(super) async fn import(args: ImportLitellmArgs, environment: &BTreeMap<String, String>) -> Result<(), ImportError> {
    if args.config.is_none() && args.database_url.is_none() {
        return Err(ImportError::NothingNamed);
    }
    let of_environment = |name: &str| environment.get(name).cloned();
    let master_key = args.master_key.clone().or_else(|| of_environment("LITELLM_MASTER_KEY"));
    let master_key = master_key.ok_or(ImportError::MasterKeyMissing)?;
    let salt_key = args.salt_key.clone().or_else(|| of_environment("LITELLM_SALT_KEY"));
    let salt_key = Secret::new(salt_key.unwrap_or_else(|| master_key.clone()));
    let client = Client::new(&args.gateway, Secret::new(master_key))?;
    let mut report = Report::default();
    let mut bodies = Vec::new();
    let mut items = Vec::new();
    if let Some(path) = &args.config {
        let unreadable = |error| ImportError::File(path.clone(), error);
        let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
        let file = ConfigFile::read(&text, &of_environment);
        file.findings
            .iter()
            .for_each(|finding| report.left(Kind::Setting, &path.to_string_lossy(), &finding.to_string()));
        if !file.is_usable() {
            report.tell(false);
            return Err(ImportError::FileWrong(path.clone()));
        }
        bodies.extend(file.models.into_iter().map(|model| (model.name, model.body)));
    }
    if let Some(url) = &args.database_url {
        let database = Database::open(url).await?;
        bodies.extend(models::bodies(&database, &salt_key, &mut report).await?);
        let budgets = rows::budgets(&database).await?;
        items.extend(realms::items(&database, &budgets, &mut report).await?);
        items.extend(keys::items(&database, &budgets, SystemClock.now(), &mut report).await?);
        others(&database, &mut report).await?;
    }
    carry(&client, items, bodies, args.apply, &mut report).await?;
    report.tell(args.apply);
    if report.refused() > 0 {
        return Err(ImportError::NotAll(report.refused()));
    }
    Ok(())
}

/// What there is no place for here yet.
async fn others(database: &Database, report: &mut Report) -> Result<(), ImportError> {
    for (table, kind, why) in [
        (Table::Users, Kind::User, "users are not kept: the user's id stays at the user's keys"),
        (Table::EndUsers, Kind::EndUser, "end users are not kept"),
        (Table::Tags, Kind::Tag, "tags have no budgets here"),
    ] {
        for row in database.rows(table).await? {
            let limited = ["max_budget", "budget_id", "tpm_limit", "rpm_limit"]
                .into_iter()
                .filter(|name| row.get(*name).is_some_and(|value| !value.is_null()))
                .collect::<Vec<_>>();
            let why = match limited.as_slice() {
                [] => why.to_owned(),
                limited => format!("{why}; {} will not hold", limited.join(", ")),
            };
            report.left(kind, rows::text(&row, table.key()), &why);
        }
    }
    let (requests, usd) = database.spend_logs().await?;
    if requests > 0 {
        let why = format!("what was spent is told by LiteLLM's own log: {requests} requests, {usd} dollars");
        report.left(Kind::SpendLog, "LiteLLM_SpendLogs", &why);
    }
    Ok(())
}

/// Carries everything over, or finds out what would be.
async fn carry(
    client: &Client,
    items: Vec<Item>,
    bodies: Vec<(String, String)>,
    apply: bool,
    report: &mut Report,
) -> Result<(), ImportError> {
    let there = there(client).await?;
    let mut missing = Vec::new();
    for item in items {
        let is_there = item.commands.iter().any(|command| match command {
            Command::IssueKey(issue) => there.contains(&issue.hash.to_string()),
            _ => false,
        });
        if is_there { report.there(item.kind) } else { missing.push(item) }
    }
    if !apply {
        missing.iter().for_each(|item| report.carried(item.kind, &item.name));
        bodies.iter().for_each(|(name, _)| report.carried(Kind::Model, name));
        return Ok(());
    }
    // A realm comes before what nests in it, and before its keys.
    for some in missing.chunks(COMMANDS_MAX) {
        let commands: Vec<Value> = some.iter().map(request).collect();
        let outcomes: Vec<Value> = client.post("/api/commands", &Value::Array(commands)).await?;
        for (item, outcome) in some.iter().zip(&outcomes) {
            note(report, item, outcome);
        }
    }
    models::register(client, bodies, report).await
}

fn note(report: &mut Report, item: &Item, outcome: &Value) {
    let Some(error) = outcome.get("error") else { return report.carried(item.kind, &item.name) };
    let code = error.pointer("/tallygate/code").and_then(Value::as_str).unwrap_or_default();
    if THERE_ALREADY.contains(&code) {
        report.there(item.kind);
    } else {
        report.refuse(item.kind, &item.name, rows::text(error, "message"));
    }
}

/// A command whose id follows from what it says: sent again, it is carried out once.
fn request(item: &Item) -> Value {
    let together = Command::from(Together::new(item.commands.clone()));
    let mut request = json!(together);
    request["id"] = json!(format!("import-litellm-{}", Digest::of(request.to_string().as_bytes())));
    request
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
