//! `GET /user/daily/activity` and `/team/daily/activity`: what was used on each day, by model, provider and key.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::key::Key;
use tallygate_projections::{Day, Days, Detail, Spent, Totals};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::amount::usd;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::keys::find;
use crate::http::litellm::query::Query;
use crate::http::litellm::spend::daily::in_detail;
use crate::http::litellm::spend::filter::{Keys, days};
use crate::http::litellm::spent;

const SIZE_DEFAULT: u64 = 50;
const SIZE_MAX: u64 = 1_000;
const PAGE_MAX: u64 = u32::MAX as u64;

/// Whose use is asked for.
#[derive(Debug, Default)]
struct Wanted {
    user: Option<String>,
    realms: Option<BTreeSet<String>>,
    model: Option<String>,
    key: Option<KeyId>,
}

/// What one day came to.
#[derive(Debug, Default)]
struct OfDay {
    all: Totals,
    models: BTreeMap<String, OfName>,
    providers: BTreeMap<String, OfName>,
    keys: BTreeMap<String, OfName>,
    entities: BTreeMap<String, OfName>,
}

/// What a model, a provider or a key came to, in all and by key.
#[derive(Debug, Default)]
struct OfName {
    all: Totals,
    by_key: BTreeMap<String, Totals>,
    metadata: Value,
}

/// A user's use: one's own without an id. The operator without one sees everybody's.
pub(super) async fn of_user(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/user/daily/activity").await?;
    let query = Query::read(&uri)?;
    let asked = query.text("user_id").map(str::to_owned);
    let wanted = match &caller {
        Caller::Operator => Wanted { user: asked, ..Wanted::default() },
        Caller::Key(row) => match (row.key.user.as_ref().map(ToString::to_string), asked) {
            (Some(own), asked) if asked.as_ref().is_none_or(|asked| *asked == own) => {
                Wanted { user: Some(own), ..Wanted::default() }
            }
            (None, None) => Wanted { key: Some(row.key.id), ..Wanted::default() },
            _ => return Err(forbidden("user_id")),
        },
    };
    answer(&app, &query, wanted).await
}

/// The use of teams that the caller manages: of all for the operator who names none.
pub(super) async fn of_team(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/team/daily/activity").await?;
    let query = Query::read(&uri)?;
    let named =
        query.text("team_ids").map(|ids| ids.split(',').map(|id| id.trim().to_owned()).collect::<BTreeSet<_>>());
    let snapshot = app.pipeline.views.control.snapshot();
    let manages = |id: &String| RealmId::new(id).is_ok_and(|realm| caller.manages(&snapshot.control, &realm));
    match &named {
        Some(ids) if ids.iter().all(manages) => {}
        None if matches!(caller, Caller::Operator) => {}
        _ => return Err(forbidden("team_ids")),
    }
    answer(&app, &query, Wanted { realms: named, ..Wanted::default() }).await
}

fn forbidden(param: &'static str) -> ApiError {
    let message = "You are not allowed to see this activity. Your role=internal_user";
    ApiError::new(ErrorCode::AdminOnly, message).status(403).kind("auth_error").param(param)
}

async fn answer(app: &App, query: &Query, mut wanted: Wanted) -> Result<Json<Value>, ApiError> {
    let page = query.number("page", 1, 1..=PAGE_MAX)?;
    let size = query.number("page_size", SIZE_DEFAULT, 1..=SIZE_MAX)?;
    let missing =
        || ApiError::new(ErrorCode::ParameterInvalid, "Please provide start_date and end_date").param("start_date");
    let (first, last) = days(query)?.ok_or_else(missing)?;
    wanted.model = query.text("model").map(str::to_owned);
    if let Some(named) = query.text("api_key") {
        // Another's key is as one that is not there.
        let row = find::by_secret_or_hash(app, named)?.filter(|row| wanted.key.is_none_or(|own| own == row.key.id));
        wanted.key = Some(row.ok_or_else(|| find::not_found("Key not found."))?.key.id);
    }
    spent::catch_up(app).await;
    let by_day = sums(app, &wanted, Days { first: Day::of(first), last: Day::of(last) })?;
    let mut all = Totals::default();
    by_day.values().for_each(|day| all.add(&day.all));
    let pages = (by_day.len() as u64).div_ceil(size);
    let skip = usize::try_from((page - 1) * size).unwrap_or(usize::MAX);
    // The newest day first, as LiteLLM has it.
    let on_page = by_day.iter().rev().skip(skip).take(usize::try_from(size).unwrap_or(1));
    let results: Vec<Value> = on_page.map(|(day, of)| of.shown(*day)).collect();
    Ok(Json(json!({ "results": results, "metadata": in_all(&all, page, pages) })))
}

