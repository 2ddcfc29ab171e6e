//! What the control log means now: the snapshot that requests read, keys on demand, lists, receipts, and the state that
//! commands are decided on.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwap;
use tallygate_core::control::{CommandRecord, Control, Needs};
use tallygate_core::digest::Digest;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::{CommandId, KeyAlias, KeyId, RealmId, SlotName};
use tallygate_core::key::KeyHash;
use tallygate_core::scope::Scope;
use tallygate_core::selection::Choice;
use tallygate_core::stream::{Head, Log, Offset, Position};
use tokio::sync::watch;

use crate::digest::{StateDigest, digest_of};
use crate::fold::control::ControlFold;
use crate::fold::control_rows::{self, Beginning};
use crate::follow::Health;
use crate::follow::control_reader::ControlReader;
use crate::follow::recent_heads::RecentHeads;
use crate::follower::{Followed, Resumed};
use crate::metrics::LogMetrics;
use crate::row_cache::RowCache;
use crate::snapshot::Snapshot;
use crate::store::{Layout, SharedStore, Store, StoreError, Writes};
use crate::view::key_list::{self, KeyPage, Page};
use crate::view::keys::{self, KeyRow, TouchedKey};
use crate::view::{choices, commands};
use crate::waiting::{Ended, wait_until};

/// What the control log means now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ControlView(Arc<Published>);

/// What a fold publishes to, and everyone reads from.
#[derive(Debug)]
pub(crate) struct Published {
    store: ArcSwap<Store>,
    snapshot: ArcSwap<Snapshot>,
    keys: RowCache<KeyHash, KeyRow>,
    recent: Mutex<RecentHeads>,
    /// Held while rows are written and published, and, shared, while a decision's state is put together: so that all of
    /// it is of one position.
    commit: RwLock<()>,
    /// Where the chain ends, forged lines included: whoever waits for a place in the log has it then.
    position: watch::Sender<Position>,
    health: Arc<watch::Sender<Health>>,
    metrics: LogMetrics,
}

/// The state to decide commands on, and the place in the log that it is the state of.
#[derive(Debug, Clone)]
pub struct DecisionState {
    /// The state, with the rows that were needed. It may be changed: it is the caller's own.
    pub control: Control,
    /// What lines that are decided on it must follow.
    pub head: Head,
}

impl Published {
    /// Publishes what a store holds.
    pub(crate) fn new(
        store: SharedStore,
        keys_max: usize,
        health: Arc<watch::Sender<Health>>,
        metrics: LogMetrics,
    ) -> Result<Self, StoreError> {
        let snapshot = snapshot_of(&store)?;
        Ok(Self {
            store: ArcSwap::new(store),
            recent: Mutex::new(RecentHeads::from_head(snapshot.head)),
            position: watch::Sender::new(snapshot.end.position),
            snapshot: ArcSwap::from_pointee(snapshot),
            keys: RowCache::new(keys_max),
            commit: RwLock::new(()),
            health,
            metrics,
        })
    }

    /// The store. It is another one after it was lost and made again.
    pub(crate) fn store(&self) -> SharedStore {
        self.store.load_full()
    }

    /// Writes a group's rows and publishes them: first to disk, then the keys in memory, then the snapshot. So whoever
    /// has taken a snapshot never finds a key older than it.
    pub(crate) fn commit(
        &self,
        writes: Writes,
        touched: Vec<TouchedKey>,
        snapshot: Snapshot,
        heads: &RecentHeads,
        offset: Offset,
    ) -> Result<(), StoreError> {
        let position = snapshot.end.position;
        let rows = writes.len();
        // Not under the lock: it may wait for the disk.
        self.store.load().make_room()?;
        {
            // Nothing panics while the lock is held that would leave it in need of repair.
            let _commit = self.commit.write().unwrap_or_else(PoisonError::into_inner);
            self.store.load().apply(writes);
            for TouchedKey { hash_before, row } in touched {
                if let Some(before) = hash_before.filter(|before| *before != row.key.hash) {
                    self.keys.publish(&before, None);
                }
                let hash = row.key.hash;
                self.keys.publish(&hash, Some(row));
            }
            self.snapshot.store(Arc::new(snapshot));
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).append(heads);
        }
        self.metrics.applied(rows, offset);
        self.position.send_replace(position);
        Ok(())
    }
}

impl Followed for Published {
    type Reader = ControlReader;
    type Fold = ControlFold;

    const LOG: Log = Log::Control;
    const LAYOUT: Layout = control_rows::LAYOUT;

    fn check(store: &Store) -> Result<(), StoreError> {
        control_rows::read(store).map(drop)
    }

    fn store(&self) -> SharedStore {
        self.store.load_full()
    }

    fn resume(self: &Arc<Self>, mac: Option<MacKey>) -> Result<Resumed<ControlReader, ControlFold>, StoreError> {
        let Beginning { control, list, checkpoint, at } = control_rows::read(&self.store.load())?;
        Ok(Resumed {
            reader: ControlReader::new(checkpoint, mac, self.metrics.clone()),
            fold: ControlFold::new(control, list, at, Arc::clone(self)),
            offset: checkpoint.offset,
            last_line: checkpoint.last_line,
        })
    }

    fn beside(&self, store: SharedStore) -> Result<Self, StoreError> {
        Self::new(store, 0, Arc::new(watch::Sender::new(Health::Idle)), self.metrics.clone())
    }

