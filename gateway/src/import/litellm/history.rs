//! What was spent by day: told to the gateway as totals, so that it counts once however often it is imported.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tallygate_adapters::litellm::database::Database;
use tallygate_adapters::litellm::database::history::{DayRow, Part};
use tallygate_adapters::provider::vendors::Vendors;
use tallygate_core::id::{EndUserId, ModelName, TagName, VendorId};
use tallygate_core::money::NanoUsd;
use tallygate_core::port::clock::Clock as _;
use tallygate_core::time::Day;

use super::item::Unbudgeted;
use super::report::{Kind, Report};
use crate::import::ImportError;
use crate::operator_client::Client;
use crate::system::SystemClock;

/// Where it was spent.
const SOURCE: &str = "litellm";
/// The most rows of one call: what `POST /api/spend/elsewhere` takes.
const ROWS_MAX: usize = 1_000;
/// The vendor of requests of which LiteLLM does not know one.
const NO_VENDOR: &str = "unknown";
/// LiteLLM adds up doubles, and this adds up their digits: less than that is no difference.
const ROUNDING: NanoUsd = NanoUsd::new(1_000);
const PARTS: [(Part, &str); 3] = [(Part::All, "by day"), (Part::EndUsers, "by end user"), (Part::Tags, "by tag")];

/// What it is read with.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) database: &'a Database,
    /// How the gateway knows the keys that it has, by their hashes.
    pub(super) keys: &'a BTreeMap<String, String>,
    /// Names that LiteLLM made, and those that callers use.
    pub(super) names: &'a BTreeMap<String, String>,
    pub(super) vendors: &'a Vendors,
    /// None where nothing is changed.
    pub(super) client: Option<&'a Client>,
}

/// Rows, and what they cost.
#[derive(Debug, Default)]
struct Sum {
    rows: u64,
    cost: NanoUsd,
}

impl Sum {
    fn add(&mut self, cost: NanoUsd) {
        self.rows += 1;
        self.cost = self.cost.saturating_plus(cost);
    }

    fn told(&self) -> String {
        format!("{} rows, {} dollars", self.rows, self.cost)
    }
}

/// One part on its way.
#[derive(Debug)]
struct Carrying<'a> {
    around: &'a Around<'a>,
    what: &'static str,
    part: Part,
    today: Day,
    told: Sum,
    news: u64,
    /// Why rows are left out.
    left: BTreeMap<&'static str, Sum>,
    /// What is told of each key or name.
    of_each: BTreeMap<String, NanoUsd>,
    batch: Vec<Value>,
}

/// Carries over all parts, and tells of whom there is less than they spent.
pub(super) async fn carry(
    around: &Around<'_>,
    unbudgeted: &[Unbudgeted],
    report: &mut Report,
) -> Result<(), ImportError> {
    for (part, what) in PARTS {
        let mut carrying = Carrying {
            around,
            what,
            part,
            today: Day::of(SystemClock.now()),
            told: Sum::default(),
            news: 0,
            left: BTreeMap::new(),
            of_each: BTreeMap::new(),
            batch: Vec::new(),
        };
        carrying.read(report).await?;
        carrying.report(unbudgeted, report);
    }
    Ok(())
}

