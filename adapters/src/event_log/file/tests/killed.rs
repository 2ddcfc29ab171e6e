//! A process that is killed while it appends: what it said was stored is there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::stream::{Head, Log, Position};
use tallygate_core::testing::chain_writer::{ChainWriter, TEST_MAC_KEY};

use super::{keyed, read_all};
use crate::event_log::file::{FileLog, Options};

/// The log's folder in the working folder of the other process, which knows by it what it is.
const FOLDER: &str = "log-of-a-killed-process";
/// The other process runs the same test.
const THIS_TEST: &str = "event_log::file::tests::killed::a_killed_process_loses_nothing_that_it_acknowledged";
const ROUNDS: usize = 8;

/// What the other process does.
async fn append_until_killed() {
    let options = Options { segment_bytes: 20_000, ..keyed() };
    let log = FileLog::open(FOLDER, Log::Control, &options).unwrap();
    let mut writer = ChainWriter::new(Log::Control, "acme");
    writer = writer.at(log.head(&writer.chain()).await.unwrap());
    loop {
        let count = 1 + usize::try_from(writer.head().position.get() % 5).unwrap();
        let batch = if count == 2 { writer.batch(count) } else { writer.command(count) };
        let head = log.append(batch).await.unwrap();
        println!("acknowledged {}", head.position);
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if Path::new(FOLDER).is_dir() {
        append_until_killed().await;
    }
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join(FOLDER);
    std::fs::create_dir(&folder).unwrap();
    let mut acknowledged = Position::START;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", THIS_TEST, "--nocapture"])
            .current_dir(parent.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let heard = lines.filter_map(|line| line.unwrap().rsplit_once("acknowledged ")?.1.parse::<u64>().ok());
        acknowledged = heard.take(10 + 7 * round).last().map(Position::new).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let log = FileLog::open(&folder, Log::Control, &keyed()).unwrap();
        let chain = ChainWriter::new(Log::Control, "acme").chain();
        assert!(log.head(&chain).await.unwrap().position >= acknowledged, "round {round}");
        let mut head = Head::EMPTY;
        for line in read_all(&log).await {
            head = line.check(Log::Control, &chain, &head, Some(&TEST_MAC_KEY)).unwrap().1;
        }
        assert_eq!(head, log.head(&chain).await.unwrap());
    }
    assert!(acknowledged.get() > 100, "{acknowledged}");
}
