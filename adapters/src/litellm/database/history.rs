//! What was spent by day: LiteLLM's own sums, and its log of requests for the days before the first of them.
//!
//! Not every version has every column, and rows of the log are long: so the columns that there are are named one by one.

use std::collections::BTreeSet;

use tallygate_core::money::NanoUsd;
use tokio_postgres::Row;

use super::{Database, DatabaseError, PAGE};

/// LiteLLM's log of requests.
const LOG: &str = "LiteLLM_SpendLogs";
/// No sum is greater: what is absurd stays a number.
const SUM_MAX: &str = "9000000000000000000";

/// What days are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Everything that was asked.
    All,
    /// What was asked in the name of each end user.
    EndUsers,
    /// What was asked under each tag.
    Tags,
}

/// What one key spent on one day with one model, in all or under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    /// The end user or the tag; empty where all is told of.
    pub name: String,
    /// The day, as `2026-11-20`.
    pub day: String,
    /// The hash of the key.
    pub key: String,
    /// The model's public name, or else the upstream's.
    pub model: String,
    /// LiteLLM's name of the vendor; empty where it did not know.
    pub provider: String,
    /// Requests that were answered.
    pub succeeded: u64,
    /// Requests that were not.
    pub failed: u64,
    /// Tokens of the prompt, those that the provider read from its cache or wrote to it among them.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Tokens of the prompt that were read from a cache.
    pub cache_read_tokens: u64,
    /// Tokens of the prompt that were written to a cache.
    pub cache_write_tokens: u64,
    /// What it cost, rounded to nano-dollars once.
    pub cost_nano_usd: NanoUsd,
}

/// A part that is being read.
#[derive(Debug)]
pub struct History<'a> {
    database: &'a Database,
    is_open: bool,
}

impl Part {
    /// The table that has its sums, and the column of the name.
    const fn sums(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::All => ("LiteLLM_DailyUserSpend", None),
            Self::EndUsers => ("LiteLLM_DailyEndUserSpend", Some("end_user_id")),
            Self::Tags => ("LiteLLM_DailyTagSpend", Some("tag")),
        }
    }
}

/// The columns that a table has.
struct Columns(BTreeSet<String>);

impl Columns {
    fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// A text, empty where there is none.
    fn text(&self, name: &str) -> String {
        if self.has(name) { format!("coalesce(\"{name}\"::text, '')") } else { "''::text".to_owned() }
    }

    /// The sum of a count.
    fn sum(&self, name: &str) -> String {
        if self.has(name) { format!("sum(greatest(coalesce(\"{name}\", 0), 0))") } else { "0".to_owned() }
    }

    /// The sum of what was spent, in nano-dollars. It does not depend on the order that rows are added in, as one of doubles
    /// would, so the same rows come to the same sum again.
    fn nano_usd(&self) -> String {
        if !self.has("spend") {
            return "0".to_owned();
        }
        let usd = "CASE WHEN \"spend\" > 0 AND \"spend\" < 1e15 THEN \"spend\"::numeric ELSE 0 END";
        format!("round(sum({usd}) * 1000000000)")
    }

    fn model(&self) -> String {
        format!("coalesce(nullif({}, ''), {})", self.text("model_group"), self.text("model"))
    }
}

impl Database {
    /// Begins to read a part: the rows of one name, day and key come one after another. One part is read at a time.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn history(&self, part: Part) -> Result<History<'_>, DatabaseError> {
        let (table, column) = part.sums();
        let of_sums = self.columns(table).await?;
        let mut selects = Vec::new();
        let mut first = None;
        if of_sums.has("date") && column.is_none_or(|column| of_sums.has(column)) {
            selects.push(sums(table, column, &of_sums));
            let query = format!("SELECT min(\"date\") FROM \"{table}\"");
            first = self.client.query_one(&query, &[]).await?.try_get::<_, Option<String>>(0)?;
        }
        let of_log = self.columns(LOG).await?;
        if of_log.has("startTime") {
            selects.extend(log(part, &of_log, first.as_deref()));
        }
        if selects.is_empty() {
            return Ok(History { database: self, is_open: false });
        }
        let most = (6..=12).map(|column| format!("least(max(n{column}), {SUM_MAX})::bigint"));
        // The first day of the sums may have begun without them: of both, what is more is nearer to the truth.
        let query = format!(
            "DECLARE history NO SCROLL CURSOR FOR SELECT name, day, key, model, provider, {} FROM ({}) \
             AS told (name, day, key, model, provider, n6, n7, n8, n9, n10, n11, n12) \
             GROUP BY name, day, key, model, provider ORDER BY name, day, key, model, provider",
            most.collect::<Vec<_>>().join(", "),
            selects.join(" UNION ALL ")
        );
        self.client.batch_execute(&query).await?;
        Ok(History { database: self, is_open: true })
    }

    async fn columns(&self, table: &str) -> Result<Columns, DatabaseError> {
        let query = "SELECT attname::text FROM pg_attribute \
                     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let found = self.client.query(query, &[&format!("\"{table}\"")]).await?;
        Ok(Columns(found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?))
    }
}

