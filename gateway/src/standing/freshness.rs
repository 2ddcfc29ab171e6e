//! Asking the log, again and again, whether the views hold all of it.
//!
//! A tail that is silent may have nothing to say or be cut off. So the log is asked where it ends, and the state is as old
//! as the last question whose answer the views have come to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::ChainId;
use tallygate_projections::Views;
use tokio::time::timeout;

use super::Standing;

const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long an answer, and the views behind it, may take. Then it is asked anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks until it is dropped.
pub(crate) async fn keep(standing: Arc<Standing>, log: Arc<dyn EventLog>, views: Views) {
    let chain = ChainId::control();
    loop {
        let asked = Instant::now();
        let reached = async {
            let end = log.head(&chain).await.ok()?.position;
            views.control.wait_for(end).await.ok()
        };
        if let Ok(Some(())) = timeout(PATIENCE, reached).await {
            standing.was_fresh_at(asked);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
