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
