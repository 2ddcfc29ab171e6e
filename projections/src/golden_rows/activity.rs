//! Samples of what happened to requests.

use std::sync::Arc;

use tallygate_core::activity::{
    Charge, DaySpent, Endpoint, Event, Outcome, RequestRefused, RequestSettled, SpentElsewhere, Tags, Under,
};
use tallygate_core::id::RequestId;
use tallygate_core::money::NanoUsd;
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::price::ServiceTier;
use tallygate_core::routing::{Attempt, Considered, End, Place, Route, Stands, Strategy};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{Log, Position};
use tallygate_core::testing::activity_writer::{ActivityWriter, Happened};
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id};
use tallygate_core::time::{Day, Period, Timestamp};
use tallygate_core::usage::Usage;
use uuid::Uuid;

use super::hex;
use crate::activity::block::{OpenBlock, SUMMARIES};
use crate::activity::record::{Ending, UsageRecord};

fn settled() -> RequestSettled {
    RequestSettled {
        request: RequestId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)),
        provider_request: Some("chatcmpl-1".to_owned()),
        endpoint: Endpoint::Chat,
        key: samples::key_id(1),
        user: Some(id("ada")),
        end_user: Some("customer 7".to_owned()),
        requested_model: id("fast"),
        model: id("gpt"),
        deployment: id("gpt-eu"),
        vendor: id(samples::VENDOR),
        upstream_model: "gpt-1".to_owned(),
        outcome: Outcome::Disconnected,
        status: 499,
        streamed: true,
        usage: Usage {
            // A sum has five classes: input 1, cached 2, written 3.
            input_tokens: 0,
            cached_input_tokens: 2,
            cache_write_tokens: 2,
            output_tokens: 400,
            reasoning_tokens: 5,
            cache_write_1h_tokens: 1,
            audio_input_tokens: 1,
            image_input_tokens: 0,
            audio_output_tokens: 9,
            image_output_tokens: 10,
            requests: 1,
            service_tier: ServiceTier::Priority,
        },
        estimated: false,
        price: Some(Position::new(4)),
        cost_nano_usd: Some(NanoUsd::new(123_456_789)),
        unpriced: None,
        charged: vec![
            Charge {
                scope: Scope::Key(samples::key_id(1)),
                period: Period::Months(1),
                window: Timestamp::from_millis(1_795_169_730_123),
            }
            .into(),
        ],
        started_at: Timestamp::from_millis(1_795_169_730_123),
        first_byte_ms: Some(120),
        duration_ms: 900,
        route: route(),
        candidates: Some(Box::new(candidates())),
        tags: Tags::of(["team:red", "prod"]),
    }
}

/// Two attempts, on two models.
fn route() -> Route {
    let attempt = |deployment: &str, model: &str, ended, status, ms| Attempt {
        deployment: id(deployment),
        model: id(model),
        ended,
        status,
        ms,
    };
    let failed = attempt("gpt-us", "gpt-large", End::failed(Kind::Overloaded), Some(503), 300);
    vec![failed, attempt("gpt-eu", "gpt", End::LEFT, None, 600)].try_into().unwrap()
}

fn candidates() -> Considered {
    let place = |deployment: &str, stands| Place { deployment: id(deployment), score: 9, stands, used_up: true };
    let ranked = vec![place("gpt-us", Stands::Ready), place("gpt-eu", Stands::Probe)];
    Considered { strategy: Strategy::LeastBusy, ranked, more: 1 }
}

fn refused() -> RequestRefused {
    RequestRefused {
        request: RequestId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0002)),
        endpoint: Endpoint::Embeddings,
        key: None,
        requested_model: Some(id("gpt")),
        code: "key_unknown".to_owned(),
        status: 401,
        scope: None,
        count: 9,
    }
}

pub(super) fn activity_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Activity), ActivityWriter::new("gateway-1"));
    let at = Timestamp::from_millis(1_795_169_731_023);
    let batch = writer.batch(&[
        Happened { realm: Some(id("acme")), at, event: Event::RequestSettled(Arc::new(settled())) },
        Happened { realm: None, at, event: Event::RequestRefused(refused()) },
    ]);
    block_on(log.append(batch)).unwrap();
    log
}

/// What was spent elsewhere: in all, and under a name.
pub(super) fn elsewhere_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Activity), ActivityWriter::new("gateway-1"));
    let at = Timestamp::from_millis(1_795_169_731_023);
    let settled = settled();
    let row = |under| DaySpent {
        day: Day::of(at),
        key: settled.key,
        model: settled.model.clone(),
        vendor: settled.vendor.clone(),
        under,
        succeeded: 41,
        failed: 2,
        usage: settled.usage.in_five_classes(),
        cost_nano_usd: NanoUsd::new(123_456_789),
    };
    let rows = vec![row(None), row(Some(Under::EndUser(id("customer 7")))), row(Some(Under::Tag(id("team:red"))))];
    let event = Event::SpentElsewhere(SpentElsewhere { source: id("litellm"), rows });
    block_on(log.append(writer.batch(&[Happened { realm: Some(id("acme")), at, event }]))).unwrap();
    log
}

/// A block is full only when it is large, so its summary is made by hand.
pub(super) fn summary() -> (String, String) {
    let realm = Some(id("acme"));
    let at = Timestamp::from_millis(1_795_169_731_023);
    let record = UsageRecord { realm: realm.clone(), at, ending: Ending::Settled(Arc::new(settled())) };
    let mut open = OpenBlock::new(realm, 3);
    open.push(&record).unwrap();
    open.summary.finish();
    let row = SUMMARIES.encode(&open.summary).unwrap();
    (hex(open.summary.key().as_bytes()), hex(&row))
}
