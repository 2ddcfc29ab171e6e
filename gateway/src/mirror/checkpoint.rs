//! How far the mirror is, in the data folder: written whole or not at all, and bound to the log and to the proxy. For another
//! log, or another proxy, it begins anew.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tallygate_core::port::event_log::{EventLog, LogError};
use tallygate_core::stream::Offset;

use super::intake::Place;
use super::status::NotMirrored;
use super::target::Target;
use crate::data_folder;

const SCHEMA: u16 = 1;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    schema: u16,
    /// The proxy's address.
    proxy: String,
    /// All up to here is carried over.
    pub(super) place: Place,
    /// What could not be.
    pub(super) not_mirrored: Vec<(Target, NotMirrored)>,
}

impl Checkpoint {
    pub(super) fn new(proxy: &str, place: Place, not_mirrored: Vec<(Target, NotMirrored)>) -> Self {
        Self { schema: SCHEMA, proxy: proxy.to_owned(), place, not_mirrored }
    }

    /// What was kept for this proxy; none if there is nothing, or nothing that this version can read.
    pub(super) fn load(path: &Path, proxy: &str) -> Option<Self> {
        let kept: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (kept.schema == SCHEMA && kept.proxy == proxy).then_some(kept)
    }

    /// Keeps it. What is kept is in place of what was, or that stays.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn save(&self, path: &Path) -> std::io::Result<()> {
        data_folder::replace(path, &serde_json::to_string(self)?)
    }

    /// Whether it was made of this log: the line that it ends at is there.
    ///
    /// # Errors
    /// [`LogError`]: it cannot be found out now. A log that is shorter is another one.
    pub(super) async fn is_of(&self, log: &dyn EventLog) -> Result<bool, LogError> {
        let Place { offset, line, .. } = self.place;
        if offset == Offset::START {
            return Ok(true);
        }
        match log.read(Offset::new(offset.get() - 1), 1).await {
            Ok(found) => Ok(found.first().is_some_and(|entry| entry.lines.iter().any(|found| found.hash() == line))),
            Err(LogError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::stream::{Offset, Position};
    use tallygate_core::testing::samples::id;

    use super::super::intake::Place;
    use super::super::status::NotMirrored;
    use super::super::target::Target;
    use super::Checkpoint;

    #[test]
    fn it_is_kept_for_its_proxy_alone_and_what_cannot_be_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mirror.json");
        assert_eq!(Checkpoint::load(&path, "http://one"), None);
        let place = Place { offset: Offset::new(7), position: Position::new(5), ..Place::START };
        let not = NotMirrored { reason: "why".to_owned(), position: Position::new(3) };
        let kept = Checkpoint::new("http://one", place, vec![(Target::Team(id("acme")), not)]);
        kept.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path, "http://one"), Some(kept));
        assert_eq!(Checkpoint::load(&path, "http://other"), None);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Checkpoint::load(&path, "http://one"), None);
    }
}
