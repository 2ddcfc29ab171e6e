//! Which days, models and keys are asked for, and which page of them.

use std::collections::BTreeSet;

use tallygate_core::id::KeyId;
use tallygate_core::time::Day;
use tallygate_projections::{Days, Detail};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::keys::find;
use crate::http::litellm::query::Query;
use crate::http::litellm::spend::filter::days;

const SIZE_DEFAULT: u64 = 50;
const SIZE_MAX: u64 = 1_000;
const PAGE_MAX: u64 = u32::MAX as u64;

/// See the module.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) days: Days,
    model: Option<String>,
    key: Option<KeyId>,
    /// From 1.
    pub(super) page: u64,
    /// Days of a page.
    pub(super) size: u64,
}

impl Asked {
    /// Reads it. `own` is the one key that may be told of, where there is such a limit.
    ///
    /// # Errors
    /// 400 without days, 404 for a key that is not there. Another's key is as one that is not there.
    pub(super) fn read(app: &App, query: &Query, own: Option<KeyId>) -> Result<Self, ApiError> {
        let page = query.number("page", 1, 1..=PAGE_MAX)?;
        let size = query.number("page_size", SIZE_DEFAULT, 1..=SIZE_MAX)?;
        let missing =
            || ApiError::new(ErrorCode::ParameterInvalid, "Please provide start_date and end_date").param("start_date");
        let (first, last) = days(query)?.ok_or_else(missing)?;
        let key = match query.text("api_key") {
            None => own,
            Some(named) => {
                let row = find::by_secret_or_hash(app, named)?;
                let row = row.filter(|row| own.is_none_or(|own| own == row.key.id));
                Some(row.ok_or_else(|| find::not_found("Key not found."))?.key.id)
            }
        };
        let days = Days { first: Day::of(first), last: Day::of(last) };
        Ok(Self { days, model: query.text("model").map(str::to_owned), key, page, size })
    }

    /// Whether sums are among what is asked for.
    pub(super) fn has(&self, of: &Detail) -> bool {
        self.model.as_deref().is_none_or(|wanted| of.model.as_str() == wanted)
            && self.key.is_none_or(|wanted| of.key == wanted)
    }
}

/// The names of a list with commas; none if none is named.
pub(super) fn names(query: &Query, name: &str) -> Option<BTreeSet<String>> {
    query.text(name).map(|names| names.split(',').map(|name| name.trim().to_owned()).collect())
}
