//! Three servers that keep three copies.

use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::Options;
use tallygate_core::port::event_log::{EventLog, LogError};
use tallygate_core::stream::{Log, Offset};
use tallygate_tests::nats_server::NatsCluster;
use tokio::sync::watch;

use crate::faults::{append_stubbornly, assert_is_chain};
use crate::fixture::{all_lines, next_lines, run};

/// The cluster says that it is unavailable until it has elected a leader.
async fn connect(cluster: &NatsCluster) -> NatsLogs {
    loop {
        let options = Options { request_timeout: Duration::from_secs(2), ..Options::new(cluster.urls()) };
        match NatsLogs::connect(options).await {
            Ok(logs) => return logs,
            Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_while_leaders_of_three_copies_are_killed() {
    run(async {
        let mut cluster = NatsCluster::start(3).await.unwrap();
        let logs = connect(&cluster).await;
        for kind in [Log::Control, Log::Lease] {
            let log: Arc<dyn EventLog> = Arc::<tallygate_adapters::event_log::nats::NatsLog>::clone(logs.of(kind));
            let mut tail = log.tail(Offset::START);
            let (acknowledge, mut acknowledged) = watch::channel(0);
            let appending = tokio::spawn(append_stubbornly(log.clone(), acknowledge, 300));
            for round in 1..=2 {
                acknowledged.wait_for(|count| *count >= round * 100).await.unwrap();
                let admin = async_nats::jetstream::new(
                    async_nats::connect(cluster.urls().split(',').collect::<Vec<_>>()).await.unwrap(),
                );
                let stream = admin.get_stream(logs.of(kind).stream_name()).await.unwrap();
                let info = stream.cached_info();
                assert_eq!(info.config.num_replicas, 3);
                let leader = info.cluster.as_ref().and_then(|cluster| cluster.leader.clone()).expect("a leader");
                let server = cluster.server(&leader).expect("a server of that name");
                server.kill().await.unwrap();
                server.restart().await.unwrap();
            }
            let head = appending.await.unwrap();
            let lines = next_lines(&mut tail, usize::try_from(head.position.get()).unwrap()).await;
            assert_is_chain(kind, &lines, head);
            assert_eq!(all_lines(&*log).await, lines);
        }
    });
}
