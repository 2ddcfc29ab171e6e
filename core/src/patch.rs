//! A change to one field: leave it, clear it, or set it.
//!
//! In JSON an absent field is left, `null` clears, anything else sets. Give every such field
//! `#[serde(default, skip_serializing_if = "Patch::is_keep")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What becomes of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// It stays.
    #[default]
    Keep,
    /// It becomes empty.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The new value, or nothing, if the field changes at all.
    #[must_use]
    pub const fn change(&self) -> Option<Option<&T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }

    /// The value that is set, if one is.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// The same change of another field, with the value made from this one's.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn try_map<U, E>(self, make: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(make(value)?),
        })
    }
}

impl<T: Clone + PartialEq> Patch<T> {
    /// The patch less what would change nothing: what an event says.
    #[must_use]
    pub fn against(&self, current: Option<&T>) -> Self {
        match self.change() {
            Some(new) if new != current => self.clone(),
            _ => Self::Keep,
        }
    }

    /// As [`Self::against`], for a field that has a value when it is empty: clearing what is empty changes nothing.
    #[must_use]
    pub fn against_or(&self, current: &T, empty: &T) -> Self {
        match self.change() {
            Some(new) if new.unwrap_or(empty) != current => self.clone(),
            _ => Self::Keep,
        }
    }

    /// Applies the change.
    pub fn apply(&self, field: &mut Option<T>) {
        if let Some(new) = self.change() {
            *field = new.cloned();
        }
    }

    /// Applies the change to a field that has a value when it is empty.
    pub fn apply_or(&self, field: &mut T, empty: T) {
        if let Some(new) = self.change() {
            *field = new.cloned().unwrap_or(empty);
        }
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::Patch;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        #[serde(default, skip_serializing_if = "Patch::is_keep")]
        name: Patch<String>,
    }

    #[test]
    fn absent_keeps_null_clears_and_a_value_sets() {
        for (text, name) in
            [("{}", Patch::Keep), (r#"{"name":null}"#, Patch::Clear), (r#"{"name":"x"}"#, Patch::Set("x".to_owned()))]
        {
            let change = Change { name };
            assert_eq!(serde_json::from_str::<Change>(text).unwrap(), change);
            assert_eq!(serde_json::to_string(&change).unwrap(), text);
        }
    }

    #[test]
    fn a_value_of_another_type_a_second_one_and_an_unknown_field_are_refused() {
        for text in [r#"{"name":7}"#, r#"{"name":"x","name":null}"#, r#"{"named":"x"}"#] {
            assert!(serde_json::from_str::<Change>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_changes_nothing_is_left_out() {
        let (set, clear) = (Patch::Set(1), Patch::<u32>::Clear);
        assert_eq!(set.against(Some(&1)), Patch::Keep);
        assert_eq!(set.against(Some(&2)), set);
        assert_eq!(set.against(None), set);
        assert_eq!(clear.against(None), Patch::Keep);
        assert_eq!(clear.against(Some(&1)), clear);
        assert_eq!(Patch::<u32>::Keep.against(Some(&1)), Patch::Keep);
        assert_eq!(clear.against_or(&0, &0), Patch::Keep, "it is empty already");
        assert_eq!(clear.against_or(&1, &0), clear);
        assert_eq!(Patch::Set(0).against_or(&0, &0), Patch::Keep);
        assert_eq!(Patch::Set(0).against_or(&1, &0), Patch::Set(0));
        assert_eq!(Patch::<u32>::Keep.against_or(&1, &0), Patch::Keep);
    }

    #[test]
    fn a_value_can_be_made_into_another_and_taken_out() {
        let half = |value: u32| if value.is_multiple_of(2) { Ok(value / 2) } else { Err(value) };
        assert_eq!(Patch::Set(4).try_map(half), Ok(Patch::Set(2)));
        assert_eq!(Patch::Set(3).try_map(half), Err(3));
        assert_eq!(Patch::Clear.try_map(half), Ok(Patch::Clear));
        assert_eq!(Patch::Keep.try_map(half), Ok(Patch::Keep));
        assert_eq!([Patch::Set(1), Patch::Clear, Patch::Keep].map(Patch::into_value), [Some(1), None, None]);
    }

    #[test]
    fn a_change_is_applied_to_what_may_be_empty_and_to_what_may_not() {
        let applied = |patch: Patch<u32>, field: Option<u32>| {
            let mut field = field;
            patch.apply(&mut field);
            field
        };
        assert_eq!(applied(Patch::Keep, Some(1)), Some(1));
        assert_eq!(applied(Patch::Clear, Some(1)), None);
        assert_eq!(applied(Patch::Set(2), None), Some(2));
        let applied_or = |patch: Patch<u32>| {
            let mut field = 1;
            patch.apply_or(&mut field, 9);
            field
        };
        assert_eq!([Patch::Keep, Patch::Clear, Patch::Set(2)].map(applied_or), [1, 9, 2]);
    }
}
