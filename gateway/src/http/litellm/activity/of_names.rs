//! `GET /tag/daily/activity` and `/customer/daily/activity`: what was used under names that requests gave.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::Value;
use tallygate_core::id::EndUserId;
use tallygate_projections::{Named, Spent};

use super::asked::{Asked, names};
use super::by_day::ByDay;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;
use crate::http::litellm::tags::used;

/// The use under tags, or under all: in realms that the caller manages, and elsewhere of keys that they may see. A request with
/// several of the tags counts for each, and so several times in the sums of its day.
pub(super) async fn of_tag(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/tag/daily/activity").await?;
    let query = Query::read(&uri)?;
    let (asked, wanted) = (Asked::read(&app, &query, None)?, names(&query, "tags"));
    spent::catch_up(&app).await;
    let mut by_day = ByDay::default();
    used::each(&app, &caller, asked.days, |Spent { of, totals }| {
        if has(wanted.as_ref(), of.name.as_str()) && asked.has(&of.detail) {
            by_day.add(of.name.as_str(), &of.detail, totals);
        }
    })?;
    by_day.shown(&app, &asked).map(Json)
}

/// The use in the name of end users, or of all, in realms that the caller manages.
pub(super) async fn of_end_user(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, uri.path()).await?;
    let query = Query::read(&uri)?;
    let (asked, wanted) = (Asked::read(&app, &query, None)?, names(&query, "end_user_ids"));
    let unwanted = names(&query, "exclude_end_user_ids").unwrap_or_default();
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let mut by_day = ByDay::default();
    for (realm, _) in control.realms.iter().filter(|(realm, _)| caller.manages(control, realm)) {
        let add = |Spent { of, totals }: Spent<Named<EndUserId>>| {
            let name = of.name.as_str();
            if has(wanted.as_ref(), name) && !unwanted.contains(name) && asked.has(&of.detail) {
                by_day.add(name, &of.detail, &totals);
            }
            Ok(())
        };
        let read = app.pipeline.views.activity.each_end_user((realm, None), asked.days, add);
        read.map_err(|error| spent::unreadable(&error))?;
    }
    by_day.shown(&app, &asked).map(Json)
}

fn has(wanted: Option<&BTreeSet<String>>, name: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(name))
}
