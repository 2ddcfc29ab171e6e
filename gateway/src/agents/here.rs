//! The agents that are connected to this gateway, and what of them the other gateways were not told yet.

use std::collections::HashMap;

use tallygate_core::id::{AgentId, WriterId};
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::recorded::RECORDED_EVERY;
use super::report::{News, Row};
use super::{AGENTS_MAX, Progress};

/// See the module.
#[derive(Debug)]
pub(super) struct Here {
    /// Whether there is anybody to tell.
    tells: bool,
    /// The number of the last connection, here or anywhere that was heard of: a clock that only counts.
    last: u64,
    agents: HashMap<AgentId, Present>,
    /// When a connection of an agent was recorded last.
    recorded: HashMap<AgentId, Instant>,
    untold: Untold,
}

/// What the other gateways were not told yet.
#[derive(Debug, Default)]
struct Untold {
    /// Of these agents something; and whether that they have entered.
    agents: HashMap<AgentId, bool>,
    /// Whether an agent was looked at since.
    looked: bool,
}

/// An agent that is connected.
#[derive(Debug)]
pub(super) struct Present {
    connection: u64,
    pub(super) since: Timestamp,
    pub(super) progress: watch::Receiver<Progress>,
    /// Dropped when another connection takes the place.
    _replaced: oneshot::Sender<()>,
}

/// A place that was taken.
pub(super) struct Taken {
    pub(super) connection: u64,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) replaced: oneshot::Receiver<()>,
    pub(super) is_recorded: bool,
}

impl Here {
    /// Nobody is connected yet.
    pub(super) fn new(tells: bool) -> Self {
        Self { tells, last: 0, agents: HashMap::new(), recorded: HashMap::new(), untold: Untold::default() }
    }

    /// Takes the place of an agent; none where there are too many agents.
    pub(super) fn enter(&mut self, agent: &AgentId, since: Timestamp, now: Instant) -> Option<Taken> {
        if self.agents.len() >= AGENTS_MAX && !self.agents.contains_key(agent) {
            return None;
        }
        let (sender, progress) = watch::channel(Progress::default());
        let (replace, replaced) = oneshot::channel();
        self.last = self.last.saturating_add(1);
        let connection = self.last;
        self.agents.insert(agent.clone(), Present { connection, since, progress, _replaced: replace });
        let is_recorded = self.is_to_be_recorded(agent, now);
        self.note(agent, true);
        Some(Taken { connection, progress: sender, replaced, is_recorded })
    }

    /// Gives up the place of a connection, if it still has it.
    pub(super) fn leave(&mut self, agent: &AgentId, connection: u64) {
        if self.agents.get(agent).is_some_and(|present| present.connection == connection) {
            self.agents.remove(agent);
            self.note(agent, false);
        }
    }

    pub(super) fn get(&self, agent: &AgentId) -> Option<&Present> {
        self.agents.get(agent)
    }

    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    /// Notes that an agent was looked at for a connection, and whether there is something to tell of it.
    pub(super) fn looked_at(&mut self, agent: &AgentId, connection: u64, has_changed: bool) {
        if self.agents.get(agent).is_none_or(|present| present.connection != connection) {
            return;
        }
        self.untold.looked = self.tells;
        if has_changed {
            self.note(agent, false);
        }
    }

    fn note(&mut self, agent: &AgentId, is_new: bool) {
        // Where nobody takes what is noted, it stays bounded; the next list tells the rest.
        let has_room = self.untold.agents.len() < 2 * AGENTS_MAX || self.untold.agents.contains_key(agent);
        if self.tells && has_room {
            *self.untold.agents.entry(agent.clone()).or_default() |= is_new;
        }
    }

    /// Whether there is something to tell.
    pub(super) fn has_news(&self) -> bool {
        self.untold.looked || !self.untold.agents.is_empty()
    }

    /// What is to be told, once.
    pub(super) fn news(&mut self) -> News {
        let mut news = News { checked: self.checked(), ..News::default() };
        for (agent, is_new) in std::mem::take(&mut self.untold).agents {
            match self.agents.get(&agent) {
                Some(present) => news.here.push(present.row(&agent, is_new)),
                None => news.left.push(agent),
            }
        }
        news
    }

    /// All agents that are connected, as if others knew of none.
    pub(super) fn list(&self) -> News {
        let here = self.agents.iter().map(|(agent, present)| present.row(agent, false)).collect();
        News { checked: self.checked(), here, left: Vec::new() }
    }

    /// The position that all agents were looked at for; those that were told nothing yet are not counted.
    fn checked(&self) -> Option<Position> {
        let looked_at = self.agents.values().filter_map(|present| {
            let progress = present.progress.borrow();
            progress.told.as_ref().map(|_| progress.checked)
        });
        looked_at.min()
    }

    /// Takes what another gateway says of an agent that is connected there. Where it has just entered there and the
    /// connection here is older, that ends; where it is newer, the other gateway is told once more.
    pub(super) fn hear(&mut self, row: &Row, (there, own): (&WriterId, &WriterId)) {
        self.last = self.last.max(row.connection);
        let Some(present) = self.agents.get(&row.agent).filter(|_| row.is_new) else { return };
        let is_older = (present.connection, own) < (row.connection, there);
        if is_older {
            self.agents.remove(&row.agent);
        }
        self.note(&row.agent, !is_older);
    }

