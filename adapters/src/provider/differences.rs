//! How a model at an upstream differs from what most can: parts of [`Abilities`], as rows of tables write them, and what
//! they are together.
//!
//! What is said of a vendor holds for its newest models and those that nobody has heard of yet. A family of models, known
//! by how their names begin, differs from its vendor; a model of the catalog differs from its family.

use serde::Deserialize;
use tallygate_core::id::VendorId;

use super::catalog::Entry;
use super::vendors::Vendor;
use crate::dialect::target::Abilities;

/// A part of [`Abilities`]: only what differs. It was read as abilities, so every word in it is one.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct Differences(toml::Table);

impl TryFrom<toml::Table> for Differences {
    type Error = toml::de::Error;

    fn try_from(table: toml::Table) -> Result<Self, Self::Error> {
        Abilities::deserialize(table.clone()).map(|_| Self(table))
    }
}

/// Models of some vendors whose names begin alike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Whose models.
    vendors: Vec<String>,
    /// How their names begin.
    starts: Vec<String>,
    /// How they differ from their vendor.
    abilities: Differences,
}

impl Family {
    /// The families that this build knows.
    ///
    /// # Errors
    /// The text is not TOML of the right form.
    pub(super) fn builtin() -> Result<Vec<Self>, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            family: Vec<Family>,
        }
        toml::from_str(include_str!("families.toml")).map(|table: Table| table.family)
    }

    /// Whether a vendor has such models.
    pub(super) fn is_of(&self, vendor: &VendorId) -> bool {
        self.vendors.iter().any(|name| name == vendor.as_str())
    }

    /// How much of a model's name is that of the family; none where it is not of it.
    fn likeness(&self, model: &str) -> Option<usize> {
        let starts = self.starts.iter().filter(|start| model.starts_with(start.as_str()));
        starts.map(String::len).max()
    }

    #[cfg(test)]
    pub(super) fn vendors(&self) -> &[String] {
        &self.vendors
    }
}

/// What a vendor's model can and cannot do: as its vendor says, its families from the widest to the narrowest, and its own
/// entry in the catalog, each before the one that it differs from.
#[must_use]
pub fn abilities(vendor: &Vendor, entry: Option<&Entry>, upstream_model: &str) -> Abilities {
    let liken = |family: &'_ Family| family.likeness(upstream_model);
    let mut families: Vec<(usize, &Family)> =
        vendor.families().iter().filter_map(|family| Some((liken(family)?, family))).collect();
    families.sort_by_key(|(likeness, _)| *likeness);
    let of_families = families.into_iter().map(|(_, family)| &family.abilities);
    let own = entry.map(|entry| &entry.differs);
    together(std::iter::once(vendor.differs()).chain(of_families).chain(own))
}

/// Later ones before earlier ones, and what most can before none.
fn together<'d>(differences: impl Iterator<Item = &'d Differences>) -> Abilities {
    let mut all = toml::Table::new();
    for Differences(table) in differences {
        all.extend(table.clone());
    }
    // Each was read as abilities, and no field bears on another, so all of them together can be read.
    Abilities::deserialize(all).unwrap_or_default()
}

#[cfg(test)]
mod tests;
