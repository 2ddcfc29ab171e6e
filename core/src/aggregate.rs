//! What all aggregates share: tables of rows, the trail a row keeps of its own history, and the macro that names
//! event types.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::stream::Position;
use crate::time::Timestamp;

/// Where and when something was set, and by whom: what an answer names when it is asked "since when, and why".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The event's position in control.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// Who asked.
    pub by: Actor,
}

/// The history that a row keeps of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// How many events its stream has.
    pub version: u64,
    /// The first of them.
    pub created: Mark,
    /// The last of them.
    pub changed: Mark,
}

impl Trail {
    /// The trail of something that was just born.
    #[must_use]
    pub fn born(mark: &Mark) -> Self {
        Self { version: 1, created: mark.clone(), changed: mark.clone() }
    }

    /// The same with one more event.
    #[must_use]
    pub fn stepped(&self, mark: &Mark) -> Self {
        Self { version: self.version + 1, created: self.created.clone(), changed: mark.clone() }
    }

    /// One more event.
    pub fn step(&mut self, mark: &Mark) {
        self.version += 1;
        self.changed = mark.clone();
    }
}

/// Rows of one kind by their id. Cheap to clone: a clone shares everything until one side changes.
///
/// A table remembers which rows were put or removed since [`Table::take_touched`], so that whoever keeps rows on disk
/// writes just those.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    rows: Arc<BTreeMap<K, Arc<V>>>,
    touched: BTreeSet<K>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: Arc::default(), touched: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, V> Table<K, V> {
    /// The row, if there is one.
    pub fn get<Q: Ord + ?Sized>(&self, id: &Q) -> Option<&Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.rows.get(id)
    }

    /// Whether there is such a row.
    pub fn contains<Q: Ord + ?Sized>(&self, id: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.rows.contains_key(id)
    }

    /// All rows, in the order of their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &Arc<V>)> {
        self.rows.iter()
    }

    /// The rows from an id on, in the order of their ids.
    pub fn from(&self, id: K) -> impl Iterator<Item = (&K, &Arc<V>)> {
        self.rows.range(id..)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sets a row, as part of a fold.
    pub fn put(&mut self, id: K, row: V) {
        self.touched.insert(id.clone());
        Arc::make_mut(&mut self.rows).insert(id, Arc::new(row));
    }

    /// Takes a row away, as part of a fold.
    pub fn remove(&mut self, id: &K) {
        self.touched.insert(id.clone());
        Arc::make_mut(&mut self.rows).remove(id);
    }

    /// Brings in a row that was loaded from where rows are kept. Not a change: a row that was put or removed since
    /// [`Table::take_touched`] is newer than what is kept, and stays as it is.
    pub fn load(&mut self, id: K, row: Arc<V>) {
        if !self.touched.contains(&id) {
            Arc::make_mut(&mut self.rows).insert(id, row);
        }
    }

    /// The rows that were put (`Some`) or removed (`None`) since the last time, in the order of their ids.
    pub fn take_touched(&mut self) -> Vec<(K, Option<Arc<V>>)> {
        std::mem::take(&mut self.touched)
            .into_iter()
            .map(|id| {
                let row = self.rows.get(&id).cloned();
                (id, row)
            })
            .collect()
    }

    /// Lets go of all rows but those that were put since [`Table::take_touched`], which are kept nowhere else: for tables
    /// that are loaded on demand.
    pub fn evict(&mut self) {
        if self.touched.is_empty() {
            self.rows = Arc::default();
        } else {
            Arc::make_mut(&mut self.rows).retain(|id, _| self.touched.contains(id));
        }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// Changes a row that is there, as part of a fold. Does nothing when it is not: a fold never refuses.
    pub fn update<Q: Ord + ?Sized>(&mut self, id: &Q, change: impl FnOnce(&mut V))
    where
        K: Borrow<Q>,
    {
        if let Some((id, row)) = self.rows.get_key_value(id) {
            let id = id.clone();
            let mut row = V::clone(row);
            change(&mut row);
            self.put(id, row);
        }
    }
}

/// Names the event types of an aggregate: a stable string and a schema number for each variant.
macro_rules! event_types {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident($data:ty) = $kind:literal, $schema:literal;)+ }) => {
        $(#[$doc])*
        ///
        /// Serialized it is its data, without its type.
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        #[serde(untagged)]
        $vis enum $name {
            $($(#[$variant_doc])* $variant($data),)+
        }

        impl $name {
            /// The stable name and the schema number of every type.
            pub const TYPES: &'static [(&'static str, u16)] = &[$(($kind, $schema)),+];

            /// The stable name of the type.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)+ }
            }

            /// The schema number of the type.
            #[must_use]
            pub const fn schema(&self) -> u16 {
                match self { $(Self::$variant(_) => $schema,)+ }
            }

            /// Reads data of the newest schema. Nothing when the type is not one of these.
            pub(crate) fn decode(kind: &str, data: &str) -> Option<Result<Self, serde_json::Error>> {
                match kind {
                    $($kind => Some(serde_json::from_str(data).map(Self::$variant)),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use event_types;

#[cfg(test)]
mod tests {
    use super::Table;
    use std::sync::Arc;

    type Rows = Table<u32, &'static str>;

    fn touched(table: &mut Rows) -> Vec<(u32, Option<&'static str>)> {
        table.take_touched().into_iter().map(|(id, row)| (id, row.map(|row| *row))).collect()
    }

    #[test]
    fn a_table_tells_once_what_was_put_changed_and_removed() {
        let mut table = Rows::default();
        assert!(table.is_empty());
        table.put(2, "b");
        table.put(1, "a");
        table.put(3, "c");
        table.update(&1, |row| *row = "A");
        table.update(&9, |row| *row = "not there");
        table.remove(&2);
        assert_eq!(touched(&mut table), [(1, Some("A")), (2, None), (3, Some("c"))]);
        assert_eq!(touched(&mut table), []);
        assert_eq!(table.iter().map(|(id, row)| (*id, **row)).collect::<Vec<_>>(), [(1, "A"), (3, "c")]);
        assert_eq!((table.len(), table.contains(&2), table.get(&3).map(|row| **row)), (2, false, Some("c")));
    }

    #[test]
    fn a_loaded_row_is_no_change_and_never_replaces_one() {
        let mut table = Rows::default();
        table.load(1, Arc::new("kept"));
        assert_eq!(touched(&mut table), []);
        table.put(1, "put");
        table.put(2, "to be removed");
        table.remove(&2);
        // What is kept elsewhere is older than what was not yet taken.
        table.load(1, Arc::new("kept"));
        table.load(2, Arc::new("kept"));
        assert_eq!((table.get(&1).map(|row| **row), table.contains(&2)), (Some("put"), false));
        assert_eq!(touched(&mut table), [(1, Some("put")), (2, None)]);
        table.load(2, Arc::new("kept again"));
        assert!(table.contains(&2));
    }

    #[test]
    fn rows_that_were_not_taken_are_not_let_go() {
        let mut table = Rows::default();
        table.load(1, Arc::new("loaded"));
        table.put(2, "put");
        table.evict();
        assert_eq!(table.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2]);
        assert_eq!(touched(&mut table), [(2, Some("put"))]);
        table.evict();
        assert!(table.is_empty());
        assert_eq!(touched(&mut table), [], "to let go is no change");
    }

    #[test]
    fn a_clone_does_not_change_with_its_original() {
        let mut table = Rows::default();
        table.put(1, "a");
        let before = table.clone();
        table.put(1, "b");
        table.remove(&1);
        assert_eq!(before.get(&1).map(|row| **row), Some("a"));
    }
}
