//! How the aliases of a command are read: a name that stands twice is refused, since readers differ on which one counts.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::id::ModelName;
use crate::patch::Patch;

struct Aliases(BTreeMap<ModelName, ModelName>);

impl<'de> Deserialize<'de> for Aliases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EachOnce;

        impl<'de> Visitor<'de> for EachOnce {
            type Value = Aliases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of model names, each once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Aliases, A::Error> {
                let mut aliases = BTreeMap::new();
                while let Some((alias, model)) = map.next_entry::<ModelName, ModelName>()? {
                    if aliases.insert(alias.clone(), model).is_some() {
                        return Err(A::Error::custom(format_args!("duplicate alias `{alias}`")));
                    }
                }
                Ok(Aliases(aliases))
            }
        }

        deserializer.deserialize_map(EachOnce)
    }
}

pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<ModelName, ModelName>, D::Error> {
    Aliases::deserialize(deserializer).map(|Aliases(aliases)| aliases)
}

pub(super) fn read_patch<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Patch<BTreeMap<ModelName, ModelName>>, D::Error> {
    let aliases = Option::<Aliases>::deserialize(deserializer)?;
    Ok(aliases.map_or(Patch::Clear, |Aliases(aliases)| Patch::Set(aliases)))
}
