//! Why a file log takes no appends: the source of an `Unavailable` or `Ambiguous` answer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a file log takes no appends. Cheap to clone: one outage answers many appends.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Outage {
    /// There is no room. Nothing of the refused lines is stored. The next append is tried again.
    #[error("the disk is full: no room for more lines in {}", file.display())]
    Full {
        /// The file that could not grow.
        file: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk failed. Nothing is acknowledged until the log is opened again, so that what it holds is known.
    #[error("the log is sealed until it is opened again: {doing} {} failed", file.display())]
    Sealed {
        /// What was tried, such as `syncing`.
        doing: &'static str,
        /// The file or folder that it was tried on.
        file: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}
