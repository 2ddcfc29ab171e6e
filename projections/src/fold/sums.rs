//! Sums that a group changes: read once, added to in memory, written once.

use foldhash::HashMap;
use tallygate_core::activity::{Charge, Event, RequestRefused, RequestSettled, Under};
use tallygate_core::id::{EndUserId, KeyId, ModelName, RealmId, TagName};
use tallygate_core::money::NanoUsd;
use tallygate_core::time::Day;

use crate::activity::charges::{self, CHARGES};
use crate::activity::named::{self, Named};
use crate::activity::spend::{self, Detail, Spent};
use crate::activity::told::TOLD;
use crate::activity::totals::Totals;
use crate::follow::activity_reader::Happened;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

/// Sums that stay in memory between groups, at most. They are read again when they are needed again.
const KEPT_MAX: usize = 65_536;
/// Requests like one are looked for among so many kinds; what is further back is added for itself.
const ALIKE_LOOKED_AT: usize = 16;

/// What a group adds to the sums.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    realms: HashMap<RealmId, Totals>,
    days: HashMap<(RealmId, Day), Totals>,
    keys: HashMap<(RealmId, KeyId), Totals>,
    models: HashMap<(RealmId, ModelName), Totals>,
    details: HashMap<(RealmId, Detail), Totals>,
    end_users: HashMap<Named<EndUserId>, Totals>,
    tags: HashMap<Named<TagName>, Totals>,
    all: Totals,
    all_days: HashMap<Day, Totals>,
    all_models: HashMap<ModelName, Totals>,
    charges: HashMap<Charge, (NanoUsd, Option<RealmId>)>,
}

/// Requests of a group that add to the same sums: they are added up first, and then once to each.
#[derive(Debug)]
struct Alike<'a> {
    realm: Option<&'a RealmId>,
    day: Day,
    first: &'a RequestSettled,
    totals: Totals,
}

/// Sums as they are on disk, as far as they are in memory.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    totals: HashMap<RowKey, Totals>,
    charges: HashMap<RowKey, NanoUsd>,
}

impl Sums {
    pub(crate) fn of(events: &[Happened]) -> Self {
        let mut sums = Self::default();
        let mut alike: Vec<Alike<'_>> = Vec::new();
        for happened in events {
            match &happened.event {
                Event::RequestSettled(settled) => Alike::add(&mut alike, happened.realm.as_ref(), settled),
                Event::RequestRefused(refused) => sums.add_refused(happened, refused),
                Event::CommandRefused(_)
                | Event::BoundViolated(_)
                | Event::SoftLimitReached(_)
                | Event::DeploymentProbed(_)
                | Event::AgentConnected(_)
                | Event::ConfigurationAcknowledged(_)
                | Event::AgentDisconnected(_)
                // Only by how much it grew is added, which takes more than the group to know.
                | Event::SpentElsewhere(_) => {}
            }
        }
        for requests in alike {
            sums.add_settled(&requests);
        }
        sums
    }

    fn add_settled(&mut self, Alike { realm, day, first: settled, totals }: &Alike<'_>) {
        let detail =
            Detail { day: *day, key: settled.key, model: settled.model.clone(), vendor: settled.vendor.clone() };
        self.add_of_all(&detail, totals);
        for charge in &settled.charged {
            let (sum, _) = self.charges.entry(Charge::clone(charge)).or_insert((NanoUsd::ZERO, realm.cloned()));
            *sum = sum.saturating_plus(totals.cost_nano_usd);
        }
        let Some(realm) = *realm else { return };
        // What is no id was never anybody's.
        if let Some(name) = settled.end_user.as_deref().and_then(|named| EndUserId::new(named).ok()) {
            let of = Named { realm: realm.clone(), name, detail: detail.clone() };
            self.end_users.entry(of).or_default().add(totals);
        }
        for tag in &settled.tags {
            let of = Named { realm: realm.clone(), name: tag.clone(), detail: detail.clone() };
            self.tags.entry(of).or_default().add(totals);
        }
        self.add_of_realm(realm, detail, totals);
    }

