//! Telling the other gateways what is asked of rate limits here, and hearing what is asked of them there.
//!
//! It decides nothing: the book in core does. Nothing waits for it but the start of a gateway, for a moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use prometheus::{IntCounter, IntGauge, Registry};
use tallygate_adapters::nats::broadcast::Broadcast;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::WriterId;
use tallygate_core::portion::{Book, LimitId, Report};
use tallygate_core::scope::Scope;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Limits;
use crate::sealed::Purpose;

/// How often everything is told.
const TICK: Duration = Duration::from_secs(1);
/// How soon after a report the next one may follow that cannot wait for the tick.
const URGENT_GAP: Duration = Duration::from_millis(100);
/// How long after a gateway first hears itself the others have told it everything.
const GREETING: Duration = Duration::from_millis(200);
/// The longest report that is read or sent, in bytes, its MAC included.
const REPORT_MAX_BYTES: usize = 256 * 1024;
const PURPOSE: Purpose = Purpose { name: "tallygate rate report 1", max_bytes: REPORT_MAX_BYTES };

/// What is told of it.
#[derive(Debug)]
pub(crate) struct RateMetrics {
    gateways: IntGauge,
    silence_seconds: IntGauge,
    limits: IntGauge,
    reports_refused: IntCounter,
}

/// What gateways know of one another's demand. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    limits: Arc<Limits>,
    book: Arc<Mutex<Book>>,
    began: Instant,
}

/// Who has how much of one limit.
#[derive(Debug)]
pub(crate) struct Divided {
    pub(crate) limit: LimitId,
    pub(crate) parts: u64,
    /// Gateway, demand, held.
    pub(crate) portions: Vec<(WriterId, u64, u64)>,
}

/// One gateway's part in the exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) broadcast: Broadcast,
    pub(crate) mac: MacKey,
    pub(crate) rates: Rates,
    pub(crate) metrics: RateMetrics,
    /// Set once the others have told what they have.
    pub(crate) ready: watch::Sender<bool>,
    /// Whether the gateway takes no more requests.
    pub(crate) stopped: watch::Receiver<bool>,
}

impl RateMetrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// When one of their names is registered already: a defect.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let reports_refused = IntCounter::new(
            "tallygate_rate_reports_refused_total",
            "Messages about rate limits that no gateway of this installation made.",
        )?;
        registry.register(Box::new(reports_refused.clone()))?;
        let metrics = Self {
            gateways: gauge(
                "tallygate_rate_limit_gateways",
                "Gateways that rate limits are divided among, this one too.",
            )?,
            silence_seconds: gauge(
                "tallygate_rate_limit_silence_seconds",
                "How long ago another gateway told of its rate limits; -1 when there is none.",
            )?,
            limits: gauge("tallygate_rate_limits_divided", "Rate limits that are divided by demand.")?,
            reports_refused,
        };
        metrics.gateways.set(1);
        metrics.silence_seconds.set(-1);
        Ok(metrics)
    }
}

impl Rates {
    /// Of a gateway by its id; a later run of it has a larger number.
    pub(crate) fn new(limits: Arc<Limits>, gateway: WriterId, run: u64) -> Self {
        Self { limits, book: Arc::new(Mutex::new(Book::new(gateway, run))), began: Instant::now() }
    }

    /// How the limits of a scope are divided, as far as they are in use here.
    pub(crate) fn divided(&self, scope: &Scope) -> (Vec<WriterId>, Vec<Divided>) {
        let book = self.book();
        let of = |(limit, parts): (LimitId, u64)| {
            let portions = book.who_has(&limit, parts);
            Divided { limit, parts, portions }
        };
        (book.gateways(), self.limits.parts(scope).into_iter().map(of).collect())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn hear(&self, report: Report) {
        let mut book = self.book();
        let handed = book.hear(report, self.now_ms());
        self.settle(&mut book);
        for (limit, parts) in handed {
            self.limits.take_over(&limit, parts);
        }
    }

    fn note(&self, is_tick: bool) {
        let asked = self.limits.asked(is_tick);
        let mut book = self.book();
        book.note(&asked, is_tick);
        if is_tick {
            book.tick(self.now_ms());
        }
        self.settle(&mut book);
    }

    fn settle(&self, book: &mut Book) {
        self.limits.among(book.gateways());
        book.settle(&mut |limit, portion| self.limits.set(limit, portion));
    }

    /// The next report, as a message.
    fn report(&self, whole: bool, mac: &MacKey) -> Option<Bytes> {
        let mut book = self.book();
        loop {
            let message = PURPOSE.seal(&book.report(whole), mac)?;
            if message.len() <= REPORT_MAX_BYTES || book.is_empty() {
                return Some(message);
            }
            let half = book.len() / 2;
            book.shed(half);
            self.settle(&mut book);
        }
    }
}

/// Waits until it is so, or until nobody can say it any more.
async fn until_set(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|is_set| *is_set).await;
}

impl Exchange {
    /// Tells and hears until it is dropped, or the gateway stops.
    pub(crate) async fn run(self) {
        let Ok(mut heard) = self.broadcast.listen().await else { return };
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut may_speak_at, mut ready_at) = (Instant::now(), None);
        let mut stopped = self.stopped.clone();
        loop {
            let is_urgent = self.rates.book().is_urgent();
            tokio::select! {
                message = heard.next() => match message {
                    Some(message) => self.hear(&message),
                    // The connection is closed for good.
                    None => return,
                },
                _ = tick.tick() => {
                    self.rates.note(true);
                    self.measure();
                    self.say(true).await;
                    may_speak_at = Instant::now() + URGENT_GAP;
                }
                () = self.refused(may_speak_at), if !is_urgent => self.rates.note(false),
                () = tokio::time::sleep_until(may_speak_at), if is_urgent => {
                    self.say(false).await;
                    may_speak_at = Instant::now() + URGENT_GAP;
                }
                () = tokio::time::sleep_until(ready_at.unwrap_or(may_speak_at)), if ready_at.is_some() => {
                    self.ready.send_replace(true);
                    ready_at = None;
                }
                () = until_set(&mut stopped) => return self.farewell().await,
            }
            if ready_at.is_none() && !*self.ready.borrow() && self.rates.book().hears_itself(self.rates.now_ms()) {
                ready_at = Some(Instant::now() + GREETING);
            }
        }
    }

    fn hear(&self, message: &Bytes) {
        match PURPOSE.open(message, &self.mac) {
            Some(report) => self.rates.hear(report),
            None => self.metrics.reports_refused.inc(),
        }
    }

    /// Waits until a request is refused, but not more often than reports may be sent.
    async fn refused(&self, not_before: Instant) {
        tokio::time::sleep_until(not_before).await;
        match &self.rates.limits.division {
            Some(division) => division.refused().await,
            None => std::future::pending().await,
        }
    }

    async fn say(&self, whole: bool) {
        if let Some(message) = self.rates.report(whole, &self.mac) {
            self.broadcast.send(message).await;
        }
    }

    async fn farewell(&self) {
        let farewell = self.rates.book().farewell();
        if let Some(message) = PURPOSE.seal(&farewell, &self.mac) {
            self.broadcast.send(message).await;
        }
    }

    fn measure(&self) {
        let book = self.rates.book();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let silence = book.silence_ms(self.rates.now_ms()).map(|ms| ms / 1_000);
        self.metrics.gateways.set(count(book.gateways().len()));
        self.metrics.silence_seconds.set(silence.map_or(-1, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX)));
        self.metrics.limits.set(count(book.len()));
    }
}
