//! `GET /global/spend/report`: what teams, customers or keys spent on some days, by model and key.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::id::{EndUserId, KeyId, ModelName, RealmId};
use tallygate_core::key::Key;
use tallygate_core::money::NanoUsd;
use tallygate_core::realm::Realm;
use tallygate_core::time::Day;
use tallygate_projections::{Days, Detail, Named, Spent, Totals};

use super::daily::in_detail;
use super::filter::{self, Keys};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::located;
use crate::http::litellm::keys::{find, team};
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;
use crate::http::operator;

/// What is asked for.
enum Asked {
    /// Days of teams; of one, if it is named.
    Teams(Option<String>),
    /// Days of end users; of one, if they are named.
    Customers(Option<String>),
    /// Days of an end user within a team.
    Both { team: String, customer: String },
    /// All days together of keys; of one, or those of one user, if they are named.
    Keys { key: Option<KeyId>, user: Option<String> },
}

/// A team and an end user, as far as the report tells of them.
type Group = (Option<RealmId>, Option<EndUserId>);
/// What each model and key came to.
type Sums = BTreeMap<(ModelName, KeyId), Totals>;

/// See the module. Days must be named.
pub(super) async fn report(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend/report").await?;
    let query = Query::read(&uri)?;
    let missing =
        || ApiError::new(ErrorCode::ParameterInvalid, "Please provide start_date and end_date").param("start_date");
    let (first, last) = filter::days(&query)?.ok_or_else(missing)?;
    let days = Days { first: Day::of(first), last: Day::of(last) };
    let Some(asked) = Asked::read(&app, &query)? else { return Ok(Json(json!([]))) };
    spent::catch_up(&app).await;
    match asked {
        Asked::Keys { key, user } => of_keys(&app, days, key, user.as_deref()),
        Asked::Teams(team) => {
            let mut by_day = ByDay::default();
            each_realm(&app, team.as_deref(), |realm| {
                in_detail(&app, realm, days)?
                    .into_iter()
                    .for_each(|spent| by_day.add((team_of(realm), None), spent.of, &spent.totals));
                Ok(())
            })?;
            by_day.shown(&app, "teams")
        }
        Asked::Customers(customer) => customers(&app, days, None, customer.as_deref())?.shown(&app, "customers"),
        Asked::Both { team, customer } => {
            customers(&app, days, Some(&team), Some(&customer))?.shown(&app, "teams_customers")
        }
    }
    .map(Json)
}

impl Asked {
    /// Reads it. None: a key that is not there.
    fn read(app: &App, query: &Query) -> Result<Option<Self>, ApiError> {
        let text = |name| query.text(name).map(str::to_owned);
        if let Some(named) = query.text("api_key") {
            let row = find::by_secret_or_hash(app, named)?;
            return Ok(row.map(|row| Self::Keys { key: Some(row.key.id), user: None }));
        }
        if let Some(user) = text("internal_user_id") {
            return Ok(Some(Self::Keys { key: None, user: Some(user) }));
        }
        if let (Some(team), Some(customer)) = (text("team_id"), text("customer_id")) {
            return Ok(Some(Self::Both { team, customer }));
        }
        match query.text("group_by").unwrap_or("team") {
            "team" => Ok(Some(Self::Teams(text("team_id")))),
            "customer" => Ok(Some(Self::Customers(text("customer_id")))),
            "api_key" => Ok(Some(Self::Keys { key: None, user: None })),
            other => {
                let message = "Input should be 'team', 'customer' or 'api_key'";
                Err(located("query", &["group_by"], "literal_error", message, &json!(other)))
            }
        }
    }
}

/// The team that a realm is shown as. What belongs to none is told together.
fn team_of(realm: &RealmId) -> Option<RealmId> {
    team(realm).cloned()
}

fn each_realm(
    app: &App,
    named: Option<&str>,
    mut visit: impl FnMut(&RealmId) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let wanted = snapshot.control.realms.iter().map(|(id, _)| id);
    wanted.filter(|id| named.is_none_or(|named| id.as_str() == named)).try_for_each(&mut visit)
}

fn customers(app: &App, days: Days, in_team: Option<&str>, customer: Option<&str>) -> Result<ByDay, ApiError> {
    let customer = customer.map(EndUserId::new).transpose();
    // What is no id never asked.
    let Ok(customer) = customer else { return Ok(ByDay::default()) };
    let mut by_day = ByDay::default();
    each_realm(app, in_team, |realm| {
        let add = |Spent { of, totals }: Spent<Named<EndUserId>>| {
            by_day.add((in_team.and_then(|_| team_of(realm)), Some(of.name)), of.detail, &totals);
            Ok(())
        };
        let read = app.pipeline.views.activity.each_end_user((realm, customer.as_ref()), days, add);
        read.map_err(|error| spent::unreadable(&error))
    })?;
    Ok(by_day)
}