    /// What was spent elsewhere is charged to no budget, and what requests named is told beside what they cost.
    pub(super) fn add_elsewhere(&mut self, realm: &RealmId, detail: Detail, under: Option<&Under>, more: &Totals) {
        match under.cloned() {
            None => {
                self.add_of_all(&detail, more);
                self.add_of_realm(realm, detail, more);
            }
            Some(Under::EndUser(name)) => {
                self.end_users.entry(Named { realm: realm.clone(), name, detail }).or_default().add(more);
            }
            Some(Under::Tag(name)) => {
                self.tags.entry(Named { realm: realm.clone(), name, detail }).or_default().add(more);
            }
        }
    }

    fn add_of_all(&mut self, of: &Detail, totals: &Totals) {
        self.all.add(totals);
        self.all_days.entry(of.day).or_default().add(totals);
        add(&mut self.all_models, &of.model, totals);
    }

    fn add_of_realm(&mut self, realm: &RealmId, of: Detail, totals: &Totals) {
        add(&mut self.realms, realm, totals);
        self.days.entry((realm.clone(), of.day)).or_default().add(totals);
        self.keys.entry((realm.clone(), of.key)).or_default().add(totals);
        self.models.entry((realm.clone(), of.model.clone())).or_default().add(totals);
        self.details.entry((realm.clone(), of)).or_default().add(totals);
    }

    /// Refusals are not summed by model: the name is whatever a client sent, so there is no end of them.
    fn add_refused(&mut self, happened: &Happened, refused: &RequestRefused) {
        let totals = Totals::of_refused(refused);
        let day = Day::of(happened.at);
        self.all.add(&totals);
        self.all_days.entry(day).or_default().add(&totals);
        let Some(realm) = &happened.realm else { return };
        add(&mut self.realms, realm, &totals);
        self.days.entry((realm.clone(), day)).or_default().add(&totals);
        if let Some(key) = refused.key {
            self.keys.entry((realm.clone(), key)).or_default().add(&totals);
        }
    }

    /// Writes the sums, and tells those of keys.
    pub(crate) fn write(
        self,
        store: &Store,
        kept: &mut Kept,
        writes: &mut Writes,
    ) -> Result<Vec<(KeyId, Totals)>, StoreError> {
        kept.make_room();
        let mut write = Writing { store, kept, writes };
        for (realm, more) in &self.realms {
            write.plain(&spend::OF_REALMS, spend::realm_key(realm), more)?;
        }
        for ((realm, day), more) in &self.days {
            write.spent(&spend::BY_DAY, spend::day_key(realm, *day), *day, more)?;
        }
        for ((realm, model), more) in self.models {
            let key = spend::model_key(&realm, &model);
            write.spent(&spend::BY_MODEL, key, model, &more)?;
        }
        for ((realm, detail), more) in self.details {
            let key = spend::detail_key(&realm, &detail);
            write.spent(&spend::IN_DETAIL, key, detail, &more)?;
        }
        for (of, more) in self.end_users {
            write.spent(&named::BY_END_USER, named::row_key(&named::BY_END_USER, &of), of, &more)?;
        }
        for (of, more) in self.tags {
            write.spent(&named::BY_TAG, named::row_key(&named::BY_TAG, &of), of, &more)?;
        }
        if self.all != Totals::default() {
            write.plain(&spend::OF_ALL, spend::all_key(), &self.all)?;
        }
        for (day, more) in self.all_days {
            write.spent(&spend::ALL_BY_DAY, spend::all_day_key(day), day, &more)?;
        }
        for (model, more) in self.all_models {
            write.spent(&spend::ALL_BY_MODEL, spend::all_model_key(&model), model, &more)?;
        }
        for (charge, (more, realm)) in &self.charges {
            write.charge(charges::row_key(charge, realm.as_ref()), *more)?;
        }
        let mut keys = Vec::with_capacity(self.keys.len());
        for ((realm, key), more) in self.keys {
            let at = spend::key_key(&realm, key);
            let (totals, is_first) = write.spent(&spend::BY_KEY, at, (realm.clone(), key), &more)?;
            if is_first {
                write.writes.put(&spend::KEY_REALMS, spend::key_realm_key(key), &realm)?;
            }
            keys.push((key, totals));
        }
        Ok(keys)
    }
}

