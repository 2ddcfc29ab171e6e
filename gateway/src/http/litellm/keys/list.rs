//! `GET /key/list`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_core::control::Control;
use tallygate_core::id::RealmId;
use tallygate_core::key::Key;
use tallygate_projections::{ControlView, KeyPage, KeyRow, PAGE_ROWS_MAX, Page};

use super::{find, row};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;
use crate::http::litellm::unsupported::not_supported;

const SIZE_DEFAULT: u64 = 10;
const SIZE_MAX: u64 = 100;
const PAGE_MAX: u64 = u32::MAX as u64;

/// Which keys are wanted.
#[derive(Debug, Clone, Default)]
struct Filter {
    realm: Option<RealmId>,
    user: Option<String>,
    alias: Option<String>,
    hash: Option<String>,
    /// The key that asks, if it may see but its own.
    only: Option<KeyRow>,
}

impl Filter {
    fn read(query: &Query, caller: Caller, control: &Control) -> Result<Self, ApiError> {
        for name in ["organization_id", "project_id", "access_group_id"] {
            if query.text(name).is_some() {
                return Err(not_supported(name));
            }
        }
        if query.text("sort_by").is_some_and(|by| by != "created_at") {
            return Err(not_supported("sort_by"));
        }
        if query.text("sort_order").is_some_and(|order| order != "desc") {
            return Err(not_supported("sort_order"));
        }
        let realm = query
            .text("team_id")
            .map(RealmId::new)
            .transpose()
            .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("team_id"))?;
        // Whoever manages the team that is asked for sees all of its keys.
        let manages = realm.as_ref().is_some_and(|realm| caller.manages(control, realm));
        let only = match caller {
            Caller::Key(own) if !manages => Some(own),
            Caller::Key(_) | Caller::Operator => None,
        };
        let text = |name| query.text(name).map(str::to_owned);
        Ok(Self { realm, user: text("user_id"), alias: text("key_alias"), hash: text("key_hash"), only })
    }

    /// The realm whose keys are looked through; none for all.
    fn realm(&self) -> Option<&RealmId> {
        self.only.as_ref().map(|own| &own.key.realm).or(self.realm.as_ref())
    }

    /// Whether the list of the realm, or of all, is the answer as it is.
    const fn is_whole(&self) -> bool {
        self.user.is_none() && self.only.is_none()
    }

    fn admits(&self, key: &Key) -> bool {
        let same =
            |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|wanted| is == Some(wanted));
        let sees = |own: &KeyRow| {
            let same_user = own.key.user.is_some() && own.key.user == key.user;
            own.key.id == key.id || (same_user && own.key.realm == key.realm)
        };
        let visible = self.only.as_ref().is_none_or(sees);
        visible
            && self.realm.as_ref().is_none_or(|realm| *realm == key.realm)
            && same(&self.user, key.user.as_ref().map(|user| user.as_str()))
            && same(&self.alias, key.alias.as_ref().map(|alias| alias.as_str()))
            && same(&self.hash, Some(&key.hash.to_string()))
    }
}

/// Keys, newest first, a page at a time: by hash, or as whole rows.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/key/list").await?;
    let query = Query::read(&uri)?;
    let page = query.number("page", 1, 1..=PAGE_MAX)?;
    let size = query.number("size", SIZE_DEFAULT, 1..=SIZE_MAX)?;
    let full = query.flag("return_full_object")?;
    let filter = Filter::read(&query, caller, &app.pipeline.views.control.snapshot().control)?;
    let (rows, skip) = (usize::try_from(size).unwrap_or(1), usize::try_from((page - 1) * size).unwrap_or(usize::MAX));
    let found = page_of(&app, filter, Page { skip, rows }).await?;
    if full {
        spent::catch_up(&app).await;
    }
    let shown = |key: &KeyRow| {
        if full { row::row(&app, key).map(Value::Object) } else { Ok(json!(key.key.hash.to_string())) }
    };
    let keys = found.keys.iter().map(shown).collect::<Result<Vec<Value>, ApiError>>()?;
    Ok(Json(json!({
        "keys": keys,
        "total_count": found.total,
        "current_page": page,
        "total_pages": found.total.div_ceil(size),
    })))
}

async fn page_of(app: &App, filter: Filter, page: Page) -> Result<KeyPage, ApiError> {
    let direct = match (&filter.hash, &filter.alias) {
        (Some(hash), _) => Some(find::by_secret_or_hash(app, hash)?),
        (None, Some(alias)) => Some(find::by_alias(app, alias)?),
        (None, None) => None,
    };
    if let Some(found) = direct {
        let keys: Vec<KeyRow> = found.into_iter().filter(|row| filter.admits(&row.key)).collect();
        let total = u64::try_from(keys.len()).unwrap_or_default();
        return Ok(KeyPage { keys: keys.into_iter().skip(page.skip).take(page.rows).collect(), total });
    }
    let view = app.pipeline.views.control.clone();
    // The rows are on disk, and a filter looks through all of them.
    let read = tokio::task::spawn_blocking(move || {
        if filter.is_whole() { part(&view, filter.realm(), page) } else { filtered(&view, &filter, page) }
    });
    let read = read.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    read.map_err(|error| find::unreadable(&error))
}

fn part(view: &ControlView, realm: Option<&RealmId>, page: Page) -> Result<KeyPage, tallygate_projections::StoreError> {
    match realm {
        Some(realm) => view.keys_of_realm(realm, page),
        None => view.keys_of_all_realms_for_operator(page),
    }
}

/// Looks through all keys that the filter may mean, a thousand at a time.
fn filtered(view: &ControlView, filter: &Filter, page: Page) -> Result<KeyPage, tallygate_projections::StoreError> {
    let (mut keys, mut total, mut skip) = (Vec::new(), 0_usize, 0);
    loop {
        let rows = part(view, filter.realm(), Page { skip, rows: PAGE_ROWS_MAX })?.keys;
        let last = rows.len() < PAGE_ROWS_MAX;
        for row in rows.into_iter().filter(|row| filter.admits(&row.key)) {
            if total >= page.skip && keys.len() < page.rows {
                keys.push(row);
            }
            total += 1;
        }
        if last {
            return Ok(KeyPage { keys, total: u64::try_from(total).unwrap_or(u64::MAX) });
        }
        skip += PAGE_ROWS_MAX;
    }
}
