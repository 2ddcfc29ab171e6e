//! `POST /global/spend/end_users`: in whose name most was spent.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::id::{EndUserId, KeyId, RealmId};
use tallygate_core::time::Day;
use tallygate_projections::{Days, Named, Spent, Totals};

use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys::find;
use crate::http::litellm::spent;
use crate::http::operator;

/// The most rows of one answer, as in LiteLLM.
const ROWS_MAX: usize = 100;

/// The end users in whose name most was spent, dearest first: of all days, or of those from `startTime` to `endTime`, each in
/// whole; by all keys, or by one. Whom nobody registered is among them.
pub(super) async fn end_users(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_ask(&app, &headers, "/global/spend/end_users").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let bytes = if bytes.trim_ascii().is_empty() { Bytes::from_static(b"{}") } else { bytes };
    let fields = Fields::read(&bytes)?;
    let days = Days { first: day(&fields, "startTime", Day::MIN)?, last: day(&fields, "endTime", Day::MAX)? };
    let key = match fields.text("api_key")?.into_value().filter(|named| !named.is_empty()) {
        None => None,
        Some(named) => match find::by_secret_or_hash(&app, &named)? {
            Some(row) => Some((row.key.realm.clone(), row.key.id)),
            // Nobody asked with a key that is not there.
            None => return Ok(Json(json!([]))),
        },
    };
    spent::catch_up(&app).await;
    let mut sums: Vec<_> = sums(&app, days, key.as_ref())?.into_iter().collect();
    sums.sort_by_key(|(_, totals)| std::cmp::Reverse(totals.cost_nano_usd));
    let rows = sums.iter().take(ROWS_MAX).map(|(end_user, totals)| {
        json!({ "end_user": end_user, "total_count": totals.settled(), "total_spend": usd(totals.cost_nano_usd) })
    });
    Ok(Json(rows.collect()))
}

fn sums(app: &App, days: Days, by: Option<&(RealmId, KeyId)>) -> Result<BTreeMap<EndUserId, Totals>, ApiError> {
    let mut sums: BTreeMap<EndUserId, Totals> = BTreeMap::new();
    let snapshot = app.pipeline.views.control.snapshot();
    let is_of_key = |realm: &RealmId| by.is_none_or(|(of_key, _)| of_key == realm);
    for (realm, _) in snapshot.control.realms.iter().filter(|(realm, _)| is_of_key(realm)) {
        let add = |Spent { of, totals }: Spent<Named<EndUserId>>| {
            if by.is_none_or(|(_, key)| *key == of.detail.key) {
                sums.entry(of.name).or_default().add(&totals);
            }
            Ok(())
        };
        let read = app.pipeline.views.activity.each_end_user((realm, None), days, add);
        read.map_err(|error| spent::unreadable(&error))?;
    }
    Ok(sums)
}

/// The day of a moment; a day by itself is one too.
fn day(fields: &Fields<'_>, name: &str, otherwise: Day) -> Result<Day, ApiError> {
    let Some(text) = fields.text(name)?.into_value().filter(|text| !text.is_empty()) else { return Ok(otherwise) };
    let date = text.split(['T', ' ']).next().unwrap_or(&text);
    let moment = format!("{date}T00:00:00Z").parse();
    moment.map(Day::of).map_err(|_| fields.refused(name, &format!("`{name}` is a date such as 2026-11-20")))
}
