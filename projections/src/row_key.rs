//! Keys of stored rows: a table's byte, then parts that no other parts can spell.
//!
//! A text part ends with a zero byte. Ids hold no control characters, so no id is the beginning of another one's key,
//! and all rows of a realm are those whose keys begin with the table and the realm. What belongs to no realm has an
//! empty realm part, which no realm's id can be.

use tallygate_core::id::RealmId;
use uuid::Uuid;

use crate::row_codec::RowTable;

const END_OF_TEXT: u8 = 0;

/// The key of a row, or the common beginning of many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey(Vec<u8>);

impl RowKey {
    /// The beginning of every key of a table.
    pub(crate) fn of<R>(table: &RowTable<R>) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(table.id);
        Self(bytes)
    }

    /// The realm that the row belongs to; none for what belongs to the gateway.
    pub(crate) fn realm(self, realm: Option<&RealmId>) -> Self {
        self.text(realm.map_or("", RealmId::as_str))
    }

    /// An id. It must hold no zero byte, as no valid id does.
    pub(crate) fn text(mut self, text: &str) -> Self {
        debug_assert!(!text.as_bytes().contains(&END_OF_TEXT), "an id holds no control character");
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(END_OF_TEXT);
        self
    }

    /// An id of ours.
    pub(crate) fn uuid(self, uuid: &Uuid) -> Self {
        self.fixed(uuid.as_bytes())
    }

    /// A number, in the order of its value.
    pub(crate) fn number(self, number: u64) -> Self {
        self.fixed(&number.to_be_bytes())
    }

    /// A part that has the same length in every key of the table, or that is the last one.
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The least key that is greater than every key which begins with this one. Nothing ends with the byte 255: a
    /// table's number is small, and a text part ends with zero.
    pub(crate) fn after_all(mut self) -> Self {
        if let Some(last) = self.0.last_mut() {
            *last = last.saturating_add(1);
        }
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::RowKey;
    use crate::row_codec::RowTable;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use tallygate_core::id::RealmId;
    use uuid::Uuid;

    const TABLE: RowTable<()> = RowTable::new(9, 1, "table");

    proptest! {
        #[test]
        fn rows_of_one_realm_never_lie_among_those_of_another(
            one in "[a-c./ -]{0,4}x", other in "[a-c./ -]{0,4}x", text in "[a-c]{0,4}", id in any::<u128>(),
        ) {
            let key = |realm: &str| {
                RowKey::of(&TABLE).realm(RealmId::new(realm).ok().as_ref()).text(&text).uuid(&Uuid::from_u128(id))
            };
            let (one, other) = (one.trim(), other.trim());
            let prefix = RowKey::of(&TABLE).realm(RealmId::new(one).ok().as_ref());
            prop_assert_eq!(key(other).as_bytes().starts_with(prefix.as_bytes()), one == other);
        }

        #[test]
        fn different_parts_make_different_keys(
            one in ("[a-b]{0,3}", "[a-b]{0,3}", any::<u16>()), other in ("[a-b]{0,3}", "[a-b]{0,3}", any::<u16>()),
        ) {
            let key = |(a, b, n): &(String, String, u16)| RowKey::of(&TABLE).text(a).text(b).number(u64::from(*n));
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }

        #[test]
        fn numbers_keep_their_order(one in any::<u64>(), other in any::<u64>()) {
            let key = |number| RowKey::of(&TABLE).number(number);
            prop_assert!((key(one) < key(other)) == (one < other));
        }
    }

    #[test]
    fn what_belongs_to_no_realm_lies_among_no_realms_rows() {
        let none = RowKey::of(&TABLE).realm(None);
        let some = RowKey::of(&TABLE).realm(Some(&RealmId::default_realm()));
        assert!(!some.as_bytes().starts_with(none.as_bytes()));
    }
}
