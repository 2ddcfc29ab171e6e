use std::time::Duration;

use tallygate_core::id::{AgentId, WriterId};
use tallygate_core::stream::Position;
use tallygate_core::testing::samples::id;
use tallygate_core::time::Timestamp;
use tokio::time::Instant;

use super::super::report::{News, Report, Row};
use super::super::{AGENTS_MAX, ToldAt};
use super::{Elsewhere, PEERS_MAX, SILENCE};

const NOW: Timestamp = Timestamp::from_millis(1);
const MOMENT: Duration = Duration::from_millis(1);

fn own() -> Elsewhere {
    Elsewhere::new(WriterId::new("own").unwrap())
}

fn row(agent: &str, connection: u64, told: Option<u64>) -> Row {
    let told = told.map(|position| ToldAt { message: "m".to_owned(), position: Position::new(position), at: NOW });
    Row { agent: id(agent), connection, is_new: false, since: NOW, told, acknowledged_at: None }
}

/// A report of the first run of a gateway.
fn says(gateway: &str, number: u64, here: Vec<Row>) -> Report {
    let news = News { checked: None, here, left: Vec::new() };
    Report { gateway: WriterId::new(gateway).unwrap(), run: 1, number, stops: false, news }
}

fn where_is(elsewhere: &Elsewhere, agent: &str, now: Instant) -> Option<String> {
    elsewhere.find(&id::<AgentId>(agent), now).map(|found| found.gateway.to_string())
}

#[test]
fn an_agent_is_where_its_newest_connection_is_until_that_gateway_says_that_it_left() {
    let (mut elsewhere, now) = (own(), Instant::now());
    elsewhere.hear(says("one", 1, vec![row("a", 5, None)]), now);
    elsewhere.hear(says("two", 1, vec![row("a", 6, None)]), now);
    assert_eq!(where_is(&elsewhere, "a", now).as_deref(), Some("two"));
    let mut left = says("two", 2, Vec::new());
    left.news.left = vec![id("a")];
    elsewhere.hear(left, now);
    assert_eq!(where_is(&elsewhere, "a", now).as_deref(), Some("one"));
    assert_eq!(where_is(&elsewhere, "b", now), None);
    let heard = elsewhere.hear(says("own", 1, vec![row("b", 9, None)]), now);
    assert!(heard.rows.is_empty() && !heard.is_stranger, "what this gateway says itself is known");
    assert_eq!(where_is(&elsewhere, "b", now), None);
}

#[test]
fn what_is_not_said_again_is_forgotten_and_a_gateway_that_comes_back_is_a_stranger() {
    let (mut elsewhere, begun) = (own(), Instant::now());
    assert!(elsewhere.hear(says("one", 1, vec![row("a", 1, None), row("b", 2, None)]), begun).is_stranger);
    let later = begun + SILENCE;
    assert!(!elsewhere.hear(says("one", 2, vec![row("b", 2, None)]), later).is_stranger);
    assert_eq!(where_is(&elsewhere, "a", later).as_deref(), Some("one"));
    let gone = later + MOMENT;
    assert_eq!(where_is(&elsewhere, "a", gone), None, "its `left` was lost");
    assert_eq!(where_is(&elsewhere, "b", gone).as_deref(), Some("one"));
    elsewhere.forget(gone);
    assert_eq!(elsewhere.count(), 1);
    let silent = later + SILENCE + MOMENT;
    assert_eq!(where_is(&elsewhere, "b", silent), None, "it was killed");
    assert!(elsewhere.hear(says("one", 3, Vec::new()), silent).is_stranger);
}

#[test]
fn a_gateway_that_stops_or_starts_again_has_none_of_its_agents() {
    let (mut elsewhere, now) = (own(), Instant::now());
    elsewhere.hear(says("one", 1, vec![row("a", 1, None)]), now);
    let again = Report { run: 2, ..says("one", 1, vec![row("b", 1, None)]) };
    assert!(elsewhere.hear(again, now).is_stranger);
    assert_eq!((where_is(&elsewhere, "a", now), elsewhere.count()), (None, 1));
    elsewhere.hear(Report { run: 2, stops: true, ..says("one", 2, Vec::new()) }, now);
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn what_was_heard_already_is_passed_over() {
    let (mut elsewhere, now) = (own(), Instant::now());
    let first = says("one", 1, vec![row("a", 1, None)]);
    assert_eq!(elsewhere.hear(first.clone(), now).rows.len(), 1);
    elsewhere.hear(Report { stops: true, ..says("one", 2, Vec::new()) }, now);
    assert!(elsewhere.hear(first.clone(), now).rows.is_empty());
    elsewhere.forget(now + SILENCE + MOMENT);
    assert!(elsewhere.hear(first, now + SILENCE + MOMENT).rows.is_empty(), "however long ago that was");
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn an_agent_was_told_what_is_so_where_it_was_told_it_or_looked_at_for_it_since() {
    let (mut elsewhere, now) = (own(), Instant::now());
    let told_to = |elsewhere: &Elsewhere, agent: &str| {
        elsewhere.find(&id::<AgentId>(agent), now).map(|found| found.told_to().get())
    };
    elsewhere.hear(says("one", 1, vec![row("a", 1, Some(5)), row("b", 2, None)]), now);
    assert_eq!(told_to(&elsewhere, "a"), Some(5));
    let mut looked = says("one", 2, Vec::new());
    looked.news.checked = Some(Position::new(8));
    elsewhere.hear(looked, now);
    assert_eq!((told_to(&elsewhere, "a"), told_to(&elsewhere, "b")), (Some(8), Some(0)));
    elsewhere.hear(says("one", 3, vec![row("a", 1, Some(9))]), now);
    assert_eq!(told_to(&elsewhere, "a"), Some(9));
}

#[test]
fn there_is_a_limit_to_gateways_and_to_the_agents_of_each() {
    let (mut elsewhere, begun) = (own(), Instant::now());
    let many = (0..=AGENTS_MAX).map(|number| row(&format!("a{number}"), 1, None)).collect();
    elsewhere.hear(says("g0", 1, many), begun);
    assert_eq!(elsewhere.count(), AGENTS_MAX);
    for number in 1..=PEERS_MAX {
        elsewhere.hear(says(&format!("g{number}"), 1, vec![row("b", 1, None)]), begun);
    }
    assert_eq!(elsewhere.count(), AGENTS_MAX + PEERS_MAX - 1);
    let silent = begun + SILENCE + MOMENT;
    elsewhere.hear(says("late", 1, vec![row("c", 1, None)]), silent);
    assert_eq!(where_is(&elsewhere, "c", silent).as_deref(), Some("late"), "a silent one makes room");
}