/// What groups came to on each day.
#[derive(Debug, Default)]
struct ByDay(BTreeMap<Day, BTreeMap<Group, Sums>>);

impl ByDay {
    fn add(&mut self, group: Group, of: Detail, totals: &Totals) {
        let sums = self.0.entry(of.day).or_default().entry(group).or_default();
        sums.entry((of.model, of.key)).or_default().add(totals);
    }

    /// An object a day, oldest first.
    fn shown(self, app: &App, list: &str) -> Result<Value, ApiError> {
        let mut keys = Keys::new(app);
        let snapshot = app.pipeline.views.control.snapshot();
        let alias = |team: &RealmId| snapshot.control.realms.get(team).and_then(|realm| name_of(realm));
        let mut days = Vec::with_capacity(self.0.len());
        for (day, groups) in self.0 {
            let mut shown = Vec::with_capacity(groups.len());
            for ((team, customer), sums) in groups {
                let name = team.as_ref().map(|team| alias(team).unwrap_or_else(|| team.to_string()));
                let mut group = metadata(&mut keys, &sums)?;
                if list != "customers" {
                    group["team_name"] = json!(name.as_deref().unwrap_or("Unassigned Team"));
                    group["team_id"] = json!(team);
                }
                if let Some(customer) = customer {
                    group["customer"] = json!(customer);
                }
                shown.push(group);
            }
            days.push(json!({ "group_by_day": format!("{}T00:00:00+00:00", day.start().day()), list: shown }));
        }
        Ok(Value::Array(days))
    }
}

fn name_of(realm: &Realm) -> Option<String> {
    realm.name.clone()
}

fn hash_of(key: Option<&Key>) -> String {
    key.map(|key| key.hash.to_string()).unwrap_or_default()
}

fn cost_of(sums: &Sums) -> NanoUsd {
    sums.values().fold(NanoUsd::ZERO, |sum, totals| sum.saturating_plus(totals.cost_nano_usd))
}

fn metadata(keys: &mut Keys<'_>, sums: &Sums) -> Result<Value, ApiError> {
    let rows = sums.iter().map(|((model, key), totals)| {
        Ok::<_, ApiError>(json!({
            "model": model,
            "api_key": hash_of(keys.get(*key)?),
            "spend": usd(totals.cost_nano_usd),
            "total_tokens": totals.usage.total_tokens(),
        }))
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "total_spend": usd(cost_of(sums)), "metadata": rows }))
}

/// What each key came to over all the days, by model, dearest first.
fn of_keys(app: &App, days: Days, key: Option<KeyId>, user: Option<&str>) -> Result<Value, ApiError> {
    let mut keys = Keys::new(app);
    let mut by_key: BTreeMap<KeyId, BTreeMap<ModelName, Totals>> = BTreeMap::new();
    each_realm(app, None, |realm| {
        for Spent { of, totals } in in_detail(app, realm, days)? {
            let is_of_user = match user {
                None => true,
                Some(user) => {
                    keys.get(of.key)?.and_then(|key| key.user.as_ref()).is_some_and(|own| own.as_str() == user)
                }
            };
            if is_of_user && key.is_none_or(|key| key == of.key) {
                by_key.entry(of.key).or_default().entry(of.model).or_default().add(&totals);
            }
        }
        Ok(())
    })?;
    let mut rows = Vec::with_capacity(by_key.len());
    for (key, models) in by_key {
        let mut all = Totals::default();
        models.values().for_each(|totals| all.add(totals));
        let details: Vec<Value> = models.iter().map(|(model, totals)| of_model(model, totals)).collect();
        let mut row = costs(&all);
        row["api_key"] = json!(hash_of(keys.get(key)?));
        row["model_details"] = json!(details);
        rows.push((all.cost_nano_usd, row));
    }
    rows.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn of_model(model: &ModelName, totals: &Totals) -> Value {
    let mut row = costs(totals);
    row["model"] = json!(model);
    row
}

fn costs(totals: &Totals) -> Value {
    json!({
        "total_cost": usd(totals.cost_nano_usd),
        "total_input_tokens": totals.usage.prompt_tokens(),
        "total_output_tokens": totals.usage.output_tokens,
    })
}
