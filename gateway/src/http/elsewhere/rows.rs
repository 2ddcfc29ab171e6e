//! From what is asked to what is news: keys are found, and what was told before is left out.

use std::collections::HashMap;

use serde_json::json;
use tallygate_core::activity::DaySpent;
use tallygate_core::id::{KeyId, RealmId};

use super::News;
use super::asked::{Asked, Key, wrong};
use crate::http::App;
use crate::http::error::ApiError;
use crate::pipeline::refusal;

/// The code of a key that is not there, as the domain has it.
const NOT_FOUND: &str = "key_not_found";

/// The rows that say more than was told before, by the realms of their keys. Blocks.
///
/// # Errors
/// 404 for a key that never was, 400 for two rows of the same, naming the row; 503 if the views cannot be read.
pub(super) fn news(app: &App, asked: Asked) -> Result<News, ApiError> {
    let mut found: HashMap<Key, (RealmId, KeyId)> = HashMap::new();
    let mut rows = Vec::with_capacity(asked.rows.len());
    for (number, row) in asked.rows.into_iter().enumerate() {
        let key = row.key;
        let (realm, id) = match found.get(&key) {
            Some(known) => known.clone(),
            None => {
                let known = find(app, key)?.ok_or_else(|| unknown(number, key))?;
                found.insert(key, known.clone());
                known
            }
        };
        rows.push((realm, row.of(id)));
    }
    if let Some((first, second)) = twice(rows.iter().map(|(_, row)| row)) {
        return Err(wrong(second, &format!("it is of the same as row {first}: say the sum of both")));
    }
    let mut news = News::new();
    for (realm, row) in rows {
        let is_news = app.pipeline.views.activity.is_news(&realm, &asked.source, &row);
        if is_news.map_err(|error| refusal::views(&error))? {
            news.entry(realm).or_default().push(row);
        }
    }
    Ok(news)
}

/// The places of two rows that are of the same: of two totals one would be lost.
fn twice<'a>(rows: impl Iterator<Item = &'a DaySpent>) -> Option<(usize, usize)> {
    let mut seen = HashMap::new();
    for (number, row) in rows.enumerate() {
        if let Some(first) = seen.insert((row.day, row.key, &row.model, &row.vendor, &row.under), number) {
            return Some((first, number));
        }
    }
    None
}

/// The realm and the id of a key. One that was revoked has spent what it has spent.
fn find(app: &App, key: Key) -> Result<Option<(RealmId, KeyId)>, ApiError> {
    let control = &app.pipeline.views.control;
    let row = match key {
        Key::Id(id) => control.key_by_id(id),
        Key::Hash(hash) => control.key_by_hash(&hash),
    };
    let row = row.map_err(|error| refusal::views(&error))?;
    Ok(row.map(|row| (row.key.realm.clone(), row.key.id)))
}

fn unknown(number: usize, key: Key) -> ApiError {
    let message = format!("row {number}: there is no key {key}");
    let details = json!({ "row": number, "key": key.to_string() });
    ApiError::coded(NOT_FOUND, 404, message).param(format!("rows[{number}].key")).details(details)
}

#[cfg(test)]
mod tests {
    use tallygate_core::activity::{DaySpent, Under};
    use tallygate_core::money::NanoUsd;
    use tallygate_core::testing::samples::{self, id};
    use tallygate_core::time::{Day, Timestamp};
    use tallygate_core::usage::Usage;

    use super::twice;

    fn row(under: Option<Under>, day: i64) -> DaySpent {
        DaySpent {
            day: Day::of(Timestamp::from_millis(day * 86_400_000)),
            key: samples::key_id(1),
            model: id("gpt"),
            vendor: id(samples::VENDOR),
            under,
            succeeded: 0,
            failed: 0,
            usage: Usage::default(),
            cost_nano_usd: NanoUsd::ZERO,
        }
    }

    #[test]
    fn two_rows_of_the_same_are_found_and_a_tag_is_no_end_user() {
        let [tag, end_user] = [Under::Tag(id("a")), Under::EndUser(id("a"))].map(|under| row(Some(under), 1));
        let all = [row(None, 1), row(None, 2), tag, end_user];
        assert_eq!(twice(all.iter()), None);
        assert_eq!(twice(all.iter().chain(&all[1..2])), Some((1, 4)));
    }
}
