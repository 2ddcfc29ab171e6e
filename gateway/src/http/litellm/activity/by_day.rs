//! What days came to, in all and broken down.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::time::Day;
use tallygate_projections::{Detail, Totals};

use super::asked::Asked;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::spend::filter::Keys;

/// What each day came to.
#[derive(Debug, Default)]
pub(super) struct ByDay(BTreeMap<Day, OfDay>);

/// What one day came to.
#[derive(Debug, Default)]
struct OfDay {
    all: Totals,
    models: BTreeMap<String, OfName>,
    providers: BTreeMap<String, OfName>,
    entities: BTreeMap<String, OfName>,
    keys: BTreeMap<KeyId, Totals>,
}

/// What a model, a provider or an entity came to, in all and by key.
#[derive(Debug, Default)]
struct OfName {
    all: Totals,
    by_key: BTreeMap<KeyId, Totals>,
}

impl ByDay {
    /// Adds what was used for an entity: a user, a team, a tag or an end user.
    pub(super) fn add(&mut self, entity: &str, of: &Detail, totals: &Totals) {
        let day = self.0.entry(of.day).or_default();
        day.all.add(totals);
        day.keys.entry(of.key).or_default().add(totals);
        let named = [
            (&mut day.models, of.model.as_str()),
            (&mut day.providers, of.vendor.as_str()),
            (&mut day.entities, entity),
        ];
        for (names, name) in named {
            let sums = names.entry(name.to_owned()).or_default();
            sums.all.add(totals);
            sums.by_key.entry(of.key).or_default().add(totals);
        }
    }

    /// The answer: a page of days, the newest first, as LiteLLM has it, and the sums of all.
    ///
    /// # Errors
    /// 503 if the views cannot be read.
    pub(super) fn shown(&self, app: &App, asked: &Asked) -> Result<Value, ApiError> {
        let mut keys = Keys::new(app);
        let mut all = Totals::default();
        self.0.values().for_each(|day| all.add(&day.all));
        let pages = (self.0.len() as u64).div_ceil(asked.size);
        let skip = usize::try_from((asked.page - 1) * asked.size).unwrap_or(usize::MAX);
        let on_page = self.0.iter().rev().skip(skip).take(usize::try_from(asked.size).unwrap_or(1));
        let results = on_page.map(|(day, of)| of.shown(*day, &mut keys)).collect::<Result<Vec<Value>, _>>()?;
        Ok(json!({ "results": results, "metadata": in_all(&all, asked.page, pages) }))
    }
}

impl OfDay {
    fn shown(&self, day: Day, keys: &mut Keys<'_>) -> Result<Value, ApiError> {
        let models = names(&self.models, keys)?;
        Ok(json!({
            "date": day.start().day(),
            "metrics": metrics(&self.all),
            "breakdown": {
                "models": models,
                "model_groups": models,
                "providers": names(&self.providers, keys)?,
                "entities": names(&self.entities, keys)?,
                "api_keys": by_key(&self.keys, keys, true)?,
                "mcp_servers": {},
            },
        }))
    }
}

fn names(names: &BTreeMap<String, OfName>, keys: &mut Keys<'_>) -> Result<Map<String, Value>, ApiError> {
    let shown = names.iter().map(|(name, sums)| {
        let by_key = by_key(&sums.by_key, keys, false)?;
        let shown = json!({ "metrics": metrics(&sums.all), "metadata": {}, "api_key_breakdown": by_key });
        Ok((name.clone(), shown))
    });
    shown.collect()
}

/// The sums of keys by their hashes, with what is known of each or without.
fn by_key(
    sums: &BTreeMap<KeyId, Totals>,
    keys: &mut Keys<'_>,
    described: bool,
) -> Result<Map<String, Value>, ApiError> {
    let shown = sums.iter().map(|(id, totals)| {
        let key = keys.get(*id)?;
        let hash = key.map(|key| key.hash.to_string()).unwrap_or_default();
        let metadata = match key {
            Some(key) if described => json!({ "key_alias": key.alias, "team_id": key.realm }),
            None if described => json!({ "key_alias": null, "team_id": RealmId::default_realm() }),
            _ => json!({}),
        };
        Ok((hash, json!({ "metrics": metrics(totals), "metadata": metadata })))
    });
    shown.collect()
}

fn metrics(totals: &Totals) -> Value {
    let usage = &totals.usage;
    let (prompt, completion) = (usage.prompt_tokens(), usage.output_tokens);
    json!({
        "spend": usd(totals.cost_nano_usd),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "total_tokens": usage.total_tokens(),
        "successful_requests": totals.succeeded,
        "failed_requests": totals.failed.saturating_add(totals.disconnected),
        "api_requests": totals.settled(),
    })
}

fn in_all(totals: &Totals, page: u64, pages: u64) -> Value {
    let metrics = metrics(totals);
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in metrics.as_object().into_iter().flatten() {
        all.insert(format!("total_{}", name.trim_start_matches("total_")), value.clone());
    }
    all.insert("page".to_owned(), json!(page));
    all.insert("total_pages".to_owned(), json!(pages));
    all.insert("has_more".to_owned(), json!(page < pages));
    Value::Object(all)
}
