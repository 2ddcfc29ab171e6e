//! Views of one log are never taken for views of another.

use std::sync::Arc;

use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_projections::{Mismatch, OpenError};

use crate::gateway::Site;
use crate::sample::{happened, key, realm, settled};
use tallygate_core::testing::activity_writer::ActivityWriter;

async fn refusal(site: &Site) -> Mismatch {
    match site.open().await {
        Err(OpenError::Mismatch(mismatch)) => mismatch,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn views_that_are_ahead_of_their_log_are_refused_and_not_rebuilt() {
    let (mut site, mut writer) = (Site::new(), ControlWriter::new());
    let first = writer.command(realm("acme"));
    site.append(first.clone()).await;
    site.append(writer.command(key("acme", 1))).await;
    site.follow_to_the_end().await.unwrap();
    site.control = Arc::new(MemoryLog::new(Log::Control));
    site.append(first).await;
    let mismatch = refusal(&site).await;
    let Mismatch::CheckpointAheadOfLog { log: Log::Control, checkpoint, end } = mismatch else { panic!("{mismatch}") };
    assert!(checkpoint > end && end > Offset::START);
    assert!(site.set_aside().is_empty(), "the log may have lost events: that is for a person to decide");
}

#[tokio::test]
async fn views_of_another_log_are_refused() {
    let (mut site, mut writer) = (Site::new(), ControlWriter::new());
    site.append(writer.command(realm("acme"))).await;
    site.follow_to_the_end().await.unwrap();
    let seen = site.control.head(&tallygate_core::stream::ChainId::control()).await.unwrap().hash;
    site.control = Arc::new(MemoryLog::new(Log::Control));
    let mut other = ControlWriter::new();
    site.append(other.command(realm("zeta"))).await;
    let mismatch = refusal(&site).await;
    let Mismatch::OtherLog { seen: found_seen, found, .. } = &mismatch else { panic!("{mismatch}") };
    assert_eq!((*found_seen, *found), (seen, Some(other.head().hash)));
    assert!(mismatch.to_string().contains(&seen.to_string()));
}

#[tokio::test]
async fn the_activity_log_is_compared_too() {
    let (mut site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    site.append(writer.batch(&[happened("acme", settled("acme", 1, 1))])).await;
    site.follow_to_the_end().await.unwrap();
    site.activity = Arc::new(MemoryLog::new(Log::Activity));
    assert!(matches!(refusal(&site).await, Mismatch::CheckpointAheadOfLog { log: Log::Activity, .. }));
}

#[tokio::test]
async fn deleted_views_follow_any_log() {
    let (mut site, mut writer) = (Site::new(), ControlWriter::new());
    site.append(writer.command(realm("acme"))).await;
    site.follow_to_the_end().await.unwrap();
    site.control = Arc::new(MemoryLog::new(Log::Control));
    std::fs::remove_dir_all(site.dir()).unwrap();
    site.follow_to_the_end().await.unwrap();
}
