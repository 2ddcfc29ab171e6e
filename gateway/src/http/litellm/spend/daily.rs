//! Sums by day: LiteLLM's answer to `/spend/logs` with dates.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::id::RealmId;
use tallygate_core::money::NanoUsd;
use tallygate_projections::{Days, Detail, Spent};

use super::filter::{Filter, Keys};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::spent;

/// What was spent on one day.
#[derive(Debug, Default)]
struct DaySums {
    spend: NanoUsd,
    keys: BTreeMap<String, NanoUsd>,
    users: BTreeMap<String, NanoUsd>,
    models: BTreeMap<String, NanoUsd>,
}

/// One object a day, oldest first, with the sums of each key by its hash. Days without requests are left out.
///
/// # Errors
/// 503 if the views cannot be read.
pub(super) fn sums(app: &App, filter: &Filter, days: Days) -> Result<Value, ApiError> {
    let mut keys = Keys::new(app);
    let mut by_day: BTreeMap<String, DaySums> = BTreeMap::new();
    for realm in realms(app, filter) {
        for Spent { of, totals } in in_detail(app, &realm, days)? {
            let key = keys.get(of.key)?;
            let user = key.and_then(|key| key.user.as_ref()).map(|user| user.as_str().to_owned());
            let is_wanted = filter.key.is_none_or(|wanted| wanted == of.key)
                && filter.user.as_ref().is_none_or(|wanted| user.as_ref() == Some(wanted));
            if is_wanted {
                let day = by_day.entry(of.day.start().day()).or_default();
                let hash = key.map(|key| key.hash.to_string()).unwrap_or_default();
                day.add(hash, user, of.model.to_string(), totals.cost_nano_usd);
            }
        }
    }
    Ok(by_day.into_iter().map(|(day, sums)| sums.shown(&day)).collect())
}

fn realms(app: &App, filter: &Filter) -> Vec<RealmId> {
    match &filter.realm {
        Some(realm) => vec![realm.clone()],
        None => app.pipeline.views.control.snapshot().control.realms.iter().map(|(id, _)| id.clone()).collect(),
    }
}

/// The sums of a realm by day, key, model and vendor.
///
/// # Errors
/// 503 if the views cannot be read.
pub(in crate::http::litellm) fn in_detail(
    app: &App,
    realm: &RealmId,
    days: Days,
) -> Result<Vec<Spent<Detail>>, ApiError> {
    app.pipeline.views.activity.spend_in_detail(realm, days).map_err(|error| spent::unreadable(&error))
}

impl DaySums {
    fn add(&mut self, key: String, user: Option<String>, model: String, cost: NanoUsd) {
        self.spend = self.spend.saturating_plus(cost);
        let add = |sums: &mut BTreeMap<String, NanoUsd>, of: String| {
            let sum = sums.entry(of).or_default();
            *sum = sum.saturating_plus(cost);
        };
        add(&mut self.keys, key);
        add(&mut self.users, user.unwrap_or_default());
        add(&mut self.models, model);
    }

    fn shown(self, day: &str) -> Value {
        let amounts = |sums: BTreeMap<String, NanoUsd>| -> Map<String, Value> {
            sums.into_iter().map(|(of, sum)| (of, usd(sum))).collect()
        };
        let mut shown = amounts(self.keys);
        shown.insert("startTime".to_owned(), json!(day));
        shown.insert("spend".to_owned(), usd(self.spend));
        shown.insert("users".to_owned(), Value::Object(amounts(self.users)));
        shown.insert("models".to_owned(), Value::Object(amounts(self.models)));
        Value::Object(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::DaySums;
    use serde_json::json;
    use tallygate_core::money::NanoUsd;

    #[test]
    fn a_day_is_the_sum_of_its_keys_users_and_models() {
        let mut day = DaySums::default();
        day.add("k1".to_owned(), Some("ann".to_owned()), "m".to_owned(), NanoUsd::new(500_000_000));
        day.add("k2".to_owned(), None, "m".to_owned(), NanoUsd::new(250_000_000));
        let expected = json!({
            "startTime": "2026-11-20", "spend": 0.75, "k1": 0.5, "k2": 0.25,
            "users": {"ann": 0.5, "": 0.25}, "models": {"m": 0.75},
        });
        assert_eq!(day.shown("2026-11-20"), expected);
    }
}
