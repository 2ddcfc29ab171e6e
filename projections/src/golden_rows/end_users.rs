//! Samples of end users, of tags, of budgets of models, and of named budgets.

use tallygate_core::budget::{AttachBudget, CarrySpend};
use tallygate_core::end_user::{EndUserRef, RegisterEndUser};
use tallygate_core::model_pattern::{Allowed, ModelPattern};
use tallygate_core::money::NanoUsd;
use tallygate_core::named_budget::RegisterNamedBudget;
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Log;
use tallygate_core::tag::RegisterTag;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id};
use tallygate_core::time::Period;

use super::control::{budget, limits};

/// A log of a realm with an end user, a tag and a budget of a model.
pub(super) fn end_users_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Control), ControlWriter::new());
    let batches = [
        writer.command(samples::register_realm("acme")),
        writer.command(budget(Scope::Model(id("acme"), id("gpt")))),
        writer.command(RegisterEndUser {
            end_user: id("customer 7"),
            realm: Some(id("acme")),
            alias: Some("Seven".to_owned()),
            limits: limits(),
        }),
        writer.command(RegisterNamedBudget {
            budget: id("free tier"),
            limits: budget(Scope::Gateway).limits,
            rates: limits(),
            told_at_nano_usd: Some(NanoUsd::new(40)),
        }),
        writer.command(AttachBudget {
            scope: Scope::EndUser(EndUserRef { realm: Some(id("acme")), id: id("customer 7") }),
            budget: id("free tier"),
        }),
        writer.command(RegisterTag {
            tag: id("prod"),
            realm: Some(id("acme")),
            description: Some("Production".to_owned()),
            models: Allowed::Only([ModelPattern::exactly(id("gpt"))].into()),
            limits: limits(),
        }),
        writer.command(CarrySpend {
            scope: Scope::Model(id("acme"), id("gpt")),
            period: Period::Total,
            ends_at: None,
            source: "litellm".to_owned(),
            spent_nano_usd: NanoUsd::new(2_250_000_000),
        }),
    ];
    for batch in batches {
        block_on(log.append(batch)).unwrap();
    }
    log
}
