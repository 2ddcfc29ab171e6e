//! The lease log in few words, for whoever has to find out what a seed did.

use super::world::World;
use crate::lease::{AccountId, Event, Root};
use crate::time::Timestamp;

impl World {
    /// Every event: the first of each chain, then the second of each, and so on.
    pub(super) fn history(&self) -> Vec<(Root, Timestamp, Event)> {
        let longest = self.log.chains.values().map(|chain| chain.events.len()).max().unwrap_or(0);
        let at = |place: usize| {
            let stored = self.log.chains.iter().filter_map(move |(root, chain)| Some((root, chain.events.get(place)?)));
            stored.map(|(root, stored)| (root.clone(), stored.at, stored.event.clone()))
        };
        (0..longest).flat_map(at).collect()
    }

    /// Every event of every chain, with the place and the moment that its writer believed in.
    pub(super) fn story(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (root, chain) in &self.log.chains {
            for (place, stored) in (1..).zip(&chain.events) {
                lines.push(format!("{root} {place} {} {}", stored.at, told(&stored.event)));
            }
        }
        lines
    }
}

fn told(event: &Event) -> String {
    let mut parts: Vec<String> = Vec::new();
    let who = match event {
        Event::Joined(data) => format!("{}#{}", data.gateway, data.epoch),
        Event::Opened(data) => {
            parts.extend(data.windows.iter().map(|window| {
                let (limit, granted) = (window.limit_nano_usd.nano(), window.granted_nano_usd.nano());
                format!("{} limit {limit} granted {granted}", short(&window.account))
            }));
            format!("{}#{}", data.gateway, data.epoch)
        }
        Event::Rolled(data) => {
            parts.extend(data.slices.iter().map(|roll| {
                let granted = roll.granted.map_or(0, |grant| grant.amount_nano_usd.nano());
                let (spent, returned) = (roll.spent_nano_usd.nano(), roll.returned_nano_usd.nano());
                format!("{} spent {spent} returned {returned} granted {granted}", short(&roll.account))
            }));
            format!("{}#{}", data.gateway, data.epoch)
        }
        Event::Suspended(data) => {
            parts.extend(
                data.slices
                    .iter()
                    .map(|part| format!("{} {:?} {}", short(&part.account), data.why, part.amount_nano_usd.nano())),
            );
            format!("{}#{}", data.gateway, data.epoch)
        }
        Event::Resumed(data) => {
            parts.extend(
                data.slices.iter().map(|part| format!("{} {}", short(&part.account), part.amount_nano_usd.nano())),
            );
            format!("{}#{}", data.gateway, data.epoch)
        }
        Event::Recovered(data) => {
            parts.extend(data.slices.iter().map(|wound| {
                let (spent, suspended) = (wound.spent_nano_usd.nano(), wound.suspended_nano_usd.nano());
                let returned = wound.returned_nano_usd.nano();
                format!("{} spent {spent} suspended {suspended} returned {returned}", short(&wound.account))
            }));
            format!("{}#{} by {} {:?}", data.gateway, data.epoch, data.by_epoch, data.journal)
        }
        Event::Closed(data) => {
            parts.extend(data.slices.iter().map(|closing| {
                let (spent, returned) = (closing.spent_nano_usd.nano(), closing.returned_nano_usd.nano());
                format!("{} {:?} spent {spent} returned {returned}", short(&closing.account), data.why)
            }));
            format!("{}#{} by {:?}", data.gateway, data.epoch, data.by)
        }
        Event::Reclaimed(data) => {
            parts.extend(
                data.slices.iter().map(|part| format!("{} {}", short(&part.account), part.amount_nano_usd.nano())),
            );
            format!("{}#{}", data.gateway, data.epoch)
        }
    };
    format!("{} {who}: {}", event.kind(), parts.join(", "))
}

/// The scope's kind and last letter, and the window's start in seconds.
fn short(account: &AccountId) -> String {
    let scope = account.scope.to_string();
    let kind = scope.split(':').next().unwrap_or_default();
    let last = scope.chars().next_back().unwrap_or_default();
    format!("{kind}{last}@{}", account.window.millis() / 1_000 % 100_000)
}
