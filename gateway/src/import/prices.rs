//! `tallygate import prices`: LiteLLM's price map over the prices of the deployments there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_adapters::litellm::price_map::{Entry, PriceMap, Severity};
use tallygate_adapters::litellm::price_name::{PriceName, of_price};
use tallygate_adapters::provider::vendors::Vendors;
use tallygate_core::digest::Digest;
use tallygate_core::id::{DeploymentId, ModelId, ModelName, VendorId};
use tallygate_core::money::PicoUsd;
use tallygate_core::price::Price;
use tallygate_core::secret::Secret;
use tallygate_core::stream::Position;

use super::{ImportError, say};
use crate::config::ImportPricesArgs;
use crate::operator_client::Client;

/// The most commands of one call: what `POST /api/commands` takes.
const COMMANDS_MAX: usize = 100;

/// `GET /api/prices`.
#[derive(Debug, Deserialize)]
struct InForce {
    deployments: Vec<Deployment>,
}

/// A deployment with its price, as `GET /api/prices` tells of it. Further fields are for others.
#[derive(Debug, Deserialize)]
struct Deployment {
    model: ModelId,
    name: ModelName,
    deployment: DeploymentId,
    vendor: VendorId,
    upstream_model: String,
    price: Option<Price>,
    price_position: Option<Position>,
}

/// A price that the map says otherwise.
#[derive(Debug)]
struct Change<'a> {
    deployment: &'a Deployment,
    price: &'a Price,
}

/// Reads the map, compares, and applies if it is asked to.
pub(super) async fn import(args: ImportPricesArgs, environment: &BTreeMap<String, String>) -> Result<(), ImportError> {
    let unreadable = |error| ImportError::File(args.file.clone(), error);
    let text = tokio::fs::read_to_string(&args.file).await.map_err(unreadable)?;
    let map = PriceMap::parse(&text).map_err(|error| ImportError::PriceMap(args.file.clone(), error))?;
    let master_key = args.master_key.clone().or_else(|| environment.get("LITELLM_MASTER_KEY").cloned());
    let client = Client::new(&args.gateway, Secret::new(master_key.ok_or(ImportError::MasterKeyMissing)?))?;
    let in_force: InForce = client.get("/api/prices").await?;
    let vendors = Vendors::builtin()?;
    let entries: Vec<(&Deployment, Option<&Entry>)> =
        in_force.deployments.iter().map(|deployment| (deployment, entry(&map, &vendors, deployment))).collect();
    let wrong = tell_findings(&map, &entries, args.all_findings);
    let changes = changes(&entries);
    tell_changes(&entries, &changes);
    if wrong > 0 {
        return Err(ImportError::Wrong(wrong));
    }
    if !args.apply {
        say("nothing is applied: say --apply to do it");
        return Ok(());
    }
    apply(&client, &changes).await
}

fn entry<'m>(map: &'m PriceMap, vendors: &Vendors, deployment: &Deployment) -> Option<&'m Entry> {
    match vendors.get(deployment.vendor.as_str()) {
        Some(vendor) => map.find(&vendor.names().collect::<Vec<_>>(), &deployment.upstream_model),
        None => map.find(&[deployment.vendor.as_str()], &deployment.upstream_model),
    }
}

/// Tells what is wrong or strange about models in use, and how much else is. How many models in use are wrong.
fn tell_findings(map: &PriceMap, entries: &[(&Deployment, Option<&Entry>)], all: bool) -> usize {
    let is_wrong = |entry: &&Entry| entry.findings.iter().any(|finding| finding.severity == Severity::Error);
    let used: BTreeMap<&str, &Entry> =
        entries.iter().filter_map(|(_, entry)| *entry).map(|entry| (entry.name.as_str(), entry)).collect();
    for entry in map.iter().filter(|entry| all || used.contains_key(entry.name.as_str())) {
        for finding in &entry.findings {
            say(&format!("{}: {finding}", entry.name));
        }
    }
    let others = map.iter().filter(|entry| !used.contains_key(entry.name.as_str()) && !entry.findings.is_empty());
    match others.count() {
        0 => {}
        count if all => say(&format!("{count} models that are not in use have findings")),
        count => say(&format!("{count} models that are not in use have findings too: --all-findings tells them")),
    }
    used.values().filter(|entry| is_wrong(entry)).count()
}

