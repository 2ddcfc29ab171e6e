//! Making views again from a log, beside the live ones: to check those, or to look back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::{Entry, EventLog};
use tallygate_core::stream::{Head, Log, Offset, Position};
use tallygate_core::time::Timestamp;
use tokio::sync::watch;

use crate::activity_view::{ActivityView, Positions, Published};
use crate::digest::{StateDigest, digest_of};
use crate::fold::{activity_rows, control_rows};
use crate::follow::control_reader::{ControlCheckpoint, ControlReader};
use crate::follow::pump::{Fold, Reader};
use crate::follow::{FollowError, Health};
use crate::follower::Followed as _;
use crate::metrics::Metrics;
use crate::store::{Layout, Settings, SharedStore, Store, StoreError, Writes};
use crate::view::key_list::KeyList;
use crate::view::keys::KeysBefore;

/// Entries that are read at once.
const READ_ENTRIES: usize = 4_096;
/// The most memory for pages, in bytes.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Rows are written when so many bytes of them are in memory. Few large writes are faster: each writes a leaf once.
const WRITE_BYTES: usize = 64 * 1024 * 1024;

/// How far back to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// To the end of the log.
    End,
    /// To a position. In the midst of a command: to before the command, since nobody ever saw half of one.
    Position(Position),
    /// To before the first event that was decided after a time.
    Time(Timestamp),
}

/// What was allowed at some moment.
#[derive(Debug, Clone)]
pub struct AsOf {
    /// The state, with all its rows.
    pub control: Control,
    /// The last event that is in it.
    pub head: Head,
    /// When that was decided.
    pub at: Timestamp,
}

/// Why views could not be made again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The folder to make them in holds something.
    #[error("the folder {} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The log or the disk failed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// A metric could not be made: a defect.
    #[error("the metrics could not be made")]
    Metrics(#[from] prometheus::Error),
}

/// The state of the control log at a moment, with all its rows in memory. Without a key, forged lines are taken for
/// true.
///
/// # Errors
/// [`ReplayError`].
///
/// # Cancellation
/// May be dropped at any time.
pub async fn as_of(log: &dyn EventLog, key: Option<&MacKey>, moment: Moment) -> Result<AsOf, ReplayError> {
    let mut reader = ControlReader::new(ControlCheckpoint::START, key.cloned(), Metrics::new()?.of(Log::Control));
    let mut state = AsOf { control: Control::default(), head: Head::EMPTY, at: Timestamp::default() };
    let mut entries = Entries::of(log).await?;
    while let Some(read) = entries.next().await? {
        for entry in &read {
            reader.push(entry).map_err(FollowError::from)?;
            // Commands are folded one by one: the moment may lie behind any of them.
            let Some(group) = reader.take() else { continue };
            for item in &group.items {
                let is_later = match moment {
                    Moment::End => false,
                    Moment::Position(position) => item.end_of_command() > position,
                    Moment::Time(time) => item.at() > time,
                };
                if is_later {
                    return Ok(state);
                }
                item.evolve(&mut state.control);
                state.at = item.at();
            }
            state.head = group.checkpoint.head();
        }
    }
    Ok(state)
}

/// Makes the views of the control log again, in an empty folder: all of it is folded in memory, and what remains is
/// written once. Gives the digest and where the log then ended.
///
/// # Errors
/// [`ReplayError`]. The folder is of no use then.
pub async fn rebuild_control(
    log: &dyn EventLog,
    key: Option<&MacKey>,
    into: &Path,
) -> Result<(Head, StateDigest), ReplayError> {
    let store = empty_store(into, Log::Control, control_rows::LAYOUT)?;
    let mut reader = ControlReader::new(ControlCheckpoint::START, key.cloned(), Metrics::new()?.of(Log::Control));
    let (mut control, mut at, mut checkpoint) = (Control::default(), Timestamp::default(), ControlCheckpoint::START);
    let mut entries = Entries::of(log).await?;
    while let Some(read) = entries.next().await? {
        read.iter().try_for_each(|entry| reader.push(entry)).map_err(FollowError::from)?;
        let Some(group) = reader.take() else { continue };
        for item in &group.items {
            item.evolve(&mut control);
            at = item.at();
        }
        checkpoint = group.checkpoint;
    }
    let mut write = || {
        let mut writes = Writes::default();
        let mut list = KeyList::default();
        control_rows::write(&mut control, &KeysBefore::default(), &mut list, &store, &mut writes)?;
        control_rows::write_checkpoint(checkpoint, at, &mut writes)?;
        store.apply(writes);
        store.write_out()?;
        digest_of(&store)
    };
    Ok((checkpoint.head(), write().map_err(|source| failed(Log::Control, source))?))
}