fn sums(app: &App, wanted: &Wanted, days: Days) -> Result<BTreeMap<Day, OfDay>, ApiError> {
    let mut keys = Keys::new(app);
    let mut by_day: BTreeMap<Day, OfDay> = BTreeMap::new();
    let snapshot = app.pipeline.views.control.snapshot();
    let of_realm = |realm: &RealmId| wanted.realms.as_ref().is_none_or(|realms| realms.contains(realm.as_str()));
    for (realm, _) in snapshot.control.realms.iter().filter(|(realm, _)| of_realm(realm)) {
        for Spent { of, totals } in in_detail(app, realm, days)? {
            let key = keys.get(of.key)?;
            if wanted.has(&of, key) {
                by_day.entry(of.day).or_default().add(&of, key, realm, &totals);
            }
        }
    }
    Ok(by_day)
}

impl Wanted {
    fn has(&self, of: &Detail, key: Option<&Key>) -> bool {
        let user = key.and_then(|key| key.user.as_ref()).map(|user| user.as_str());
        self.user.as_deref().is_none_or(|wanted| user == Some(wanted))
            && self.model.as_deref().is_none_or(|wanted| of.model.as_str() == wanted)
            && self.key.is_none_or(|wanted| of.key == wanted)
    }
}

impl OfDay {
    fn add(&mut self, of: &Detail, key: Option<&Key>, realm: &RealmId, totals: &Totals) {
        let hash = key.map(|key| key.hash.to_string()).unwrap_or_default();
        let user = key.and_then(|key| key.user.as_ref()).map(ToString::to_string).unwrap_or_default();
        self.all.add(totals);
        let named = [
            (&mut self.models, of.model.to_string()),
            (&mut self.providers, of.vendor.to_string()),
            (&mut self.entities, user),
            (&mut self.keys, hash.clone()),
        ];
        for (names, name) in named {
            let sums = names.entry(name).or_default();
            sums.all.add(totals);
            sums.by_key.entry(hash.clone()).or_default().add(totals);
        }
        if let Some(sums) = self.keys.get_mut(&hash) {
            sums.metadata = json!({ "key_alias": key.and_then(|key| key.alias.as_ref()), "team_id": realm });
        }
    }

    fn shown(&self, day: Day) -> Value {
        let names = |names: &BTreeMap<String, OfName>| -> Map<String, Value> {
            names.iter().map(|(name, sums)| (name.clone(), sums.shown())).collect()
        };
        let keys = self
            .keys
            .iter()
            .map(|(hash, sums)| (hash.clone(), json!({ "metrics": metrics(&sums.all), "metadata": sums.metadata })));
        json!({
            "date": day.start().day(),
            "metrics": metrics(&self.all),
            "breakdown": {
                "models": names(&self.models),
                "model_groups": names(&self.models),
                "providers": names(&self.providers),
                "entities": names(&self.entities),
                "api_keys": keys.collect::<Map<String, Value>>(),
                "mcp_servers": {},
            },
        })
    }
}

impl OfName {
    fn shown(&self) -> Value {
        let by_key = self
            .by_key
            .iter()
            .map(|(hash, totals)| (hash.clone(), json!({ "metrics": metrics(totals), "metadata": {} })));
        json!({
            "metrics": metrics(&self.all), "metadata": {}, "api_key_breakdown": by_key.collect::<Map<String, Value>>(),
        })
    }
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
