//! What the activity log means now: what was spent, what budgets were charged, and records of single requests.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use tallygate_core::activity::{Charge, DaySpent};
use tallygate_core::envelope::MacKey;
use tallygate_core::id::{EndUserId, KeyId, ModelName, RealmId, SourceName, TagName};
use tallygate_core::money::NanoUsd;
use tallygate_core::stream::{ChainId, Head, Log, Offset, Position};
use tallygate_core::time::Day;
use tokio::sync::watch;

use crate::activity::charges;
use crate::activity::named::{self, Named};
use crate::activity::newest::{self, UsageFilter, UsagePage};
use crate::activity::spend::{self, Days, Detail, Spent};
use crate::activity::told;
use crate::activity::totals::Totals;
use crate::digest::{StateDigest, digest_of};
use crate::fold::activity::ActivityFold;
use crate::fold::activity_rows::{self, Beginning};
use crate::follow::Health;
use crate::follow::activity_reader::{ActivityReader, Tips};
use crate::follow::chain::ChainTip;
use crate::follower::{Followed, Resumed};
use crate::metrics::LogMetrics;
use crate::row_cache::RowCache;
use crate::row_key::RowKey;
use crate::store::{Layout, SharedStore, Store, StoreError, Writes};
use crate::view::key_list::Page;
use crate::waiting::{Ended, wait_until};

/// Keys whose sums are in memory, at most.
const KEYS_IN_MEMORY: usize = 100_000;

/// The positions that the chains of all writers are folded to.
pub type Positions = HashMap<ChainId, Position>;

/// What the activity log means now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ActivityView(Arc<Published>);

/// What a fold publishes to, and everyone reads from.
#[derive(Debug)]
pub(crate) struct Published {
    store: ArcSwap<Store>,
    keys: RowCache<KeyId, Totals>,
    positions: watch::Sender<Positions>,
    /// Held while rows are written and published, and, shared, while a digest is made.
    commit: RwLock<()>,
    health: Arc<watch::Sender<Health>>,
    metrics: LogMetrics,
}

impl Published {
    /// Publishes what a store holds.
    pub(crate) fn new(
        store: SharedStore,
        health: Arc<watch::Sender<Health>>,
        metrics: LogMetrics,
    ) -> Result<Self, StoreError> {
        let positions = positions_of(&store)?;
        Ok(Self {
            store: ArcSwap::new(store),
            keys: RowCache::new(KEYS_IN_MEMORY),
            positions: watch::Sender::new(positions),
            commit: RwLock::new(()),
            health,
            metrics,
        })
    }

    /// The store. It is another one after it was lost and made again.
    pub(crate) fn store(&self) -> SharedStore {
        self.store.load_full()
    }

    /// Writes a group's rows and publishes them: first to disk, then the sums of keys, then the positions.
    pub(crate) fn commit(
        &self,
        writes: Writes,
        keys: &[(KeyId, Totals)],
        tips: &Tips,
        offset: Offset,
    ) -> Result<(), StoreError> {
        let rows = writes.len();
        // Not under the lock: it may wait for the disk.
        self.store.load().make_room()?;
        {
            // Nothing panics while the lock is held that would leave it in need of repair.
            let _commit = self.commit.write().unwrap_or_else(PoisonError::into_inner);
            self.store.load().apply(writes);
            for (key, totals) in keys {
                self.keys.publish(key, Some(*totals));
            }
            self.positions.send_modify(|positions| {
                positions.extend(tips.iter().map(|(chain, tip)| (chain.clone(), tip.head().position)));
            });
        }
        self.metrics.applied(rows, offset);
        Ok(())
    }
}

impl Followed for Published {
    type Reader = ActivityReader;
    type Fold = ActivityFold;

    const LOG: Log = Log::Activity;
    const LAYOUT: Layout = activity_rows::LAYOUT;

    fn check(store: &Store) -> Result<(), StoreError> {
        activity_rows::read(store).map(drop)
    }

    fn store(&self) -> SharedStore {
        self.store.load_full()
    }