/// Makes the views of the activity log again, in an empty folder, as a follower does. Gives the digest and where each
/// chain then ended.
///
/// # Errors
/// [`ReplayError`]. The folder is of no use then.
pub async fn rebuild_activity(
    log: &dyn EventLog,
    key: Option<&MacKey>,
    into: &Path,
) -> Result<(Positions, StateDigest), ReplayError> {
    let store = empty_store(into, Log::Activity, activity_rows::LAYOUT)?;
    let failed = |source| failed(Log::Activity, source);
    let health = Arc::new(watch::Sender::new(Health::Idle));
    let published = Published::new(Arc::clone(&store), health, Metrics::new()?.of(Log::Activity)).map_err(failed)?;
    let published = Arc::new(published);
    let resumed = published.resume(key.cloned()).map_err(failed)?;
    fold_to_end(log, resumed.reader, resumed.fold).await?;
    store.write_out().map_err(failed)?;
    Ok(ActivityView::new(published).digest().map_err(failed)?)
}

/// Folds a log from its beginning to where it ended when this began. Blocks between entries.
pub(crate) async fn fold_to_end<R: Reader, F: Fold<Group = R::Group>>(
    log: &dyn EventLog,
    mut reader: R,
    mut fold: F,
) -> Result<(), FollowError> {
    let name = log.log();
    let mut entries = Entries::of(log).await?;
    while let Some(read) = entries.next().await? {
        let (group, damage) = reader.read(&read);
        if let Some(group) = group {
            fold.fold(group).map_err(|source| failed(name, source))?;
        }
        if let Some(damage) = damage {
            return Err(damage.into());
        }
    }
    Ok(())
}

/// The digest of the stored views of the control log, and their position. No gateway may have them open, and they are
/// left as they are.
///
/// # Errors
/// [`StoreError`], also when there are none.
pub fn stored_control_digest(views: &Path) -> Result<(Head, StateDigest), StoreError> {
    let (store, beginning) = stored(views, Log::Control, control_rows::LAYOUT, control_rows::read)?;
    Ok((beginning.checkpoint.head(), digest_of(&store)?))
}

/// The digest of the stored views of the activity log, and their positions. No gateway may have them open, and they are
/// left as they are.
///
/// # Errors
/// [`StoreError`], also when there are none.
pub fn stored_activity_digest(views: &Path) -> Result<(Positions, StateDigest), StoreError> {
    let (store, beginning) = stored(views, Log::Activity, activity_rows::LAYOUT, activity_rows::read)?;
    let positions = beginning.tips.into_iter().map(|(chain, tip)| (chain, tip.head().position)).collect();
    Ok((positions, digest_of(&store)?))
}

fn stored<T>(
    views: &Path,
    log: Log,
    layout: Layout,
    first: impl Fn(&Store) -> Result<T, StoreError>,
) -> Result<(Store, T), StoreError> {
    let dir = views.join(log.name());
    if !dir.is_dir() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(StoreError::Io { what: "opening the views in", path: dir, source });
    }
    Store::open_as_it_is(&dir, &Settings { layout, cache_bytes: CACHE_BYTES, write_bytes: WRITE_BYTES }, &first)
}

fn empty_store(into: &Path, log: Log, layout: Layout) -> Result<SharedStore, ReplayError> {
    let dir = into.join(log.name());
    if dir.exists() {
        return Err(ReplayError::NotEmpty(dir));
    }
    let settings = Settings { layout, cache_bytes: CACHE_BYTES, write_bytes: WRITE_BYTES };
    let (store, ()) = Store::open_as_it_is(&dir, &settings, &|_| Ok(())).map_err(|source| failed(log, source))?;
    Ok(Arc::new(store))
}

fn failed(log: Log, source: StoreError) -> FollowError {
    FollowError::Store { log, source }
}

/// The entries of a log up to where it ended at the beginning.
struct Entries<'a> {
    log: &'a dyn EventLog,
    after: Offset,
    end: Offset,
}

impl<'a> Entries<'a> {
    async fn of(log: &'a dyn EventLog) -> Result<Self, FollowError> {
        let end = log.end().await.map_err(|source| FollowError::Log { log: log.log(), source })?;
        Ok(Self { log, after: Offset::START, end })
    }

    async fn next(&mut self) -> Result<Option<Vec<Entry>>, FollowError> {
        if self.after >= self.end {
            return Ok(None);
        }
        let read = self.log.read(self.after, READ_ENTRIES).await;
        let mut entries = read.map_err(|source| FollowError::Log { log: self.log.log(), source })?;
        entries.retain(|entry| entry.offset <= self.end);
        let Some(last) = entries.last() else { return Ok(None) };
        self.after = last.offset;
        Ok(Some(entries))
    }
}