    fn is_to_be_recorded(&mut self, agent: &AgentId, now: Instant) -> bool {
        if self.recorded.len() >= AGENTS_MAX {
            self.recorded.retain(|_, at| now.duration_since(*at) < RECORDED_EVERY);
        }
        let last = self.recorded.get(agent);
        if last.is_some_and(|at| now.duration_since(*at) < RECORDED_EVERY) || self.recorded.len() >= 2 * AGENTS_MAX {
            return false;
        }
        self.recorded.insert(agent.clone(), now);
        true
    }
}

impl Present {
    fn row(&self, agent: &AgentId, is_new: bool) -> Row {
        let progress = self.progress.borrow();
        Row {
            agent: agent.clone(),
            connection: self.connection,
            is_new,
            since: self.since,
            told: progress.told.clone(),
            acknowledged_at: progress.acknowledged_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::id::WriterId;
    use tallygate_core::stream::Position;
    use tallygate_core::testing::samples::id;
    use tallygate_core::time::Timestamp;
    use tokio::sync::oneshot::error::TryRecvError;
    use tokio::time::Instant;

    use super::super::report::Row;
    use super::super::{AGENTS_MAX, Progress, ToldAt};
    use super::{Here, Taken};

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn enter(here: &mut Here, agent: &str) -> Taken {
        here.enter(&id(agent), NOW, Instant::now()).unwrap()
    }

    fn told(position: u64) -> Progress {
        let position = Position::new(position);
        let told = Some(ToldAt { message: format!("m{position}"), position, at: NOW });
        Progress { checked: position, told, ..Progress::default() }
    }

    fn elsewhere(agent: &str, connection: u64, is_new: bool) -> Row {
        Row { agent: id(agent), connection, is_new, since: NOW, told: None, acknowledged_at: None }
    }

    fn hear(here: &mut Here, row: &Row, there: &str) {
        here.hear(row, (&WriterId::new(there).unwrap(), &WriterId::new("m").unwrap()));
    }

    #[test]
    fn what_changed_is_told_once_and_the_list_tells_all() {
        let mut here = Here::new(true);
        assert!(!here.has_news());
        let (a, _b) = (enter(&mut here, "a"), enter(&mut here, "b"));
        a.progress.send_replace(told(5));
        here.looked_at(&id("a"), a.connection, true);
        let mut news = here.news();
        news.here.sort_by_key(|row| row.connection);
        let rows: Vec<_> = news.here.iter().map(|row| (row.agent.as_str(), row.is_new, row.told.is_some())).collect();
        assert_eq!(rows, [("a", true, true), ("b", true, false)]);
        assert_eq!(news.checked, Some(Position::new(5)), "who was told nothing yet keeps nobody waiting");
        assert!(!here.has_news());
        a.progress.send_replace(Progress { checked: Position::new(6), ..told(5) });
        here.looked_at(&id("a"), a.connection, false);
        assert!(here.has_news());
        let news = here.news();
        assert_eq!((news.checked, news.here.len()), (Some(Position::new(6)), 0));
        here.leave(&id("a"), a.connection);
        assert_eq!((here.list().here.len(), here.news().left), (1, vec![id("a")]));
    }

    #[test]
    fn of_two_connections_on_two_gateways_the_newer_one_stays_however_they_are_told() {
        let mut here = Here::new(true);
        let mut a = enter(&mut here, "a");
        here.news();
        hear(&mut here, &elsewhere("a", 7, false), "z");
        assert_eq!(a.replaced.try_recv(), Err(TryRecvError::Empty), "a list replaces nobody");
        hear(&mut here, &elsewhere("a", 7, true), "z");
        assert_eq!(a.replaced.try_recv(), Err(TryRecvError::Closed));
        assert_eq!((here.len(), here.news().left), (0, vec![id("a")]));
        let mut again = enter(&mut here, "a");
        assert_eq!(again.connection, 8, "it is newer than all that was heard of");
        here.news();
        hear(&mut here, &elsewhere("a", 7, true), "z");
        assert_eq!(again.replaced.try_recv(), Err(TryRecvError::Empty));
        assert!(here.news().here[0].is_new, "so that the older one ends there, whatever was lost");
    }

    #[test]
    fn of_two_connections_that_began_at_once_each_gateway_keeps_the_same_one() {
        for (there, stays) in [("a", true), ("z", false)] {
            let mut here = Here::new(true);
            let mut seat = enter(&mut here, "agent");
            hear(&mut here, &elsewhere("agent", seat.connection, true), there);
            assert_eq!(seat.replaced.try_recv() == Err(TryRecvError::Empty), stays, "{there}");
        }
    }

    #[test]
    fn there_is_a_limit_to_agents_and_to_what_is_noted_of_them() {
        let mut here = Here::new(true);
        for round in 0..3 {
            let seats: Vec<_> = (0..AGENTS_MAX).map(|n| (format!("{round} {n}"), n)).collect();
            let seats: Vec<_> = seats.iter().map(|(name, _)| (name, enter(&mut here, name))).collect();
            assert!(here.enter(&id("one more"), NOW, Instant::now()).is_none());
            assert!(here.enter(&id(seats[0].0), NOW, Instant::now()).is_some(), "it has its place already");
            seats.iter().skip(1).for_each(|(name, seat)| here.leave(&id(name), seat.connection));
            let connection = here.last;
            here.leave(&id(seats[0].0), connection);
        }
        assert_eq!(here.news().left.len(), 2 * AGENTS_MAX);
    }

    #[test]
    fn where_nobody_is_to_be_told_nothing_is_noted() {
        let mut here = Here::new(false);
        let seat = enter(&mut here, "a");
        here.looked_at(&id("a"), seat.connection, true);
        here.leave(&id("a"), seat.connection);
        assert!(!here.has_news());
    }
}
