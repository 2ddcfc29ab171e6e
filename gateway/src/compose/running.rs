//! A gateway that serves, and how it ends: requests first, then what they left to write, then the logs.

use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::EventLog;

use super::{Running, SHUT_DOWN, Spine};

impl Running {
    /// The control log, and the key that its lines are authenticated under.
    pub(crate) fn control_log(&self) -> (&dyn EventLog, &MacKey) {
        (self.spine.logs.control.as_ref(), &self.mac)
    }

    /// Serves until the process is asked to stop, then ends requests, writes what happened, and closes the logs.
    pub(crate) async fn until_stopped(mut self, asked: impl Future<Output = ()>) {
        tokio::select! {
            () = asked => {}
            _ = &mut self.server => {}
        }
        self.shut_down().await;
    }

    async fn shut_down(self) {
        let Self { app, stop, server, clientless: (clientless, drain), keeper, doors, spine, .. } = self;
        let until = tokio::time::Instant::now() + drain;
        stop.send_replace(true);
        doors.close().await;
        if !server.is_finished() {
            let _ = server.await;
        }
        if tokio::time::timeout_at(until, clientless.until_none()).await.is_err() {
            tracing::warn!(
                requests = clientless.count(),
                "requests without clients still ran: what they cost is not known"
            );
        }
        if let Some(keeper) = keeper {
            let _ = tokio::task::spawn_blocking(move || keeper.end()).await;
        }
        let Spine { logs, views, chain, activity, commands, decider, writer, .. } = spine;
        let Spine { leasing, stop_leases, followers, stop_followers, data, .. } = spine;
        drop((app, spine.watching));
        drop(commands);
        let _ = tokio::time::timeout(SHUT_DOWN, decider).await;
        stop_leases.send_replace(true);
        let _ = tokio::time::timeout(SHUT_DOWN, leasing).await;
        let books = activity.outbox().take_books();
        let _ = tokio::task::spawn_blocking(move || drop(books)).await;
        activity.close();
        let _ = tokio::time::timeout(SHUT_DOWN, writer).await;
        // So that the next start finds its views where the log ends.
        let _ = tokio::time::timeout(SHUT_DOWN, views.activity.wait_for(&chain, activity.promised())).await;
        activity.outbox().end();
        let _ = stop_followers.send(());
        let _ = tokio::time::timeout(SHUT_DOWN, followers).await;
        logs.close().await;
        drop(data);
    }
}
