//! Following the control log: what was decided is what the views say.

use std::collections::BTreeSet;

use tallygate_core::command::Command;
use tallygate_core::control::Needs;
use tallygate_core::key::{BlockKey, UnblockKey};
use tallygate_core::testing::control_writer::ControlWriter;

use crate::gateway::Site;
use crate::sample::{hash, key, key_id, realm, rotate};

#[tokio::test]
async fn a_change_is_seen_as_soon_as_its_position_is_reached() {
    let (site, mut writer) = (Site::new(), ControlWriter::new());
    let running = site.start().await;
    site.append(writer.command(realm("acme"))).await;
    site.append(writer.command(key("acme", 1))).await;
    let control = &running.views.control;
    control.wait_for(writer.head().position).await.unwrap();
    let snapshot = control.snapshot();
    assert_eq!(snapshot.head, writer.head());
    assert!(snapshot.control.realms.contains("acme"));
    assert!(snapshot.control.keys.is_empty(), "keys are loaded on demand");
    let row = control.key_by_hash(&hash(1)).unwrap().unwrap();
    assert_eq!(Some(&row.key), writer.control().keys.get(&key_id(1)));
    running.stop().await;
}

#[tokio::test]
async fn a_key_in_memory_is_replaced_when_an_event_touches_it() {
    let (site, mut writer) = (Site::new(), ControlWriter::new());
    let running = site.start().await;
    let control = &running.views.control;
    site.append(writer.command(realm("acme"))).await;
    site.append(writer.command(key("acme", 1))).await;
    control.wait_for(writer.head().position).await.unwrap();
    assert!(control.key_by_hash(&hash(1)).unwrap().unwrap().key.blocked.is_none());
    site.append(writer.command(BlockKey { key: key_id(1) })).await;
    control.wait_for(writer.head().position).await.unwrap();
    assert!(control.key_by_hash(&hash(1)).unwrap().unwrap().key.blocked.is_some());
    site.append(writer.command(rotate(1, 2))).await;
    control.wait_for(writer.head().position).await.unwrap();
    let by_old = control.key_by_hash(&hash(1)).unwrap().unwrap();
    let by_new = control.key_by_hash(&hash(2)).unwrap().unwrap();
    assert_eq!((by_old.key.hash, by_new.key.hash), (hash(2), hash(2)), "both lead to the key as it is");
    running.stop().await;
}

#[tokio::test]
async fn a_decision_is_made_on_the_rows_it_needs_and_at_the_end_of_the_log() {
    let (site, mut writer) = (Site::new(), ControlWriter::new());
    let running = site.start().await;
    site.append(writer.command(realm("acme"))).await;
    site.append(writer.command(key("acme", 1))).await;
    site.append(writer.command(key("acme", 2))).await;
    let control = &running.views.control;
    control.wait_for(writer.head().position).await.unwrap();
    let needs = Needs { keys: vec![key_id(1)], hashes: vec![hash(2), hash(3)], ..Needs::default() };
    let state = control.decision_state(&needs).unwrap();
    assert_eq!(state.head, writer.head());
    assert!(state.control.keys.contains(&key_id(1)) && !state.control.keys.contains(&key_id(2)));
    assert!(state.control.key_hashes.contains(&hash(2)) && !state.control.key_hashes.contains(&hash(3)));
    running.stop().await;
}

/// Every event touches the one key, so a key's last change must be the position of whatever it is seen with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_together_is_of_one_position_while_the_log_grows() {
    const CHANGES: u64 = 400;
    let (site, mut writer) = (Site::new().in_groups_of(3), ControlWriter::new());
    site.append(writer.command(realm("acme"))).await;
    site.append(writer.command(key("acme", 1))).await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let end = writer.head().position.plus(CHANGES);
    let control = running.views.control.clone();
    let reader = std::thread::spawn(move || {
        let needs = Needs { keys: vec![key_id(1)], ..Needs::default() };
        let mut positions = BTreeSet::new();
        loop {
            let snapshot = control.snapshot();
            let row = control.key_by_hash(&hash(1)).unwrap().unwrap();
            assert!(row.key.trail.changed.position >= snapshot.position(), "a key older than the snapshot");
            let state = control.decision_state(&needs).unwrap();
            let changed = state.control.keys.get(&key_id(1)).unwrap().trail.changed.position;
            assert_eq!(changed, state.head.position, "a decision on rows of two positions");
            positions.insert(changed);
            if changed == end {
                return positions.len();
            }
        }
    });
    for number in 0..CHANGES {
        let key = key_id(1);
        let change: Command =
            if number.is_multiple_of(2) { BlockKey { key }.into() } else { UnblockKey { key }.into() };
        site.append(writer.command(change)).await;
        tokio::task::yield_now().await;
    }
    assert!(tokio::task::spawn_blocking(|| reader.join().unwrap()).await.unwrap() > 2);
    running.stop().await;
}

#[tokio::test]
async fn a_scrape_shows_how_far_the_views_are() {
    let (site, mut writer) = (Site::new(), ControlWriter::new());
    let registry = prometheus::Registry::new();
    site.metrics.register(&registry).unwrap();
    let running = site.start().await;
    site.append(writer.command(realm("acme"))).await;
    running.catch_up(&site).await.unwrap();
    let end = writer.head().position.get();
    let scraped = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        format!("tallygate_views_applied_offset{{log=\"control\"}} {end}"),
        format!("tallygate_views_lines_total{{log=\"control\"}} {end}"),
        "tallygate_views_following{log=\"control\"} 1".to_owned(),
    ] {
        assert!(scraped.contains(&line), "{line} is not in\n{scraped}");
    }
    running.stop().await;
}