    fn resume(self: &Arc<Self>, mac: Option<MacKey>) -> Result<Resumed<ActivityReader, ActivityFold>, StoreError> {
        let Beginning { checkpoint, tips } = activity_rows::read(&self.store.load())?;
        Ok(Resumed {
            reader: ActivityReader::new(tips, mac, self.metrics.clone()),
            fold: ActivityFold::new(Arc::clone(self)),
            offset: checkpoint.offset,
            last_line: checkpoint.last_line,
        })
    }

    fn beside(&self, store: SharedStore) -> Result<Self, StoreError> {
        Self::new(store, Arc::new(watch::Sender::new(Health::Idle)), self.metrics.clone())
    }

    fn exchange(&self, store: SharedStore) -> Result<(), StoreError> {
        let positions = positions_of(&store)?;
        let _commit = self.commit.write().unwrap_or_else(PoisonError::into_inner);
        self.store.store(store);
        self.keys.clear();
        self.positions.send_replace(positions);
        Ok(())
    }
}

fn positions_of(store: &Store) -> Result<Positions, StoreError> {
    let tips = activity_rows::read(store)?.tips;
    Ok(tips.into_iter().map(|(chain, tip)| (chain, tip.head().position)).collect())
}

impl ActivityView {
    pub(crate) const fn new(published: Arc<Published>) -> Self {
        Self(published)
    }

    /// The position that a writer's chain is folded to.
    #[must_use]
    pub fn position(&self, chain: &ChainId) -> Position {
        self.0.positions.borrow().get(chain).copied().unwrap_or_default()
    }

