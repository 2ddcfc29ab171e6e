//! Folding a log from zero gives the same rows as following it live, in groups of any size, after any crash.

use tallygate_core::stream::Log;
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::dump::dump;
use tallygate_projections::{
    Moment, as_of, rebuild_activity, rebuild_control, stored_activity_digest, stored_control_digest,
};

use crate::gateway::Site;
use crate::history::{self, Dice};

async fn site_with_history(seed: u64) -> Site {
    let site = Site::new();
    for batch in history::control(seed, 300).0.into_iter().chain(history::activity(seed, 40).0) {
        site.append(batch).await;
    }
    site
}

#[tokio::test]
async fn groups_of_any_size_and_a_rebuild_give_the_same_digest() {
    for seed in 0..4 {
        let site = site_with_history(seed).await;
        let whole = site.follow_to_the_end().await.unwrap();
        for group_lines in [1, 2, 3, 7, 50] {
            let other = site.beside().in_groups_of(group_lines);
            assert_eq!(other.follow_to_the_end().await.unwrap(), whole, "seed {seed}, groups of {group_lines}");
        }
        let fresh = tempfile::tempdir().unwrap();
        let control = rebuild_control(site.control.as_ref(), Some(&TEST_MAC_KEY), fresh.path()).await.unwrap();
        let activity = rebuild_activity(site.activity.as_ref(), Some(&TEST_MAC_KEY), fresh.path()).await.unwrap();
        assert_eq!((control.1, activity.1), whole, "seed {seed}, rebuilt");
        assert_eq!(stored_control_digest(&site.dir()).unwrap(), control);
        assert_eq!(stored_activity_digest(&site.dir()).unwrap(), activity);
    }
}

#[tokio::test]
async fn the_log_in_pieces_with_a_stop_between_any_two_gives_the_same_digest() {
    let (batches, _) = history::control(9, 200);
    let site = Site::new();
    for (index, batch) in batches.into_iter().enumerate() {
        site.append(batch).await;
        if index % 20 == 0 {
            site.follow_to_the_end().await.unwrap();
        }
    }
    let whole = site.beside().follow_to_the_end().await.unwrap();
    assert_eq!(site.follow_to_the_end().await.unwrap(), whole);
}

/// The folder of a process that is killed holds whatever its writes have come to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_any_moment_leaves_what_leads_to_the_same_digest() {
    let site = Site::new().in_groups_of(5);
    let running = site.start().await;
    let mut killed = Vec::new();
    let batches = history::control(3, 400).0.into_iter().chain(history::activity(3, 60).0);
    for (index, batch) in batches.enumerate() {
        site.append(batch).await;
        if index % 50 == 7 {
            killed.push(site.as_killed_now());
        }
    }
    running.catch_up(&site).await.unwrap();
    running.stop().await;
    let whole = site.beside().follow_to_the_end().await.unwrap();
    assert!(killed.len() > 5);
    for killed in killed {
        assert_eq!(until_sound(&killed).await, whole);
    }
}

#[tokio::test]
async fn a_store_that_was_changed_in_any_place_leads_to_the_same_digest() {
    let site = site_with_history(5).await;
    let whole = site.follow_to_the_end().await.unwrap();
    // Sled writes a summary of its file when it opens one: with it, it finds that the file has changed.
    assert_eq!(site.follow_to_the_end().await.unwrap(), whole);
    let mut dice = Dice::new(5);
    let mut set_aside = 0;
    for round in 0..24 {
        let damaged = site.as_killed_now();
        let file = damaged.store_dir(if round % 2 == 0 { Log::Control } else { Log::Activity }).join("db");
        let mut bytes = std::fs::read(&file).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        match round % 3 {
            0 => bytes.truncate(usize::try_from(dice.below(used as u64)).unwrap()),
            1 => bytes.fill(0),
            _ => {
                for _ in 0..64 {
                    bytes[usize::try_from(dice.below(used as u64)).unwrap()] ^= 0x55;
                }
            }
        }
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(until_sound(&damaged).await, whole, "round {round}");
        set_aside += damaged.set_aside().len();
    }
    assert!(set_aside > 4, "{set_aside} stores of 24 were found to be damaged");
}

#[tokio::test]
async fn a_folder_that_was_deleted_is_made_again() {
    let site = site_with_history(6).await;
    let whole = site.follow_to_the_end().await.unwrap();
    std::fs::remove_dir_all(site.dir()).unwrap();
    assert_eq!(site.follow_to_the_end().await.unwrap(), whole);
}

/// Starts again until nothing is found to be damaged any more. A store may be found damaged only while it is read.
async fn until_sound(site: &Site) -> (tallygate_projections::StateDigest, tallygate_projections::StateDigest) {
    let mut found = Vec::new();
    for _ in 0..3 {
        match site.follow_to_the_end().await {
            Ok(digests) => return digests,
            Err(error) => found.push(error),
        }
    }
    panic!("damage that does not heal: {found:?}");
}

#[tokio::test]
async fn the_state_as_of_a_moment_is_what_it_was_then() {
    let site = Site::new();
    let (batches, _) = history::control(11, 120);
    let mut states = Vec::new();
    for count in [10, 50, 110] {
        let prefix = Site::new();
        for batch in &batches[..count] {
            prefix.append(batch.clone()).await;
        }
        let state = as_of(prefix.control.as_ref(), Some(&TEST_MAC_KEY), Moment::End).await.unwrap();
        states.push(state);
    }
    for batch in batches {
        site.append(batch).await;
    }
    for then in states {
        let by_position = Moment::Position(then.head.position);
        for moment in [by_position, Moment::Time(then.at)] {
            let found = as_of(site.control.as_ref(), Some(&TEST_MAC_KEY), moment).await.unwrap();
            assert_eq!((found.head, found.at), (then.head, then.at));
            assert_eq!(dump(&found.control), dump(&then.control));
        }
    }
}

#[tokio::test]
async fn the_state_in_the_midst_of_a_command_is_the_one_before_it() {
    let site = Site::new();
    let mut writer = tallygate_core::testing::control_writer::ControlWriter::new();
    site.append(writer.command(crate::sample::realm("acme"))).await;
    let before = writer.head();
    let model = tallygate_core::testing::samples::register_model(1, "gpt");
    site.append(writer.command(crate::sample::realm("default"))).await;
    let second = writer.head();
    let batch = writer.command(model);
    assert!(batch.lines.len() > 1);
    site.append(batch).await;
    let midst = Moment::Position(second.position.plus(1));
    let found = as_of(site.control.as_ref(), None, midst).await.unwrap();
    assert_eq!(found.head, second);
    assert!(second.position > before.position && found.control.models.is_empty());
}
