//! A disk that fails: nothing is acknowledged that is not known to be durable.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tallygate_core::port::event_log::{AppendError, EventLog as _, LogError};
use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::chain_writer::ChainWriter;
use tallygate_core::testing::drive::{join_all, next, poll_once};
use tempfile::TempDir;

use super::{keyed, read_all};
use crate::event_log::file::disk::Disk;
use crate::event_log::file::{FileLog, Options, Outage};

/// Does what its plan says, and counts.
#[derive(Debug, Default)]
struct FailingDisk {
    plan: Mutex<Plan>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct Plan {
    /// Writes fail with this, once so many more bytes were taken.
    write: Option<(ErrorKind, usize)>,
    /// At most so many bytes are written at once.
    write_at_most: Option<usize>,
    sync: Option<ErrorKind>,
    truncate: Option<ErrorKind>,
    open: Option<ErrorKind>,
    sync_folder: Option<ErrorKind>,
    /// Syncs wait while this is set.
    hold_syncs: bool,
    syncs: usize,
}

impl FailingDisk {
    fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.plan.lock().unwrap());
        self.released.notify_all();
    }

    fn syncs(&self) -> usize {
        self.plan.lock().unwrap().syncs
    }
}

fn fail(kind: Option<ErrorKind>) -> io::Result<()> {
    kind.map_or(Ok(()), |kind| Err(kind.into()))
}

impl Disk for FailingDisk {
    fn open_segment(&self, path: &Path) -> io::Result<File> {
        fail(self.plan.lock().unwrap().open)?;
        File::options().append(true).create(true).open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        let mut plan = self.plan.lock().unwrap();
        let mut count = plan.write_at_most.unwrap_or(usize::MAX).min(bytes.len());
        if let Some((kind, room)) = &mut plan.write {
            if *room == 0 {
                return Err((*kind).into());
            }
            count = count.min(*room);
            *room -= count;
        }
        file.write(&bytes[..count])
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        let mut plan = self.plan.lock().unwrap();
        while plan.hold_syncs {
            plan = self.released.wait(plan).unwrap();
        }
        plan.syncs += 1;
        fail(plan.sync)
    }

    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()> {
        fail(self.plan.lock().unwrap().truncate)?;
        file.set_len(bytes)
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        fail(self.plan.lock().unwrap().sync_folder)
    }
}

struct Scene {
    folder: TempDir,
    disk: Arc<FailingDisk>,
    log: FileLog,
    writer: ChainWriter,
}

/// A log with three acknowledged lines.
async fn scene(options: &Options) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FailingDisk::default());
    let log = FileLog::open_on(disk.clone(), folder.path(), Log::Control, options).unwrap();
    let mut writer = ChainWriter::new(Log::Control, "acme");
    log.append(writer.batch(3)).await.unwrap();
    Scene { folder, disk, log, writer }
}

fn outage(error: AppendError) -> (bool, Outage) {
    let (ambiguous, source) = match error {
        AppendError::Unavailable(source) => (false, source),
        AppendError::Ambiguous(source) => (true, source),
        other => panic!("an outage was expected, not {other:?}"),
    };
    (ambiguous, *source.downcast::<Outage>().unwrap())
}