fn changes<'a>(entries: &[(&'a Deployment, Option<&'a Entry>)]) -> Vec<Change<'a>> {
    let change = |&(deployment, entry): &(&'a Deployment, Option<&'a Entry>)| {
        let price = entry?.price.as_ref()?;
        (deployment.price.as_ref() != Some(price)).then_some(Change { deployment, price })
    };
    entries.iter().filter_map(change).collect()
}

/// Tells what would change, in dollars for a million tokens.
fn tell_changes(entries: &[(&Deployment, Option<&Entry>)], changes: &[Change<'_>]) {
    for Change { deployment, price } in changes {
        let was: BTreeMap<PriceName, PicoUsd> = deployment.price.iter().flat_map(of_price).collect();
        let is: BTreeMap<PriceName, PicoUsd> = of_price(price).collect();
        let shown = |rate: Option<&PicoUsd>| rate.map_or_else(|| "none".to_owned(), |rate| per_million(*rate));
        let names: BTreeSet<&PriceName> = was.keys().chain(is.keys()).collect();
        let parts: Vec<String> = names
            .into_iter()
            .filter(|name| was.get(*name) != is.get(*name))
            .map(|name| format!("{name} {} → {}", shown(was.get(name)), shown(is.get(name))))
            .collect();
        let Deployment { name, deployment, .. } = deployment;
        say(&format!("{name} ({deployment}): {}", parts.join(", ")));
    }
    let unknown = entries.iter().filter(|(_, entry)| entry.is_none_or(|entry| entry.price.is_none())).count();
    let same = entries.len() - unknown - changes.len();
    say(&format!(
        "{} deployments: {} prices change, {same} stay, {unknown} have none in the file; amounts are US dollars for a million units",
        entries.len(),
        changes.len()
    ));
}

/// A price of one unit as dollars for a million: `1.25`.
fn per_million(rate: PicoUsd) -> String {
    let fraction = format!("{:06}", rate.pico() % 1_000_000);
    let kept = fraction.trim_end_matches('0');
    let whole = rate.pico() / 1_000_000;
    if kept.is_empty() { whole.to_string() } else { format!("{whole}.{kept}") }
}

async fn apply(client: &Client, changes: &[Change<'_>]) -> Result<(), ImportError> {
    let mut refused = 0;
    for some in changes.chunks(COMMANDS_MAX) {
        let commands: Vec<Value> = some.iter().map(command).collect();
        let outcomes: Vec<Value> = client.post("/api/commands", &Value::Array(commands)).await?;
        for (change, outcome) in some.iter().zip(&outcomes) {
            if let Some(error) = outcome.get("error") {
                refused += 1;
                let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
                say(&format!("{} ({}): refused: {message}", change.deployment.name, change.deployment.deployment));
            }
        }
    }
    if refused > 0 {
        return Err(ImportError::Refused { refused, all: changes.len() });
    }
    say(&format!("{} prices are in force", changes.len()));
    Ok(())
}

/// The command for a change. Its id follows from what it changes: sent again, it is carried out once.
fn command(change: &Change<'_>) -> Value {
    let Deployment { model, deployment, price_position, .. } = change.deployment;
    let data = json!({ "model": model, "deployment": deployment, "price": change.price });
    let digest = Digest::of(format!("{price_position:?} {data}").as_bytes());
    json!({ "id": format!("import-prices-{digest}"), "type": "RevisePrice", "data": data })
}

#[cfg(test)]
mod tests {
    use super::per_million;
    use tallygate_core::money::PicoUsd;

    #[test]
    fn a_price_is_shown_as_price_lists_show_it() {
        for (pico, shown) in [(1_250_000, "1.25"), (75_000, "0.075"), (2_800, "0.0028"), (0, "0"), (600_000_000, "600")]
        {
            assert_eq!(per_million(PicoUsd::new(pico)), shown);
        }
    }
}
