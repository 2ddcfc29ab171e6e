//! Which requests are asked for.

use std::collections::HashMap;

use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::key::Key;
use tallygate_core::time::{Day, Timestamp};
use tallygate_projections::{Days, KeyRow, StoreError};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::keys::find;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Which requests are asked for, and may be told of.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// The one key whose requests are told of.
    pub(super) key: Option<KeyId>,
    /// The one realm; none for all.
    pub(super) realm: Option<RealmId>,
    /// With this id: the request's own, or the one in the upstream's answer.
    pub(super) id: Option<String>,
    /// Of this user.
    pub(super) user: Option<String>,
    /// Days, the last included.
    pub(super) days: Option<(Timestamp, Timestamp)>,
}

impl Filter {
    /// Reads it. None: no request can be meant. A virtual key is told of its own requests alone.
    ///
    /// # Errors
    /// 400 for what is no date, or for one date without the other.
    pub(super) fn read(app: &App, query: &Query, caller: &Caller) -> Result<Option<Self>, ApiError> {
        let own = match caller {
            Caller::Operator => None,
            Caller::Key(own) => Some(own.clone()),
        };
        let key = match query.text("api_key") {
            None => own,
            Some(named) => match find::by_secret_or_hash(app, named)? {
                Some(found) if own.as_ref().is_none_or(|own| own.key.id == found.key.id) => Some(found),
                _ => return Ok(None),
            },
        };
        Ok(Some(Self {
            realm: key.as_ref().map(|row| row.key.realm.clone()),
            key: key.map(|row| row.key.id),
            id: query.text("request_id").map(str::to_owned),
            user: query.text("user_id").map(str::to_owned),
            days: days(query)?,
        }))
    }

    /// The days as the views count them.
    pub(super) fn view_days(&self) -> Option<Days> {
        self.days.map(|(from, last)| Days { first: Day::of(from), last: Day::of(last) })
    }

    /// The first moment after the last day.
    pub(super) fn before(&self) -> Option<Timestamp> {
        self.days.map(|(_, last)| Timestamp::from_millis(last.millis().saturating_add(MILLIS_PER_DAY)))
    }
}

/// The days that are asked for, if any are.
///
/// # Errors
/// 400 for what is no date, or for one date without the other.
pub(in crate::http::litellm) fn days(query: &Query) -> Result<Option<(Timestamp, Timestamp)>, ApiError> {
    let refused = |name: &str, message: String| ApiError::new(ErrorCode::ParameterInvalid, message).param(name);
    let day = |name: &'static str| {
        let Some(text) = query.text(name) else { return Ok(None) };
        // A moment is taken for its day, as LiteLLM's clients send both.
        let date = text.split(['T', ' ']).next().unwrap_or(text);
        let moment = format!("{date}T00:00:00Z").parse::<Timestamp>();
        moment.map(Some).map_err(|_| refused(name, format!("`{name}` is a date such as 2026-11-20")))
    };
    match (day("start_date")?, day("end_date")?) {
        (None, None) => Ok(None),
        (Some(first), Some(last)) if first <= last => Ok(Some((first, last))),
        (Some(_), Some(_)) => Err(refused("end_date", "`end_date` is before `start_date`".to_owned())),
        (Some(_), None) => Err(refused("end_date", "`start_date` needs `end_date` beside it".to_owned())),
        (None, Some(_)) => Err(refused("start_date", "`end_date` needs `start_date` beside it".to_owned())),
    }
}

/// The keys that records name, each looked up once. Revoked ones too.
#[derive(Debug)]
pub(in crate::http::litellm) struct Keys<'a> {
    app: &'a App,
    rows: HashMap<KeyId, Option<KeyRow>>,
}

impl<'a> Keys<'a> {
    pub(in crate::http::litellm) fn new(app: &'a App) -> Self {
        Self { app, rows: HashMap::new() }
    }

    /// A key by its id. The operator's own key is none of the views'.
    pub(in crate::http::litellm) fn get(&mut self, id: KeyId) -> Result<Option<&Key>, ApiError> {
        self.find(id).map_err(|error| spent::unreadable(&error))
    }

    /// The same where the views themselves are read.
    pub(in crate::http::litellm) fn find(&mut self, id: KeyId) -> Result<Option<&Key>, StoreError> {
        if let std::collections::hash_map::Entry::Vacant(place) = self.rows.entry(id) {
            let master = self.app.pipeline.master.row();
            let row = if master.key.id == id { Some(master) } else { self.app.pipeline.views.control.key_by_id(id)? };
            place.insert(row);
        }
        Ok(self.rows.get(&id).and_then(Option::as_ref).map(|row| row.key.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::days;
    use crate::http::litellm::query::Query;

    fn read(text: &str) -> Result<Option<(String, String)>, Option<Box<str>>> {
        let query = Query::read(&format!("/spend/logs?{text}").parse().unwrap()).unwrap();
        let found = days(&query).map_err(|error| error.param)?;
        Ok(found.map(|(first, last)| (first.day(), last.day())))
    }

    #[test]
    fn days_come_in_pairs() {
        let both = Ok(Some(("2026-11-01".to_owned(), "2026-11-20".to_owned())));
        assert_eq!(read("start_date=2026-11-01&end_date=2026-11-20"), both);
        assert_eq!(read("start_date=2026-11-01T10:00:00&end_date=2026-11-20%2023:59:59"), both);
        assert_eq!(read(""), Ok(None));
        for (text, param) in [
            ("start_date=2026-11-01", "end_date"),
            ("end_date=2026-11-01", "start_date"),
            ("start_date=yesterday&end_date=2026-11-20", "start_date"),
            ("start_date=2026-11-20&end_date=2026-11-01", "end_date"),
            ("start_date=2026-02-30&end_date=2026-11-01", "start_date"),
        ] {
            assert_eq!(read(text), Err(Some(param.into())), "{text}");
        }
    }
}