/// How many lines the first segment's file holds, and whether it ends with one.
fn lines_in_file(folder: &TempDir) -> (usize, bool) {
    let bytes = fs::read(folder.path().join("00000000000000000001.jsonl")).unwrap();
    (bytes.iter().filter(|byte| **byte == b'\n').count(), bytes.ends_with(b"\n"))
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_until_the_log_is_opened_again() {
    let Scene { folder, disk, log, mut writer } = scene(&keyed()).await;
    let durable = writer.clone();
    disk.plan(|plan| plan.sync = Some(ErrorKind::Other));
    let failed = writer.batch(2);
    let (ambiguous, reason) = outage(log.append(failed.clone()).await.unwrap_err());
    assert!(ambiguous, "the lines may be on the disk");
    assert!(matches!(reason, Outage::Sealed { doing: "syncing", .. }));
    let syncs = disk.syncs();

    disk.plan(|plan| plan.sync = None);
    for batch in [failed.clone(), durable.clone().batch(1), durable.rival(1).batch(1)] {
        let (ambiguous, reason) = outage(log.append(batch).await.unwrap_err());
        assert!(!ambiguous && matches!(reason, Outage::Sealed { .. }));
    }
    assert_eq!(disk.syncs(), syncs, "a failed sync is not tried again");
    assert_eq!(log.head(&writer.chain()).await.unwrap(), durable.head());
    assert_eq!(read_all(&log).await.len(), 3, "what is durable can be read");

    log.close().await;
    let log = FileLog::open_on(disk, folder.path(), Log::Control, &keyed()).unwrap();
    assert_eq!(log.head(&writer.chain()).await.unwrap(), durable.head(), "the doubtful lines were cut off");
    assert_eq!(log.append(failed).await.unwrap(), writer.head());
}

#[tokio::test]
async fn a_tail_of_a_sealed_log_yields_what_is_durable_and_ends_with_the_reason() {
    let Scene { folder: _folder, disk, log, mut writer } = scene(&keyed()).await;
    let mut tail = log.tail(Offset::START);
    disk.plan(|plan| plan.sync = Some(ErrorKind::Other));
    log.append(writer.batch(1)).await.unwrap_err();
    for _ in 0..3 {
        next(&mut tail).await.unwrap().unwrap();
    }
    match next(&mut tail).await.unwrap() {
        Err(LogError::Unavailable(source)) => assert!(source.is::<Outage>()),
        other => panic!("the reason was expected, not {other:?}"),
    }
    assert!(next(&mut tail).await.is_none());
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing_and_recovers_when_there_is_room() {
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        let Scene { folder, disk, log, mut writer } = scene(&keyed()).await;
        let durable = writer.head();
        let batch = writer.batch(2);
        let length = batch.lines.iter().map(|line| line.bytes().len() + 1).sum::<usize>();
        for room in [0, 1, length / 2, length - 1] {
            disk.plan(|plan| plan.write = Some((kind, room)));
            for _ in 0..2 {
                let (ambiguous, reason) = outage(log.append(batch.clone()).await.unwrap_err());
                assert!(!ambiguous && matches!(reason, Outage::Full { .. }), "{reason:?}");
                assert!(reason.to_string().starts_with("the disk is full"));
                assert_eq!(lines_in_file(&folder), (3, true), "what was written of the lines is gone");
            }
            assert_eq!(log.head(&writer.chain()).await.unwrap(), durable);
        }
        disk.plan(|plan| plan.write = None);
        assert_eq!(log.append(batch).await.unwrap(), writer.head());
        let lines = read_all(&log).await;
        drop(log);
        let log = FileLog::open(folder.path(), Log::Control, &keyed()).unwrap();
        assert_eq!((read_all(&log).await, lines.len()), (lines, 5));
    }
}

#[tokio::test]
async fn a_write_that_fails_otherwise_seals_the_log_and_stores_nothing() {
    let Scene { folder, disk, log, mut writer } = scene(&keyed()).await;
    let durable = writer.head();
    disk.plan(|plan| plan.write = Some((ErrorKind::Other, 700)));
    let (ambiguous, reason) = outage(log.append(writer.batch(4)).await.unwrap_err());
    assert!(!ambiguous && matches!(reason, Outage::Sealed { doing: "writing to", .. }));
    disk.plan(|plan| plan.write = None);
    assert!(matches!(outage(log.append(writer.batch(1)).await.unwrap_err()).1, Outage::Sealed { .. }));
    drop(log);
    let log = FileLog::open(folder.path(), Log::Control, &keyed()).unwrap();
    assert_eq!(log.head(&writer.chain()).await.unwrap(), durable);
}

#[tokio::test]
async fn a_failed_write_that_cannot_be_taken_back_is_ambiguous() {
    for plan_of_failure in [(|plan: &mut Plan| plan.truncate = Some(ErrorKind::Other)) as fn(&mut Plan), |plan| {
        plan.sync = Some(ErrorKind::Other)
    }] {
        let Scene { folder, disk, log, mut writer } = scene(&keyed()).await;
        let durable = writer.head();
        disk.plan(|plan| plan.write = Some((ErrorKind::StorageFull, 200)));
        disk.plan(plan_of_failure);
        let (ambiguous, reason) = outage(log.append(writer.batch(1)).await.unwrap_err());
        assert!(ambiguous && matches!(reason, Outage::Sealed { .. }), "{reason:?}");
        drop(log);
        let log = FileLog::open(folder.path(), Log::Control, &keyed()).unwrap();
        assert_eq!(log.head(&writer.chain()).await.unwrap(), durable);
    }
}

#[tokio::test]
async fn short_writes_are_finished() {
    let Scene { folder: _folder, disk, log, mut writer } = scene(&keyed()).await;
    for at_most in [1, 7, 100] {
        disk.plan(|plan| plan.write_at_most = Some(at_most));
        assert_eq!(log.append(writer.batch(3)).await.unwrap(), writer.head());
    }
    let lines = read_all(&log).await;
    assert_eq!((lines.len(), lines.last().unwrap().hash()), (12, writer.head().hash));
}

#[tokio::test]
async fn a_segment_that_cannot_be_begun_stores_nothing() {
    let options = Options { segment_bytes: 1, ..keyed() };
    let Scene { folder, disk, log, mut writer } = scene(&options).await;
    let batch = writer.batch(1);
    disk.plan(|plan| plan.open = Some(ErrorKind::StorageFull));
    assert!(matches!(outage(log.append(batch.clone()).await.unwrap_err()), (false, Outage::Full { .. })));
    disk.plan(|plan| plan.open = None);
    assert_eq!(log.append(batch).await.unwrap(), writer.head());

    let durable = writer.head();
    let batch = writer.batch(1);
    disk.plan(|plan| plan.sync_folder = Some(ErrorKind::Other));
    assert!(matches!(outage(log.append(batch.clone()).await.unwrap_err()), (false, Outage::Sealed { .. })));
    disk.plan(|plan| plan.sync_folder = None);
    drop(log);
    let log = FileLog::open_on(disk, folder.path(), Log::Control, &options).unwrap();
    assert_eq!(log.head(&writer.chain()).await.unwrap(), durable);
    assert_eq!(log.append(batch).await.unwrap(), writer.head());
    assert_eq!(read_all(&log).await.len(), 5);
}

#[tokio::test]
async fn readers_see_nothing_before_its_sync_and_many_appends_share_one() {
    let Scene { folder: _folder, disk, log, mut writer } = scene(&keyed()).await;
    let durable = writer.head();
    let syncs = disk.syncs();
    let mut tail = log.tail(log.end().await.unwrap());
    disk.plan(|plan| plan.hold_syncs = true);
    let batches: Vec<_> = (0..100).map(|_| writer.batch(1)).collect();
    let mut appends = Box::pin(join_all(batches.into_iter().map(|batch| log.append(batch))));
    assert!(poll_once(appends.as_mut()).await.is_none());
    assert!(poll_once(std::pin::pin!(next(&mut tail)).as_mut()).await.is_none());
    assert_eq!(log.head(&writer.chain()).await.unwrap(), durable);
    assert_eq!(read_all(&log).await.len(), 3);
    disk.plan(|plan| plan.hold_syncs = false);
    let answers = appends.await;
    assert_eq!(answers.into_iter().last().unwrap().unwrap(), writer.head());
    assert!(next(&mut tail).await.unwrap().is_ok());
    let shared = disk.syncs() - syncs;
    assert!((1..=2).contains(&shared), "{shared} syncs for 100 appends that came at once");
}

/// Everyone who waited for a sync hears of its failure, also those whose lines were only decided on top of lost ones.
#[tokio::test]
async fn a_failed_sync_answers_all_that_waited_for_it() {
    let Scene { folder: _folder, disk, log, mut writer } = scene(&keyed()).await;
    let mut rival = writer.rival(1);
    disk.plan(|plan| (plan.hold_syncs, plan.sync) = (true, Some(ErrorKind::Other)));
    let batches: Vec<_> = (0..10).map(|_| writer.batch(1)).chain([rival.batch(1)]).collect();
    let mut appends = Box::pin(join_all(batches.into_iter().map(|batch| log.append(batch))));
    assert!(poll_once(appends.as_mut()).await.is_none());
    disk.plan(|plan| plan.hold_syncs = false);
    for answer in appends.await {
        assert!(matches!(outage(answer.unwrap_err()).1, Outage::Sealed { .. }));
    }
}
