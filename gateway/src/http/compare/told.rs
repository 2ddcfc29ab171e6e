//! What is told of a comparison: of each model what its answer came to, and of all of them a summary.

use std::time::Instant;

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::money::NanoUsd;
use tallygate_core::usage::Usage;

use super::entry::{About, Happens};
use crate::http::error::ApiError;
use crate::http::heard::{Broken, Heard};
use crate::pipeline::report::CameTo;

/// How the request of one model ended.
pub(super) enum Ended {
    /// With a whole answer, and why that ended.
    Whole(Option<String>),
    /// Without one: the error as it is told.
    Failed(Value),
}

/// What a happening is: more text, or the end.
pub(super) enum News {
    Text(String),
    Ended(Ended),
}

/// All that ended so far.
pub(super) struct Summary {
    began: Instant,
    succeeded: usize,
    failed: usize,
    tokens: u64,
    /// None once a cost is not known.
    cost: Option<NanoUsd>,
    first: Best,
    fastest: Best,
    cheapest: Best,
}

/// The model that has least of something: how much, its rank among equals, and its index.
#[derive(Default)]
struct Best(Option<(i128, usize, usize)>);

impl From<Happens> for News {
    fn from(happens: Happens) -> Self {
        match happens {
            Happens::Heard(Heard::Text(text)) => Self::Text(text),
            Happens::Heard(Heard::Whole(reason)) => Self::Ended(Ended::Whole(reason)),
            Happens::Heard(Heard::Failed(Broken { code, message })) => {
                Self::Ended(Ended::Failed(json!({ "code": code, "message": message })))
            }
            Happens::Refused(error) => Self::Ended(Ended::Failed(refused(&error))),
        }
    }
}

fn refused(error: &ApiError) -> Value {
    let mut told = json!({ "code": error.code, "status": error.status, "message": error.message });
    if let Some(details) = &error.details {
        told["details"] = (**details).clone();
    }
    if let Some(seconds) = error.retry_after_seconds {
        told["retry_after_seconds"] = json!(seconds);
    }
    told
}

/// Which model it is about.
pub(super) fn head(about: &About) -> Map<String, Value> {
    let About { index, model, request, .. } = about;
    Map::from_iter([
        ("index".to_owned(), json!(index)),
        ("model".to_owned(), json!(model)),
        ("request".to_owned(), json!(request)),
    ])
}

/// What the request of a model came to, beside [`head`]. Null where nothing is known, such as of a model that was not called.
pub(super) fn figures(came_to: Option<&CameTo>) -> Map<String, Value> {
    let of = |value: Option<Value>| value.unwrap_or_default();
    Map::from_iter([
        ("answered_by".to_owned(), of(came_to.map(|came_to| json!(came_to.model)))),
        ("latency_ms".to_owned(), of(came_to.map(|came_to| json!(came_to.latency_ms)))),
        ("first_piece_ms".to_owned(), of(came_to.and_then(|came_to| came_to.first_piece_ms).map(Value::from))),
        ("usage".to_owned(), of(came_to.map(|came_to| usage(&came_to.usage, came_to.estimated)))),
        ("cost_usd".to_owned(), of(came_to.and_then(|came_to| came_to.cost).map(usd))),
    ])
}

fn usage(usage: &Usage, estimated: bool) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens(),
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "total_tokens": usage.total_tokens(),
        "estimated": estimated,
    })
}

impl Summary {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            succeeded: 0,
            failed: 0,
            tokens: 0,
            cost: Some(NanoUsd::ZERO),
            first: Best::default(),
            fastest: Best::default(),
            cheapest: Best::default(),
        }
    }

    /// Counts a model that has ended. Only one with a whole answer is the best at anything; what a failed one cost counts.
    pub(super) fn count(&mut self, index: usize, ended: &Ended, came_to: Option<&CameTo>) {
        let is_whole = matches!(ended, Ended::Whole(_));
        // Times are told in whole milliseconds: of equals the one is sooner that ended before the other.
        let rank = self.succeeded + self.failed;
        *(if is_whole { &mut self.succeeded } else { &mut self.failed }) += 1;
        let Some(came_to) = came_to else { return };
        self.tokens = self.tokens.saturating_add(came_to.usage.total_tokens());
        self.cost = self.cost.and_then(|sum| sum.plus(came_to.cost?).ok());
        if is_whole {
            self.first.offer(came_to.first_piece_ms.map(i128::from), rank, index);
            self.fastest.offer(Some(i128::from(came_to.latency_ms)), rank, index);
            self.cheapest.offer(came_to.cost.map(|cost| i128::from(cost.nano())), index, index);
        }
    }

    pub(super) fn tell(&self) -> Map<String, Value> {
        let latency_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Map::from_iter([
            ("models".to_owned(), json!(self.succeeded + self.failed)),
            ("succeeded".to_owned(), json!(self.succeeded)),
            ("failed".to_owned(), json!(self.failed)),
            ("latency_ms".to_owned(), json!(latency_ms)),
            ("total_tokens".to_owned(), json!(self.tokens)),
            ("cost_usd".to_owned(), self.cost.map(usd).unwrap_or_default()),
            ("first".to_owned(), self.first.tell()),
            ("fastest".to_owned(), self.fastest.tell()),
            ("cheapest".to_owned(), self.cheapest.tell()),
        ])
    }
}

impl Best {
    fn offer(&mut self, amount: Option<i128>, rank: usize, index: usize) {
        let offered = amount.map(|amount| (amount, rank, index));
        self.0 = self.0.into_iter().chain(offered).min();
    }

    fn tell(&self) -> Value {
        self.0.map(|(.., index)| json!(index)).unwrap_or_default()
    }
}
