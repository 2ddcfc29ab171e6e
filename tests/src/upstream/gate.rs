//! A gate that the test holds: chunks pass one by one, when the test says so.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Shared by the test and the replies that it holds back. Closed at first.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets so many chunks pass, now or when they come.
    pub fn pass(&self, chunks: usize) {
        self.0.add_permits(chunks);
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.0.close();
    }

    /// Waits to pass.
    pub(crate) async fn wait(&self) {
        // A closed semaphore is an open gate: nobody waits there any more.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}
