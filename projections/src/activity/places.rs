//! The candidates of a request as rows have them: fields in an order that never changes, none left out. A line of a log
//! names them instead.

use serde::{Deserialize, Serialize};
use tallygate_core::id::DeploymentId;
use tallygate_core::routing::{Considered, Place, Stands, Strategy};

/// The candidates, best first; none where there was no choice.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Places(Option<Order>);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    strategy: Strategy,
    ranked: Vec<Row>,
    more: u32,
}

/// One candidate.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    deployment: DeploymentId,
    score: u64,
    stands: Stands,
    used_up: bool,
}

impl From<Option<&Considered>> for Places {
    fn from(considered: Option<&Considered>) -> Self {
        let row = |place: &Place| {
            let Place { deployment, score, stands, used_up } = place.clone();
            Row { deployment, score, stands, used_up }
        };
        Self(considered.map(|considered| Order {
            strategy: considered.strategy,
            ranked: considered.ranked.iter().map(row).collect(),
            more: considered.more,
        }))
    }
}

impl From<Places> for Option<Box<Considered>> {
    fn from(places: Places) -> Self {
        let place = |row| {
            let Row { deployment, score, stands, used_up } = row;
            Place { deployment, score, stands, used_up }
        };
        places.0.map(|Order { strategy, ranked, more }| {
            Box::new(Considered { strategy, ranked: ranked.into_iter().map(place).collect(), more })
        })
    }
}
