use std::sync::Arc;
use std::time::Duration;

use tallygate_core::key::IssueKey;
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::stream::{ChainId, Log, Position};
use tallygate_core::testing::activity_writer::{ActivityWriter, Happened};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples;
use tallygate_core::time::Timestamp;
use tokio::task::JoinHandle;

use super::Follower;
use crate::control_view::Published;
use crate::store::{Condition, SharedStore};
use crate::{Followers, Health, Metrics, Options, Views, rebuild_activity, rebuild_control};

const DEADLINE: Duration = Duration::from_secs(30);

/// A gateway's views of logs in memory.
struct Scene {
    folder: tempfile::TempDir,
    control: MemoryLog,
    activity: MemoryLog,
    writer: ControlWriter,
    happening: ActivityWriter,
    views: Views,
    stores: [SharedStore; 2],
    metrics: Metrics,
    followers: JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Scene {
    async fn begin(write_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (control, activity) = (MemoryLog::new(Log::Control), MemoryLog::new(Log::Activity));
        let logs = (Arc::new(control.clone()), Arc::new(activity.clone()));
        let metrics = Metrics::new().unwrap();
        let mut options = Options::new(folder.path().join("views"), logs.0, logs.1, TEST_MAC_KEY, metrics.clone());
        options.write_bytes = write_bytes;
        let (views, followers) = Views::open(options).await.unwrap();
        let stores = stores_of(&followers);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let followers = tokio::spawn(async move {
            Box::pin(followers.run(async { drop(stopped.await) })).await.unwrap();
        });
        let (writer, happening) = (ControlWriter::new(), ActivityWriter::new("gateway-1"));
        let mut scene = Self { folder, control, activity, writer, happening, views, stores, metrics, followers, stop };
        scene.append(0).await;
        scene
    }

    /// Registers a realm and issues a key, and has something happen.
    async fn append(&mut self, number: u32) {
        let realm = format!("realm-{number}");
        self.control.append(self.writer.command(samples::register_realm(&realm))).await.unwrap();
        let issue = IssueKey { realm: samples::id(&realm), ..samples::issue_key(u128::from(number)) };
        self.control.append(self.writer.command(issue)).await.unwrap();
        let refused = tallygate_core::activity::RequestRefused {
            request: tallygate_core::id::RequestId::new(uuid::Uuid::from_u128(u128::from(number))),
            endpoint: tallygate_core::activity::Endpoint::Chat,
            key: None,
            requested_model: None,
            code: "key_unknown".to_owned(),
            status: 401,
            scope: None,
            count: 1,
        };
        let at = Timestamp::from_millis(1_795_169_731_023);
        let event = tallygate_core::activity::Event::RequestRefused(refused);
        self.activity.append(self.happening.batch(&[Happened { realm: None, at, event }])).await.unwrap();
    }

    async fn catch_up(&self) {
        let chain = ChainId::writer(self.happening.writer());
        let both = async {
            self.views.control.wait_for(self.writer.head().position).await.unwrap();
            self.views.activity.wait_for(&chain, self.happening.head().position).await.unwrap();
        };
        tokio::time::timeout(DEADLINE, both).await.expect("the views go on");
    }

    /// The views have all that the logs hold, once.
    async fn check(self) {
        self.catch_up().await;
        let again = tempfile::tempdir().unwrap();
        let (head, digest) = rebuild_control(&self.control, Some(&TEST_MAC_KEY), again.path()).await.unwrap();
        assert_eq!(self.views.control.digest().unwrap(), (head, digest));
        let (positions, digest) = rebuild_activity(&self.activity, Some(&TEST_MAC_KEY), again.path()).await.unwrap();
        assert_eq!(self.views.activity.digest().unwrap(), (positions, digest));
        drop(self.stop);
        self.followers.await.unwrap();
    }

    async fn health(&self, wanted: impl Fn(&Health) -> bool) {
        let mut health = self.views.control.health();
        tokio::time::timeout(DEADLINE, health.wait_for(wanted)).await.expect("in time").unwrap();
    }
}

fn stores_of(followers: &Followers) -> [SharedStore; 2] {
    let control: &Follower<Published> = &followers.control;
    [super::Followed::store(control.view.as_ref()), super::Followed::store(followers.activity.view.as_ref())]
}

#[tokio::test]
async fn views_whose_store_is_lost_are_made_again_while_what_is_in_memory_is_read() {
    let mut scene = Scene::begin(1024 * 1024).await;
    scene.catch_up().await;
    let hash = tallygate_core::key::KeyHash::of_secret(&samples::secret(0));
    assert!(scene.views.control.key_by_hash(&hash).unwrap().is_some());
    for store in &scene.stores {
        store.note_damage("a test says so");
    }
    assert!(scene.views.control.snapshot().position() > Position::START);
    assert!(scene.views.control.key_by_hash(&hash).unwrap().is_some(), "from memory, or from what was made again");
    for number in 1..50 {
        scene.append(number).await;
    }
    scene.check().await;
}

#[tokio::test]
async fn a_follower_whose_memory_is_full_waits_for_the_disk_and_goes_on() {
    let mut scene = Scene::begin(16 * 1024).await;
    scene.catch_up().await;
    let in_the_way: Vec<_> =
        ["control", "activity"].map(|log| scene.folder.path().join("views").join(log).join("journal.room")).into();
    for (store, path) in scene.stores.iter().zip(&in_the_way) {
        std::fs::create_dir(path).unwrap();
        store.pretend_that_sled_failed();
    }
    for number in 1.. {
        scene.append(number).await;
        // One by one, so that no group is larger than the memory.
        let position = scene.writer.head().position;
        tokio::select! {
            reached = scene.views.control.wait_for(position) => reached.unwrap(),
            () = scene.health(|health| matches!(health, Health::Recovering(_))) => break,
        }
    }
    assert!(matches!(*scene.stores[0].condition().borrow(), Condition::Failing(_)));
    assert!(scene.metrics.waits_for_disk(Log::Control));
    let seen = scene.views.control.position();
    assert!(seen > Position::START && seen < scene.writer.head().position);
    for path in &in_the_way {
        std::fs::remove_dir(path).unwrap();
    }
    scene.health(|health| matches!(health, Health::Following)).await;
    assert!(!scene.metrics.waits_for_disk(Log::Control));
    for store in &scene.stores {
        let mut condition = store.condition();
        let well = condition.wait_for(|condition| matches!(condition, Condition::Well));
        tokio::time::timeout(DEADLINE, well).await.expect("in time").unwrap();
    }
    scene.check().await;
}