impl<'a> Alike<'a> {
    /// Adds a request to those like it, if they are among the last ones.
    fn add(all: &mut Vec<Self>, realm: Option<&'a RealmId>, settled: &'a RequestSettled) {
        let (day, totals) = (Day::of(settled.started_at), Totals::of_settled(settled));
        let recent = all.iter_mut().rev().take(ALIKE_LOOKED_AT);
        match recent.into_iter().find(|alike| alike.has(realm, day, settled)) {
            Some(alike) => alike.totals.add(&totals),
            None => all.push(Self { realm, day, first: settled, totals }),
        }
    }

    fn has(&self, realm: Option<&RealmId>, day: Day, settled: &RequestSettled) -> bool {
        self.first.key == settled.key
            && self.day == day
            && self.first.model == settled.model
            && self.first.vendor == settled.vendor
            && self.realm == realm
            && self.first.charged == settled.charged
            && self.first.end_user == settled.end_user
            && self.first.tags == settled.tags
    }
}

fn add<K: std::hash::Hash + Eq + Clone>(sums: &mut HashMap<K, Totals>, of: &K, more: &Totals) {
    match sums.get_mut(of) {
        Some(sum) => sum.add(more),
        None => {
            sums.insert(of.clone(), *more);
        }
    }
}

impl Kept {
    /// What was told so far of a row of spend elsewhere.
    pub(super) fn told(&self, store: &Store, key: &RowKey) -> Result<Totals, StoreError> {
        match self.totals.get(key) {
            Some(told) => Ok(*told),
            None => Ok(store.get(&TOLD, key)?.unwrap_or_default()),
        }
    }

    /// So much was told of it.
    pub(super) fn tell(&mut self, key: RowKey, told: Totals) {
        self.totals.insert(key, told);
    }

    fn make_room(&mut self) {
        if self.totals.len() > KEPT_MAX {
            self.totals.clear();
        }
        if self.charges.len() > KEPT_MAX {
            self.charges.clear();
        }
    }
}

struct Writing<'a> {
    store: &'a Store,
    kept: &'a mut Kept,
    writes: &'a mut Writes,
}

impl Writing<'_> {
    fn plain(&mut self, table: &RowTable<Totals>, key: RowKey, more: &Totals) -> Result<(), StoreError> {
        let (sum, _) = self.sum(&key, more, |store, key| store.get(table, key))?;
        self.writes.put(table, key, &sum)
    }

    fn spent<D: serde::Serialize + serde::de::DeserializeOwned>(
        &mut self,
        table: &RowTable<Spent<D>>,
        key: RowKey,
        of: D,
        more: &Totals,
    ) -> Result<(Totals, bool), StoreError> {
        let (totals, is_first) =
            self.sum(&key, more, |store, key| Ok(store.get(table, key)?.map(|spent| spent.totals)))?;
        self.writes.put(table, key, &Spent { of, totals })?;
        Ok((totals, is_first))
    }

    /// The new sum, and whether there was none before.
    fn sum(
        &mut self,
        key: &RowKey,
        more: &Totals,
        read: impl FnOnce(&Store, &RowKey) -> Result<Option<Totals>, StoreError>,
    ) -> Result<(Totals, bool), StoreError> {
        if let Some(sum) = self.kept.totals.get_mut(key) {
            sum.add(more);
            return Ok((*sum, false));
        }
        let before = read(self.store, key)?;
        let mut sum = before.unwrap_or_default();
        sum.add(more);
        self.kept.totals.insert(key.clone(), sum);
        Ok((sum, before.is_none()))
    }

    fn charge(&mut self, key: RowKey, more: NanoUsd) -> Result<(), StoreError> {
        let before = match self.kept.charges.get(&key) {
            Some(sum) => *sum,
            None => self.store.get(&CHARGES, &key)?.unwrap_or_default(),
        };
        let sum = before.saturating_plus(more);
        self.kept.charges.insert(key.clone(), sum);
        self.writes.put(&CHARGES, key, &sum)
    }
}