/// The sums of a table that LiteLLM keeps, added up over whatever else it tells apart.
fn sums(table: &str, column: Option<&str>, columns: &Columns) -> String {
    let name = column.map_or_else(|| "''::text".to_owned(), |column| columns.text(column));
    let succeeded = if columns.has("successful_requests") { "successful_requests" } else { "api_requests" };
    let numbers = [
        columns.sum(succeeded),
        columns.sum("failed_requests"),
        columns.sum("prompt_tokens"),
        columns.sum("completion_tokens"),
        columns.sum("cache_read_input_tokens"),
        columns.sum("cache_creation_input_tokens"),
        columns.nano_usd(),
    ];
    let named = column.map_or_else(String::new, |column| format!("WHERE {} <> '' ", columns.text(column)));
    format!(
        "SELECT {name}, \"date\", {}, {}, {}, {} FROM \"{table}\" {named}GROUP BY 1, 2, 3, 4, 5",
        columns.text("api_key"),
        columns.model(),
        columns.text("custom_llm_provider"),
        numbers.join(", ")
    )
}

/// What the log tells of the days up to the first one that there are sums of; nothing where it has no such names.
fn log(part: Part, columns: &Columns, first: Option<&str>) -> Option<String> {
    let day = "to_char(\"startTime\", 'YYYY-MM-DD')";
    let (name, tags) = match part {
        Part::All => ("''::text".to_owned(), ""),
        Part::EndUsers if columns.has("end_user") => (columns.text("end_user"), ""),
        // A request that says a tag twice has it once.
        Part::Tags if columns.has("request_tags") => (
            "tags.tag".to_owned(),
            " CROSS JOIN LATERAL (SELECT DISTINCT jsonb_array_elements_text(\
             CASE WHEN jsonb_typeof(\"request_tags\"::jsonb) = 'array' THEN \"request_tags\"::jsonb ELSE '[]'::jsonb END) AS tag) \
             AS tags",
        ),
        Part::EndUsers | Part::Tags => return None,
    };
    let is_failed = format!("{} = 'failure'", columns.text("status"));
    let numbers = [
        format!("count(*) FILTER (WHERE NOT {is_failed})"),
        format!("count(*) FILTER (WHERE {is_failed})"),
        columns.sum("prompt_tokens"),
        columns.sum("completion_tokens"),
        "0".to_owned(),
        "0".to_owned(),
        columns.nano_usd(),
    ];
    let mut wanted = Vec::new();
    if part != Part::All {
        wanted.push(format!("{name} <> ''"));
    }
    // What LiteLLM wrote there is a date; what somebody else wrote is kept from being more than a text.
    wanted.extend(first.map(|first| format!("{day} <= '{}'", first.replace('\'', "''"))));
    let wanted = if wanted.is_empty() { String::new() } else { format!("WHERE {} ", wanted.join(" AND ")) };
    Some(format!(
        "SELECT {name}, {day}, {}, {}, {}, {} FROM \"{LOG}\"{tags} {wanted}GROUP BY 1, 2, 3, 4, 5",
        columns.text("api_key"),
        columns.model(),
        columns.text("custom_llm_provider"),
        numbers.join(", ")
    ))
}

impl History<'_> {
    /// The next rows; none when there are no more.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn next(&mut self) -> Result<Vec<DayRow>, DatabaseError> {
        if !self.is_open {
            return Ok(Vec::new());
        }
        let client = &self.database.client;
        let found = client.query(&format!("FETCH {PAGE} FROM history"), &[]).await?;
        if found.is_empty() {
            self.is_open = false;
            client.batch_execute("CLOSE history").await?;
        }
        found.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<DayRow, DatabaseError> {
    let count = |column: usize| row.try_get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or_default());
    Ok(DayRow {
        name: row.try_get(0)?,
        day: row.try_get(1)?,
        key: row.try_get(2)?,
        model: row.try_get(3)?,
        provider: row.try_get(4)?,
        succeeded: count(5)?,
        failed: count(6)?,
        prompt_tokens: count(7)?,
        completion_tokens: count(8)?,
        cache_read_tokens: count(9)?,
        cache_write_tokens: count(10)?,
        cost_nano_usd: NanoUsd::new(row.try_get(11)?),
    })
}