    fn exchange(&self, store: SharedStore) -> Result<(), StoreError> {
        let snapshot = snapshot_of(&store)?;
        let position = snapshot.end.position;
        {
            let _commit = self.commit.write().unwrap_or_else(PoisonError::into_inner);
            self.store.store(store);
            self.keys.clear();
            self.snapshot.store(Arc::new(snapshot));
        }
        self.position.send_replace(position);
        Ok(())
    }
}

fn snapshot_of(store: &Store) -> Result<Snapshot, StoreError> {
    let Beginning { control, checkpoint, at, .. } = control_rows::read(store)?;
    Ok(Snapshot { head: checkpoint.head(), end: checkpoint.tip.end(), at, control })
}

impl ControlView {
    pub(crate) const fn new(published: Arc<Published>) -> Self {
        Self(published)
    }

    /// What is allowed now, without keys. A request takes it once. Never blocks.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// The position of the last event that was folded.
    #[must_use]
    pub fn position(&self) -> Position {
        self.snapshot().position()
    }

    /// SHA-256 of the event at a position, if it was folded lately: among the last 4,096 of this process.
    #[must_use]
    pub fn hash_at(&self, position: Position) -> Option<Digest> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner).hash_at(position)
    }

    /// A digest of what the rows are: their tables and the events that they are folded from. Only digests of views with
    /// the same one can be compared.
    #[must_use]
    pub fn layout() -> Digest {
        let layout = control_rows::LAYOUT;
        Digest::of(format!("{:?} {:?}", layout.tables, (layout.events)()).as_bytes())
    }

    /// Waits until the views have come to a position, whatever stands there: a forged line is passed too. It may wait for
    /// ever: the caller sets a limit.
    ///
    /// # Errors
    /// [`Ended`] when the follower has ended before it.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn wait_for(&self, position: Position) -> Result<(), Ended> {
        wait_until(self.0.position.subscribe(), self.0.health.subscribe(), |reached| *reached >= position).await
    }

    /// How the follower fares, and each change of it.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.0.health.subscribe()
    }

    /// The key with a hash, from memory, or once from disk (some microseconds). Never older than a snapshot that was
    /// taken before the call. Hashes that a key had before its secret was rotated lead to it too: compare
    /// [`tallygate_core::key::Key::hash`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<KeyRow>, StoreError> {
        let store = &self.0.store();
        let mut elsewhere = None;
        let found = self.0.keys.get_or_load(hash, || {
            let Some(place) = keys::place_of_hash(store, hash)? else { return Ok(None) };
            let row = keys::find(store, &place)?;
            // In memory a key stands under its own hash alone: there a change finds it.
            let (own, old) = match row {
                Some(row) if row.key.hash == *hash => (Some(row), None),
                row => (None, row),
            };
            elsewhere = old;
            Ok::<_, StoreError>(own)
        })?;
        Ok(found.or(elsewhere))
    }

    /// The key of an id, revoked ones too, from disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn key_by_id(&self, id: KeyId) -> Result<Option<KeyRow>, StoreError> {
        let place = keys::place_of_id(&self.0.store(), id)?;
        place.map_or(Ok(None), |place| keys::find(&self.0.store(), &place))
    }

    /// The key with an alias, from disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn key_by_alias(&self, alias: &KeyAlias) -> Result<Option<KeyRow>, StoreError> {
        let place = keys::place_of_alias(&self.0.store(), alias)?;
        place.map_or(Ok(None), |place| keys::find(&self.0.store(), &place))
    }

    /// The keys of one realm that are not revoked, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys_of_realm(&self, realm: &RealmId, page: Page) -> Result<KeyPage, StoreError> {
        key_list::of_realm(&self.0.store(), realm, page)
    }

    /// The keys of all realms that are not revoked, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys_of_all_realms_for_operator(&self, page: Page) -> Result<KeyPage, StoreError> {
        key_list::of_all_realms_for_operator(&self.0.store(), page)
    }

    /// What a scope chose for a slot before a position, newest first: at most [`crate::CHOICES_MAX`] rows, from disk. The
    /// realm is the one that the scope belongs to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn choices(
        &self,
        realm: Option<&RealmId>,
        scope: &Scope,
        slot: &SlotName,
        before: Position,
        rows: usize,
    ) -> Result<Vec<Choice>, StoreError> {
        choices::page(&self.0.store(), realm, scope, slot, before, rows)
    }

    /// The record of a command, if it was carried out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn command(&self, id: &CommandId) -> Result<Option<CommandRecord>, StoreError> {
        commands::find(&self.0.store(), id)
    }

    /// The state to decide commands on, all of it of one position. Waits while a group is being written (milliseconds
    /// for a large one), so it is not for threads that must not block.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn decision_state(&self, needs: &Needs) -> Result<DecisionState, StoreError> {
        let _commit = self.0.commit.read().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshot();
        let mut control = snapshot.control.clone();
        control_rows::load(&self.0.store(), &mut control, needs)?;
        Ok(DecisionState { control, head: snapshot.end })
    }

    /// The digest of all rows, and the position that it is of. Nothing is folded meanwhile; it takes seconds for
    /// millions of rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn digest(&self) -> Result<(Head, StateDigest), StoreError> {
        let _commit = self.0.commit.read().unwrap_or_else(PoisonError::into_inner);
        Ok((self.snapshot().head, digest_of(&self.0.store())?))
    }
}