    /// Where a writer's chain ended when the log was read to an offset, by the rows: the newest group may be missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn written_end(&self, chain: &ChainId) -> Result<(Head, Offset), StoreError> {
        // The offset is read first, so the end is never older than it says.
        let Beginning { checkpoint, tips } = activity_rows::read(&self.0.store())?;
        Ok((tips.get(chain).map_or(Head::EMPTY, ChainTip::head), checkpoint.offset))
    }

    /// The positions of all chains, and each change of them.
    #[must_use]
    pub fn positions(&self) -> watch::Receiver<Positions> {
        self.0.positions.subscribe()
    }

    /// Waits until a writer's chain is folded to a position. It may wait for ever: the caller sets a limit.
    ///
    /// # Errors
    /// [`Ended`] when the follower has ended before it.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn wait_for(&self, chain: &ChainId, position: Position) -> Result<(), Ended> {
        let reached = |positions: &Positions| positions.get(chain).copied().unwrap_or_default() >= position;
        wait_until(self.0.positions.subscribe(), self.0.health.subscribe(), reached).await
    }

    /// How the follower fares, and each change of it.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.0.health.subscribe()
    }

    /// What was posted to a window of a budget: zero for one that was never charged. From disk (some microseconds).
    ///
    /// # Errors
    /// [`StoreError`]. What was spent is not known then, and the budget must be taken for exhausted.
    pub fn charged(&self, charge: &Charge) -> Result<NanoUsd, StoreError> {
        charges::posted(&self.0.store(), charge)
    }

    /// Whether a row of spend elsewhere says more than its source said before of a realm. From disk (some microseconds).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_news(&self, realm: &RealmId, source: &SourceName, row: &DaySpent) -> Result<bool, StoreError> {
        told::is_news(&self.0.store(), realm, source, row)
    }

    /// The sums of a key, since it was issued: from memory, or once from disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_of_key(&self, key: KeyId) -> Result<Totals, StoreError> {
        let sums = self.0.keys.get_or_load(&key, || spend::of_key(&self.0.store(), key).map(Some))?;
        Ok(sums.unwrap_or_default())
    }

    /// The sums of a realm, without the realms that nest in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_of_realm(&self, realm: &RealmId) -> Result<Totals, StoreError> {
        Ok(self.0.store().get(&spend::OF_REALMS, &spend::realm_key(realm))?.unwrap_or_default())
    }

    /// The sums of a realm by day, oldest first. Days without requests are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_by_day(&self, realm: &RealmId, days: Days) -> Result<Vec<Spent<Day>>, StoreError> {
        let prefix = RowKey::of(&spend::BY_DAY).realm(Some(realm));
        spend::days_between(&self.0.store(), &spend::BY_DAY, &prefix, days)
    }

    /// The sums of a realm by model, in the order of the models' names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_by_model(&self, realm: &RealmId) -> Result<Vec<Spent<ModelName>>, StoreError> {
        spend::all(&self.0.store(), &spend::BY_MODEL, &RowKey::of(&spend::BY_MODEL).realm(Some(realm)))
    }

    /// The keys of a realm that cost most, dearest first: at most [`spend::RANKING_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dearest_keys(&self, realm: &RealmId, keys_max: usize) -> Result<Vec<Spent<(RealmId, KeyId)>>, StoreError> {
        spend::dearest_keys(&self.0.store(), &RowKey::of(&spend::BY_KEY).realm(Some(realm)), keys_max)
    }

    /// The sums of a realm by day, key, model and vendor, oldest day first: at most [`spend::SPEND_ROWS_MAX`] rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_in_detail(&self, realm: &RealmId, days: Days) -> Result<Vec<Spent<Detail>>, StoreError> {
        let prefix = RowKey::of(&spend::IN_DETAIL).realm(Some(realm));
        spend::days_between(&self.0.store(), &spend::IN_DETAIL, &prefix, days)
    }

    /// Hands over what was asked in the name of one end user, or of each, by the keys of a realm over some days, in the order
    /// of names and days.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn each_end_user(
        &self,
        (realm, end_user): (&RealmId, Option<&EndUserId>),
        days: Days,
        visit: impl FnMut(Spent<Named<EndUserId>>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        named::each(&self.0.store(), &named::BY_END_USER, (realm, end_user), days, visit)
    }

    /// Hands over what was asked under one tag, or each, by the keys of a realm over some days, in the order of tags and days. A
    /// request with several tags is in the sums of each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn each_tag(
        &self,
        (realm, tag): (&RealmId, Option<&TagName>),
        days: Days,
        visit: impl FnMut(Spent<Named<TagName>>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        named::each(&self.0.store(), &named::BY_TAG, (realm, tag), days, visit)
    }

    /// The sums over all realms, requests without a known key included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_of_all_realms_for_operator(&self) -> Result<Totals, StoreError> {
        Ok(self.0.store().get(&spend::OF_ALL, &spend::all_key())?.unwrap_or_default())
    }

    /// The sums over all realms by day, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_of_all_realms_by_day_for_operator(&self, days: Days) -> Result<Vec<Spent<Day>>, StoreError> {
        spend::days_between(&self.0.store(), &spend::ALL_BY_DAY, &RowKey::of(&spend::ALL_BY_DAY), days)
    }

    /// The sums over all realms by model, in the order of the models' names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn spend_of_all_realms_by_model_for_operator(&self) -> Result<Vec<Spent<ModelName>>, StoreError> {
        spend::all(&self.0.store(), &spend::ALL_BY_MODEL, &RowKey::of(&spend::ALL_BY_MODEL))
    }

    /// The keys of all realms that cost most, dearest first: at most [`spend::RANKING_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn dearest_keys_of_all_realms_for_operator(
        &self,
        keys_max: usize,
    ) -> Result<Vec<Spent<(RealmId, KeyId)>>, StoreError> {
        spend::dearest_keys(&self.0.store(), &RowKey::of(&spend::BY_KEY), keys_max)
    }

    /// Records of requests of one realm, newest first; of no realm, those of refused requests without a known key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn usage_of_realm(
        &self,
        realm: Option<&RealmId>,
        filter: &UsageFilter,
        page: Page,
    ) -> Result<UsagePage, StoreError> {
        newest::of_realm(&self.0.store(), realm, filter, page)
    }

    /// Records of requests of all realms, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn usage_of_all_realms_for_operator(&self, filter: &UsageFilter, page: Page) -> Result<UsagePage, StoreError> {
        newest::of_all_realms_for_operator(&self.0.store(), filter, page)
    }

    /// The digest of all rows, and the positions that it is of. Nothing is folded meanwhile; it takes seconds for
    /// millions of rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn digest(&self) -> Result<(Positions, StateDigest), StoreError> {
        let _commit = self.0.commit.read().unwrap_or_else(PoisonError::into_inner);
        let digest = digest_of(&self.0.store())?;
        Ok((self.0.positions.borrow().clone(), digest))
    }
}
