//! Telling the other gateways which agents are connected here, and hearing which are connected there.
//!
//! What has changed is told at once, and not more often than ten times a second; all of it every ten seconds, and whenever
//! a gateway is heard for the first time. Nothing waits for it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use prometheus::{IntCounter, IntGauge, Registry};
use tallygate_adapters::nats::broadcast::Broadcast;
use tallygate_core::envelope::MacKey;
use tokio::time::{Instant, MissedTickBehavior};

use super::Hub;
use super::connection::stopped;
use super::report::{News, PURPOSE, Report};

/// How often all agents are told.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// How soon after a report the next one may follow.
const GAP: Duration = Duration::from_millis(100);

/// What is told of it.
#[derive(Debug)]
pub(crate) struct PresenceMetrics {
    elsewhere: IntGauge,
    reports_refused: IntCounter,
}

/// One gateway's part in the exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) broadcast: Broadcast,
    pub(crate) mac: MacKey,
    pub(crate) hub: Hub,
    /// A later run of this gateway has a larger number.
    pub(crate) run: u64,
    pub(crate) metrics: PresenceMetrics,
}

/// What is left to say.
#[derive(Debug, Default)]
struct Speech {
    /// The number of the last report.
    number: u64,
    /// Whether a gateway has come that must be told everything.
    greets: bool,
    /// Whether this gateway has heard what it says itself.
    is_heard: bool,
    /// Whether it was told that it has not.
    is_warned_of: bool,
}

impl PresenceMetrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// When one of their names is registered already: a defect.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let elsewhere =
            IntGauge::new("tallygate_agents_elsewhere", "Agents that are connected to other gateways, as these say.")?;
        registry.register(Box::new(elsewhere.clone()))?;
        let reports_refused = IntCounter::new(
            "tallygate_agent_reports_refused_total",
            "Messages about connected agents that no gateway of this installation made.",
        )?;
        registry.register(Box::new(reports_refused.clone()))?;
        Ok(Self { elsewhere, reports_refused })
    }
}

impl Exchange {
    /// Tells and hears until it is dropped, or the gateway stops.
    pub(crate) async fn run(self) {
        let Ok(mut heard) = self.broadcast.listen().await else { return };
        let mut list = tokio::time::interval(LIST_EVERY);
        list.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut speech, mut may_speak_at) = (Speech::default(), Instant::now());
        let mut stop = self.hub.stop();
        loop {
            tokio::select! {
                message = heard.next() => match message {
                    Some(message) => self.hear(&message, &mut speech),
                    // The connection is closed for good.
                    None => return,
                },
                _ = list.tick() => {
                    speech.greets = true;
                    speech.check();
                    self.metrics.elsewhere.set(i64::try_from(self.hub.forget_silent()).unwrap_or(i64::MAX));
                }
                () = self.has_news(may_speak_at, speech.greets) => {
                    self.speak(&mut speech).await;
                    may_speak_at = Instant::now() + GAP;
                }
                () = stopped(&mut stop) => return self.farewell(&mut speech).await,
            }
        }
    }

    fn hear(&self, message: &Bytes, speech: &mut Speech) {
        let Some(report) = PURPOSE.open::<Report>(message, &self.mac) else {
            self.metrics.reports_refused.inc();
            return;
        };
        speech.is_heard |= (&report.gateway, report.run) == (self.hub.gateway(), self.run);
        speech.greets |= self.hub.hear(report);
    }

    /// Waits until there is something to say and it may be said.
    async fn has_news(&self, not_before: Instant, greets: bool) {
        tokio::time::sleep_until(not_before).await;
        if !greets {
            self.hub.has_news().await;
        }
    }

    /// Says what is new, and then everything if that is due: who entered must be told so, and a list does not.
    async fn speak(&self, speech: &mut Speech) {
        if let Some(news) = self.hub.news() {
            self.say(speech, news).await;
        }
        if std::mem::take(&mut speech.greets) {
            self.say(speech, self.hub.list()).await;
        }
    }

    async fn say(&self, speech: &mut Speech, news: News) {
        for news in news.in_pieces() {
            self.send(speech, false, news).await;
        }
    }

    async fn farewell(&self, speech: &mut Speech) {
        self.send(speech, true, News::default()).await;
    }

    async fn send(&self, speech: &mut Speech, stops: bool, news: News) {
        speech.number += 1;
        let report = Report { gateway: self.hub.gateway().clone(), run: self.run, number: speech.number, stops, news };
        if let Some(message) = PURPOSE.seal(&report, &self.mac) {
            self.broadcast.send(message).await;
        }
    }
}

impl Speech {
    /// Warns, once, where nobody may hear what is said: at least this gateway does not.
    fn check(&mut self) {
        if self.number > 0 && !self.is_heard && !self.is_warned_of {
            tracing::warn!("this gateway does not hear its own word of agents: others may not know which it has");
            self.is_warned_of = true;
        }
    }
}