impl Carrying<'_> {
    async fn read(&mut self, report: &mut Report) -> Result<(), ImportError> {
        let mut history = self.around.database.history(self.part).await?;
        // The rows of one key and day: several names there may be one here.
        let mut together: Vec<DayRow> = Vec::new();
        loop {
            let page = history.next().await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                let is_next = |last: &DayRow| (&last.name, &last.day, &last.key) != (&row.name, &row.day, &row.key);
                if together.last().is_some_and(is_next) {
                    self.take(&mut together, report).await?;
                }
                together.push(row);
            }
        }
        self.take(&mut together, report).await?;
        self.send(report).await
    }

    async fn take(&mut self, together: &mut Vec<DayRow>, report: &mut Report) -> Result<(), ImportError> {
        let mut merged: BTreeMap<(String, String), DayRow> = BTreeMap::new();
        for mut row in together.drain(..) {
            match self.name(&mut row) {
                Ok(()) => {
                    let place = (row.model.clone(), row.provider.clone());
                    merged.entry(place).and_modify(|sum| add(sum, &row)).or_insert(row);
                }
                Err(why) => self.left.entry(why).or_default().add(row.cost_nano_usd),
            }
        }
        for row in merged.into_values() {
            let whose = if self.part == Part::All { &row.key } else { &row.name };
            let sum = self.of_each.entry(whose.clone()).or_default();
            *sum = sum.saturating_plus(row.cost_nano_usd);
            self.told.add(row.cost_nano_usd);
            if self.around.client.is_some() {
                self.batch.push(self.shown(&row));
            }
            if self.batch.len() >= ROWS_MAX {
                self.send(report).await?;
            }
        }
        Ok(())
    }

    /// Gives a row the names that are used here, or tells why it has none.
    fn name(&self, row: &mut DayRow) -> Result<(), &'static str> {
        let is_name = match self.part {
            Part::All => true,
            Part::EndUsers => EndUserId::new(&row.name).is_ok(),
            Part::Tags => TagName::new(&row.name).is_ok(),
        };
        if let Some(name) = self.around.names.get(&row.model) {
            row.model.clone_from(name);
        }
        let vendor = self.around.vendors.get(&row.provider).map(|vendor| vendor.id.to_string());
        match vendor {
            Some(id) => row.provider = id,
            None if row.provider.is_empty() => NO_VENDOR.clone_into(&mut row.provider),
            None => {}
        }
        if !self.around.keys.contains_key(&row.key) {
            Err("their keys are not here")
        } else if !row.day.parse().is_ok_and(|day: Day| day <= self.today) {
            Err("their days are none, or have not come")
        } else if ModelName::new(&row.model).is_err() || VendorId::new(&row.provider).is_err() || !is_name {
            Err("what they name cannot be a name here")
        } else {
            Ok(())
        }
    }

    /// The row as the gateway takes it. The tokens of a prompt are in classes here that have none in common.
    fn shown(&self, row: &DayRow) -> Value {
        let cached = row.cache_read_tokens.min(row.prompt_tokens);
        let written = row.cache_write_tokens.min(row.prompt_tokens - cached);
        let mut shown = json!({
            "day": row.day,
            "key": self.around.keys.get(&row.key),
            "model": row.model,
            "vendor": row.provider,
            "succeeded": row.succeeded,
            "failed": row.failed,
            "input_tokens": row.prompt_tokens - cached - written,
            "cached_input_tokens": cached,
            "cache_write_tokens": written,
            "output_tokens": row.completion_tokens,
            "cost_nano_usd": row.cost_nano_usd,
        });
        match self.part {
            Part::All => {}
            Part::EndUsers => shown["end_user"] = json!(row.name),
            Part::Tags => shown["tag"] = json!(row.name),
        }
        shown
    }

    async fn send(&mut self, report: &mut Report) -> Result<(), ImportError> {
        let Some(client) = self.around.client.filter(|_| !self.batch.is_empty()) else { return Ok(()) };
        let body = json!({ "source": SOURCE, "rows": std::mem::take(&mut self.batch) });
        match client.post::<Value>("/api/spend/elsewhere", &body).await {
            Ok(answer) => self.news += answer["news"].as_u64().unwrap_or_default(),
            Err(error) if error.status().is_some_and(|status| status < 500) => {
                report.refuse(Kind::History, self.what, &error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn report(self, unbudgeted: &[Unbudgeted], report: &mut Report) {
        let Self { around, what, part, told, news, left, of_each, .. } = self;
        match around.client {
            None if told.rows > 0 => report.carried(Kind::History, &format!("{what}: {}", told.told())),
            Some(_) if news > 0 => {
                report.carried(Kind::History, &format!("{what}: {}, {news} of them new or more", told.told()));
            }
            Some(_) if told.rows > 0 => report.there(Kind::History),
            _ => {}
        }
        for (why, sum) in left {
            report.left(Kind::History, what, &format!("{}: {why}", sum.told()));
        }
        let kind = match part {
            Part::All => Kind::Key,
            Part::EndUsers => Kind::EndUser,
            Part::Tags => Kind::Tag,
        };
        for Unbudgeted { kind, name, whose, spent } in unbudgeted.iter().filter(|one| one.kind == kind) {
            let known = of_each.get(whose).copied().unwrap_or_default();
            if spent.saturating_minus(known) > ROUNDING {
                let why = format!("of the {spent} dollars that it spent the history tells {known}");
                report.left(*kind, name, &why);
            }
        }
    }
}

/// Adds what is of the same names here.
fn add(sum: &mut DayRow, row: &DayRow) {
    let pairs = [
        (&mut sum.succeeded, row.succeeded),
        (&mut sum.failed, row.failed),
        (&mut sum.prompt_tokens, row.prompt_tokens),
        (&mut sum.completion_tokens, row.completion_tokens),
        (&mut sum.cache_read_tokens, row.cache_read_tokens),
        (&mut sum.cache_write_tokens, row.cache_write_tokens),
    ];
    for (sum, more) in pairs {
        *sum = sum.saturating_add(more);
    }
    sum.cost_nano_usd = sum.cost_nano_usd.saturating_plus(row.cost_nano_usd);
}
