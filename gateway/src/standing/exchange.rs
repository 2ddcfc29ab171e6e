//! Telling the other gateways where this one is, and hearing where they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tallygate_adapters::nats::broadcast::Broadcast;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::WriterId;
use tallygate_core::port::BoxStream;
use tallygate_core::stream::Position;
use tallygate_projections::{ControlView, Views};
use tokio::time::MissedTickBehavior;

use super::Standing;
use super::claim::{Claim, StateClaim};
use super::peers::{Own, Peers, Verdict};

/// How often a gateway says where it is.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// So often a gateway that has stopped goes on to contradict. Of two that contradict each other neither knows who is right:
/// both stop, and the later one must have been contradicted twice before the earlier one falls silent.
const LAST_WORDS: u32 = 4;
/// How often the rows are summed up at most, if the log has moved.
const DIGEST_EVERY: Duration = Duration::from_secs(60);
/// Beyond this position the rows are summed up on demand only: it takes longer than commands should wait for.
const DIGEST_POSITION_MAX: Position = Position::new(20_000);

/// One gateway's part in the exchange.
pub(crate) struct Exchange {
    pub(crate) broadcast: Broadcast,
    pub(crate) gateway: WriterId,
    pub(crate) mac: MacKey,
    pub(crate) views: Views,
    pub(crate) standing: Arc<Standing>,
}

impl Exchange {
    /// Tells and hears until it is dropped.
    pub(crate) async fn run(self) {
        let Ok(mut heard) = self.broadcast.listen().await else { return };
        let (mut peers, mut state, mut digested_at) = (Peers::default(), None, None);
        let mut last_words = LAST_WORDS;
        let mut tick = tokio::time::interval(SAY_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = next(&mut heard) => self.hear(&mut peers, &message),
                _ = tick.tick() => {
                    if digested_at.is_none_or(|at: Instant| at.elapsed() >= DIGEST_EVERY) {
                        (state, digested_at) = (self.digest(state).await, Some(Instant::now()));
                    }
                    if self.standing.divergence().is_some() {
                        last_words = last_words.saturating_sub(1);
                    }
                    self.say(state, last_words > 0).await;
                    self.judge(&mut peers, state);
                }
            }
        }
    }

    fn hear(&self, peers: &mut Peers, message: &Bytes) {
        match Claim::open(message, &self.mac) {
            Some(claim) if claim.gateway == self.gateway => {}
            Some(claim) => peers.hear(claim, Instant::now()),
            None => self.standing.metrics().claims_refused.inc(),
        }
    }

    /// The digest of the rows; the one before where the log has not moved, or has grown too long for it.
    async fn digest(&self, before: Option<StateClaim>) -> Option<StateClaim> {
        let position = self.views.control.position();
        if position > DIGEST_POSITION_MAX || before.is_some_and(|state| state.position == position) {
            return before;
        }
        let control = self.views.control.clone();
        let (head, rows) = tokio::task::spawn_blocking(move || control.digest()).await.ok()?.ok()?;
        Some(StateClaim { position: head.position, digest: rows.digest, layout: ControlView::layout() })
    }

    async fn say(&self, state: Option<StateClaim>, serves: bool) {
        let head = self.views.control.snapshot().head;
        let claim = Claim { gateway: self.gateway.clone(), head, state, serves };
        if let Some(message) = claim.seal(&self.mac) {
            self.broadcast.send(message).await;
        }
    }

    fn judge(&self, peers: &mut Peers, state: Option<StateClaim>) {
        let (now, metrics) = (Instant::now(), self.standing.metrics());
        metrics.peers.set(i64::try_from(peers.count(now)).unwrap_or(i64::MAX));
        let hash_at = |position| self.views.control.hash_at(position);
        match peers.judge(&Own { hash_at: &hash_at, state }, now) {
            Verdict::Agreed => {}
            Verdict::Contradicted(what) => {
                metrics.contradictions.inc();
                tracing::error!(what, "another gateway contradicts this one: the log may have split");
            }
            Verdict::Diverged(what) => {
                metrics.contradictions.inc();
                if self.standing.divergence().is_none() {
                    self.standing.diverge(what);
                }
            }
        }
    }
}

/// The next message; none for ever once the connection was closed for good.
async fn next(heard: &mut BoxStream<'static, Bytes>) -> Bytes {
    match heard.next().await {
        Some(message) => message,
        None => std::future::pending().await,
    }
}
