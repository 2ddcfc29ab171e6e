//! Rates: the price of each class, where one is said.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::class::{CLASSES, Class};
use crate::money::PicoUsd;

/// The price of each class that has one of its own, in pico-dollars a unit.
///
/// As text it is an object of the classes that are priced (`{"input_pico_usd":1250000}`), in a row one value a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates([Option<PicoUsd>; CLASSES]);

impl Rates {
    /// No class priced.
    pub const NONE: Self = Self([None; CLASSES]);

    /// The same with another price of a class.
    #[must_use]
    pub const fn with(mut self, class: Class, price: PicoUsd) -> Self {
        self.0[class.index()] = Some(price);
        self
    }

    /// Sets or takes away the price of a class.
    pub const fn set(&mut self, class: Class, price: Option<PicoUsd>) {
        self.0[class.index()] = price;
    }

    /// The price that a class has of its own.
    #[must_use]
    pub const fn own(&self, class: Class) -> Option<PicoUsd> {
        self.0[class.index()]
    }

    /// What a unit of a class costs: its own price, or that of the class it falls back to. What falls back to nothing is
    /// free.
    #[must_use]
    pub fn of(&self, class: Class) -> PicoUsd {
        match (self.own(class), class.falls_back_to()) {
            (Some(price), _) => price,
            (None, Some(other)) => self.of(other),
            (None, None) => PicoUsd::default(),
        }
    }

    /// Whether nothing is priced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// These, over others: a class that has no price here keeps the one it has there.
    #[must_use]
    pub fn over(&self, others: &Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index].or(others.0[index])))
    }

    /// The classes that are priced.
    pub fn priced(&self) -> impl Iterator<Item = (Class, PicoUsd)> {
        Class::ALL.into_iter().filter_map(|class| Some((class, self.own(class)?)))
    }

    pub(super) fn as_row(&self) -> &[Option<PicoUsd>; CLASSES] {
        &self.0
    }

    pub(super) const fn from_row(row: [Option<PicoUsd>; CLASSES]) -> Self {
        Self(row)
    }

    /// Takes a price by its field's name. Whether the name is one.
    pub(super) fn read_field(&mut self, name: &str, price: Option<PicoUsd>) -> bool {
        let class = Class::ALL.into_iter().find(|class| class.field() == name);
        class.map(|class| self.set(class, price)).is_some()
    }
}

impl Serialize for Rates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for (class, price) in self.priced() {
            map.serialize_entry(class.field(), &price)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[Option<PicoUsd>; CLASSES]>::deserialize(deserializer).map(Self);
        }
        deserializer.deserialize_map(Text)
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Rates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of prices")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rates, A::Error> {
        let mut rates = Rates::NONE;
        let mut seen = Vec::with_capacity(CLASSES);
        while let Some(name) = map.next_key::<String>()? {
            if !rates.read_field(&name, map.next_value()?) {
                return Err(A::Error::custom(format_args!("unknown field `{}`", name.escape_debug())));
            }
            if seen.contains(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            seen.push(name);
        }
        Ok(rates)
    }
}
