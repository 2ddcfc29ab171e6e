//! `tallygate import litellm`: what a LiteLLM proxy knows, from its configuration file, its database, or both, into a running
//! gateway. It says what it would carry over and what it would not, and does it only when asked. Run again, it adds what came
//! since.

mod rows;
mod item;
mod budgets;
mod realms;
mod users;
mod end_users;
mod keys;
mod models;
mod report;
mod carry;
mod history;

use std::collections::BTreeMap;

use tallygate_adapters::litellm::config_file::ConfigFile;
use tallygate_adapters::litellm::database::Database;
use tallygate_adapters::provider::vendors::Vendors;
use tallygate_core::port::clock::Clock as _;
use tallygate_core::secret::Secret;

use super::ImportError;
use crate::config::ImportLitellmArgs;
use crate::operator_client::Client;
use crate::system::SystemClock;
use budgets::Budgets;
use item::{Item, Unbudgeted};
use report::{Kind, Report};

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
    let database = match &args.database_url {
        Some(url) => Some(Database::open(url).await?),
        None => None,
    };
    if let Some(database) = &database {
        bodies.extend(models::bodies(database, &salt_key, &mut report).await?);
        items = of_database(database, &mut report).await?;
    }
    let unbudgeted: Vec<Unbudgeted> = items.iter().filter_map(Item::unbudgeted).collect();
    let keys = carry::carry(&client, items, bodies, args.apply, &mut report).await?;
    if let Some(database) = &database {
        let names = models::public_names(database).await?;
        let (vendors, client) = (Vendors::builtin()?, args.apply.then_some(&client));
        let around = history::Around { database, keys: &keys, names: &names, vendors: &vendors, client };
        history::carry(&around, &unbudgeted, &mut report).await?;
    }
    report.tell(args.apply);
    if report.refused() > 0 {
        return Err(ImportError::NotAll(report.refused()));
    }
    Ok(())
}

/// What a database holds beside models, in the order that it is made in: who is named comes before who names them.
async fn of_database(database: &Database, report: &mut Report) -> Result<Vec<Item>, ImportError> {
    let now = SystemClock.now();
    let (budgets, mut items) = Budgets::read(database, now, report).await?;
    let realms = realms::items(database, &budgets, now, report).await?;
    let users = users::read(database, &budgets, &realms::of(&realms), now, report).await?;
    items.extend(realms);
    items.extend(users.items);
    items.extend(end_users::end_users(database, &budgets, now, report).await?);
    items.extend(end_users::tags(database, &budgets, &models::names(database).await?, now, report).await?);
    let bound = keys::bound(database, &budgets, report).await?;
    let around = keys::Around { budgets: &budgets, left: &users.left, bound: &bound, now };
    items.extend(keys::items(database, &around, report).await?);
    Ok(items)
}
