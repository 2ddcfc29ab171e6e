//! A follower: a log is followed into a store, and on after the store has failed.
//!
//! A disk that takes no rows lets the follower go on in memory; when that is full it waits, and goes on where the store's
//! rows end. A store that cannot be trusted any more is made again from the log, in an empty folder, while readers keep
//! what is in memory.

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Shared;
use prometheus::IntGauge;
use tallygate_core::digest::Digest;
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::{Log, Offset};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Says whether the disk takes the rows, whichever store the view has. Never done.
async fn tell_of_disk<V: Followed>(view: &V, waiting: &IntGauge) -> Infallible {
    loop {
        let mut condition = view.store().condition();
        loop {
            waiting.set(i64::from(condition.borrow_and_update().is_failing()));
            // The store was exchanged for another when its sender is gone.
            if condition.changed().await.is_err() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;

use crate::follow::pump::{Fold, Pump, Reader};
use crate::follow::{FollowError, Health};
use crate::metrics::LogMetrics;
use crate::replay::fold_to_end;
use crate::store::{Condition, Layout, Settings, SharedStore, Store, StoreError, WriterThread};

/// How long to wait before a store that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What a log is followed into: a store, and what is published from it.
pub(crate) trait Followed: Send + Sync + Sized + 'static {
    type Reader: Reader;
    type Fold: Fold<Group = <Self::Reader as Reader>::Group>;

    const LOG: Log;
    const LAYOUT: Layout;

    /// Reads what a follower begins with.
    fn check(store: &Store) -> Result<(), StoreError>;

    /// The store.
    fn store(&self) -> SharedStore;

    /// What goes on where the rows of the store end.
    fn resume(self: &Arc<Self>, mac: Option<MacKey>) -> Result<Resumed<Self::Reader, Self::Fold>, StoreError>;

    /// The like of this over another store, that nobody reads.
    fn beside(&self, store: SharedStore) -> Result<Self, StoreError>;

    /// Publishes what another store holds, and forgets this one.
    fn exchange(&self, store: SharedStore) -> Result<(), StoreError>;
}

/// What goes on where rows end.
#[derive(Debug)]
pub(crate) struct Resumed<R, F> {
    pub(crate) reader: R,
    pub(crate) fold: F,
    /// The last entry that was folded, and its last line.
    pub(crate) offset: Offset,
    pub(crate) last_line: Digest,
}

/// How a log is followed.
#[derive(Debug, Clone)]
pub(crate) struct Following {
    pub(crate) source: Arc<dyn EventLog>,
    pub(crate) mac: MacKey,
    pub(crate) dir: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) group_lines: usize,
    pub(crate) linger: Duration,
    pub(crate) health: Arc<watch::Sender<Health>>,
    pub(crate) metrics: LogMetrics,
}

/// A follower that was not started yet.
#[derive(Debug)]
pub(crate) struct Follower<V> {
    pub(crate) following: Following,
    pub(crate) view: Arc<V>,
    pub(crate) writer: WriterThread,
}

impl<V: Followed> Follower<V> {
    /// Follows the log until `shutdown` is done. What was folded is written before this returns.
    ///
    /// # Errors
    /// [`FollowError`], which the health tells too.
    pub(crate) async fn run<S>(mut self, shutdown: Shared<S>) -> Result<(), Arc<FollowError>>
    where
        S: Future<Output = ()> + Send,
    {
        let (view, waiting) = (Arc::clone(&self.view), self.following.metrics.waiting_for_disk.clone());
        let result = tokio::select! {
            result = self.follow(&shutdown) => result.map_err(Arc::new),
            never = tell_of_disk(view.as_ref(), &waiting) => match never {},
        };
        let Following { health, metrics, .. } = &self.following;
        metrics.following.set(0);
        waiting.set(0);
        match &result {
            Ok(()) => health.send_replace(Health::Closed),
            Err(error) => {
                tracing::error!(error = error.as_ref() as &dyn std::error::Error, "the views are followed no more");
                health.send_replace(Health::Stopped(Arc::clone(error)))
            }
        };
        // Waits for the disk, so not on a thread of the runtime. It can only be cancelled with the runtime itself.
        let _ = spawn_blocking(move || drop(self.writer)).await;
        result
    }

    async fn follow<S: Future<Output = ()> + Send>(&mut self, shutdown: &Shared<S>) -> Result<(), FollowError> {
        loop {
            self.tell_disk();
            let failed = match self.pump().await? {
                Ok(pump) => match pump.run(self.lost_or(shutdown)).await {
                    Err(FollowError::Store { source, .. }) => Some(source),
                    Err(error) => return Err(error),
                    Ok(()) if shutdown.peek().is_some() => return Ok(()),
                    Ok(()) => None,
                },
                Err(failed) => Some(failed),
            };
            let why = failed.map_or_else(|| "they cannot be trusted any more".to_owned(), |error| error.to_string());
            tracing::warn!(log = %V::LOG, why, "the views are not followed until their store is well again");
            self.following.metrics.following.set(0);
            self.tell_disk();
            self.following.health.send_replace(Health::Recovering(Arc::from(why)));
            tokio::select! {
                () = shutdown.clone() => return Ok(()),
                recovered = self.recover() => recovered?,
            }
        }
    }

    /// Says whether the disk takes the rows, before the health says that it did or does again: who reads of the one must not
    /// find the other as it was.
    fn tell_disk(&self) {
        let is_failing = self.view.store().condition().borrow().is_failing();
        self.following.metrics.waiting_for_disk.set(i64::from(is_failing));
    }

    /// Done when the follower must stop, or when the store is lost.
    fn lost_or<S: Future<Output = ()> + Send>(&self, shutdown: &Shared<S>) -> impl Future<Output = ()> + Send {
        let (mut condition, shutdown) = (self.view.store().condition(), shutdown.clone());
        async move {
            tokio::select! {
                () = shutdown => {}
                Ok(_) = condition.wait_for(|condition| matches!(condition, Condition::Lost(_))) => {}
            }
        }
    }

    /// What goes on where the rows of the store end.
    async fn pump(&self) -> Result<Result<Pump<V::Reader, V::Fold>, StoreError>, FollowError> {
        let (view, mac) = (Arc::clone(&self.view), self.following.mac.clone());
        let resumed = spawn_blocking(move || view.resume(Some(mac))).await;
        let resumed = resumed.map_err(|_| FollowError::Panicked { log: V::LOG })?;
        Ok(resumed.map(|Resumed { reader, fold, offset, .. }| {
            let Following { source, group_lines, linger, health, metrics, .. } = self.following.clone();
            Pump { source, offset, reader, fold, group_lines, linger, health, metrics }
        }))
    }

    /// Waits until the store takes rows again, or makes it again.
    async fn recover(&mut self) -> Result<(), FollowError> {
        loop {
            let mut condition = self.view.store().condition();
            let now = condition.borrow_and_update().clone();
            match now {
                Condition::Well => {
                    // What failed was not a write; and the store was not lost by it.
                    tokio::time::sleep(RETRY_AFTER).await;
                    return Ok(());
                }
                Condition::Failing(_) => {
                    // The sender lives as long as the store, which is held here.
                    let _ = condition.wait_for(|condition| !matches!(condition, Condition::Failing(_))).await;
                    if matches!(*condition.borrow(), Condition::Well) {
                        return Ok(());
                    }
                }
                Condition::Lost(_) => match self.make_again().await {
                    Ok(()) => return Ok(()),
                    Err(error @ FollowError::Damaged(_)) => return Err(error),
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            log = %V::LOG, "the views cannot be made again yet"
                        );
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                },
            }
        }
    }

    /// Makes the views again in an empty store, and publishes it.
    async fn make_again(&mut self) -> Result<(), FollowError> {
        let failed = |source| FollowError::Store { log: V::LOG, source };
        let panicked = |_| FollowError::Panicked { log: V::LOG };
        tracing::warn!(log = %V::LOG, "the views are made again from the log");
        self.following.metrics.rebuilds.inc();
        let (old, view) = (self.view.store(), Arc::clone(&self.view));
        let (dir, settings) = (self.following.dir.clone(), self.following.settings);
        let opened = spawn_blocking(move || {
            old.give_up();
            let store = Arc::new(Store::replace(&dir, &settings)?);
            let writer = WriterThread::start(Arc::clone(&store))?;
            Ok((Arc::new(view.beside(Arc::clone(&store))?), store, writer))
        });
        let (beside, store, writer) = opened.await.map_err(panicked)?.map_err(failed)?;
        let resumed = beside.resume(Some(self.following.mac.clone())).map_err(failed)?;
        let (source, runtime) = (Arc::clone(&self.following.source), tokio::runtime::Handle::current());
        let folded =
            spawn_blocking(move || runtime.block_on(fold_to_end(source.as_ref(), resumed.reader, resumed.fold)));
        folded.await.map_err(panicked)??;
        let view = Arc::clone(&self.view);
        spawn_blocking(move || view.exchange(store)).await.map_err(panicked)?.map_err(failed)?;
        let old_writer = std::mem::replace(&mut self.writer, writer);
        spawn_blocking(move || drop(old_writer)).await.map_err(panicked)
    }
}
