//! What the activity log says: sums, charges, and records of single requests.

use tallygate_core::activity::{Event, Outcome};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::stream::{ChainId, Log};
use tallygate_core::testing::activity_writer::ActivityWriter;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::time::{Day, Timestamp};
use tallygate_projections::{Days, Ending, FollowError, Health, Page, Totals, UsageFilter};

use crate::gateway::Site;
use crate::history;
use crate::raw_log::RawLog;
use crate::sample::{NOON, charge, happened, key_id, realm_id, refused, request_id, settled, started_at};

const ALL: Page = Page { skip: 0, rows: 1_000 };

fn every_day() -> Days {
    Days { first: Day::of(Timestamp::from_millis(0)), last: Day::of(Timestamp::from_millis(i64::MAX)) }
}

fn sum(totals: impl IntoIterator<Item = Totals>) -> Totals {
    totals.into_iter().fold(Totals::default(), |mut sum, totals| {
        sum.add(&totals);
        sum
    })
}

#[tokio::test]
async fn every_sum_is_the_sum_of_the_same_requests() {
    let site = Site::new().in_groups_of(30);
    let (batches, all) = history::activity(21, 60);
    for batch in batches {
        site.append(batch).await;
    }
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let activity = &running.views.activity;
    let totals_of = |event: &Event| match event {
        Event::RequestSettled(settled) => Totals::of_settled(settled),
        Event::RequestRefused(refused) => Totals::of_refused(refused),
        Event::CommandRefused(_)
        | Event::BoundViolated(_)
        | Event::SoftLimitReached(_)
        | Event::DeploymentProbed(_)
        | Event::AgentConnected(_)
        | Event::ConfigurationAcknowledged(_)
        | Event::AgentDisconnected(_)
        | Event::SpentElsewhere(_) => Totals::default(),
    };
    let expected = sum(all.iter().map(|happened| totals_of(&happened.event)));
    assert!(expected.succeeded > 500 && expected.refused > 100);
    assert_eq!(activity.spend_of_all_realms_for_operator().unwrap(), expected);
    let by_day = activity.spend_of_all_realms_by_day_for_operator(every_day()).unwrap();
    assert_eq!(sum(by_day.iter().map(|spent| spent.totals)), expected);
    let mut of_keys = Totals::default();
    for name in ["default", "acme", "acme.eu", "b c"] {
        let realm = realm_id(name);
        let of_realm = all.iter().filter(|happened| happened.realm.as_ref() == Some(&realm));
        let expected = sum(of_realm.map(|happened| totals_of(&happened.event)));
        assert_eq!(activity.spend_of_realm(&realm).unwrap(), expected, "{name}");
        let keys = activity.dearest_keys(&realm, 1_000).unwrap();
        assert_eq!(sum(keys.iter().map(|spent| spent.totals)), expected);
        assert!(keys.is_sorted_by_key(|spent| std::cmp::Reverse(spent.totals.cost_nano_usd)));
        for spent in &keys {
            assert_eq!(activity.spend_of_key(spent.of.1).unwrap(), spent.totals);
            of_keys.add(&spent.totals);
        }
        // Models are not counted for what was refused: its name is the client's word.
        let served = Totals { refused: 0, ..expected };
        assert_eq!(sum(activity.spend_by_model(&realm).unwrap().iter().map(|spent| spent.totals)), served);
        assert_eq!(
            sum(activity.spend_in_detail(&realm, every_day()).unwrap().iter().map(|spent| spent.totals)),
            served
        );
        assert_eq!(activity.charged(&charge(Scope::Realm(realm))).unwrap(), expected.cost_nano_usd);
    }
    assert_eq!(activity.charged(&charge(Scope::Gateway)).unwrap(), expected.cost_nano_usd);
    assert_eq!(of_keys.cost_nano_usd, expected.cost_nano_usd);
    running.stop().await;
}

#[tokio::test]
async fn a_key_s_sums_grow_with_each_settlement_even_in_memory() {
    let (site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    let running = site.start().await;
    let activity = &running.views.activity;
    let chain = ChainId::writer(writer.writer());
    for number in 1..=5 {
        assert_eq!(activity.spend_of_key(key_id(1)).unwrap().cost_nano_usd.nano(), (number - 1) * number / 2);
        let settled = settled("acme", 1, u64::try_from(number).unwrap());
        site.append(writer.batch(&[happened("acme", settled)])).await;
        activity.wait_for(&chain, writer.head().position).await.unwrap();
        let charged = activity.charged(&charge(Scope::Key(key_id(1)))).unwrap();
        assert_eq!(charged.nano(), number * (number + 1) / 2);
    }
    assert_eq!(activity.position(&chain), writer.head().position);
    assert_eq!(activity.charged(&charge(Scope::Key(key_id(2)))).unwrap(), NanoUsd::ZERO);
    running.stop().await;
}

#[tokio::test]
async fn a_request_without_a_price_is_counted_and_costs_nothing() {
    let (site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    let mut unpriced = settled("acme", 1, 7);
    (unpriced.cost_nano_usd, unpriced.price, unpriced.outcome) = (None, None, Outcome::Disconnected);
    site.append(writer.batch(&[happened("acme", unpriced)])).await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let totals = running.views.activity.spend_of_key(key_id(1)).unwrap();
    assert_eq!((totals.disconnected, totals.unpriced, totals.cost_nano_usd), (1, 1, NanoUsd::ZERO));
    assert_eq!(totals.settled(), 1);
    running.stop().await;
}

/// 3,000 requests of one realm, every hundredth of key 2, in many blocks.
async fn busy_site() -> Site {
    let (site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    let lines: Vec<_> = (1..=3_000)
        .map(|number| match number % 100 {
            0 => happened("acme", settled("acme", 2, number)),
            1 => refused(Some("acme"), Some(1), number, 1),
            _ => happened("acme", settled("acme", 1, number)),
        })
        .collect();
    for lines in lines.chunks(300) {
        site.append(writer.batch(lines)).await;
    }
    site
}

#[tokio::test]
async fn a_request_is_found_by_its_id_and_by_the_upstream_s() {
    let site = busy_site().await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let (activity, acme) = (&running.views.activity, realm_id("acme"));
    for number in [1, 2, 777, 1_500, 2_999, 3_000] {
        for id in [request_id(number).to_string(), format!("chatcmpl-{number}")] {
            let filter = UsageFilter { id: Some(id.clone()), ..UsageFilter::default() };
            let page = activity.usage_of_realm(Some(&acme), &filter, ALL).unwrap();
            assert_eq!(page, activity.usage_of_all_realms_for_operator(&filter, ALL).unwrap());
            let was_refused = number % 100 == 1;
            if was_refused && id.starts_with("chatcmpl") {
                assert!(page.records.is_empty());
                continue;
            }
            assert_eq!((page.records.len(), page.more), (1, false), "{id}");
            assert_eq!(matches!(page.records[0].ending, Ending::Refused(_)), was_refused);
            assert_eq!(page.records[0].started_at(), started_at(number));
        }
    }
    let filter = UsageFilter { id: Some("chatcmpl-".to_owned()), ..UsageFilter::default() };
    assert!(activity.usage_of_realm(Some(&acme), &filter, ALL).unwrap().records.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn records_come_newest_first_by_key_and_by_time_and_page_by_page() {
    let site = busy_site().await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let (activity, acme) = (&running.views.activity, realm_id("acme"));
    let read = |filter: &UsageFilter, page| {
        let page = activity.usage_of_realm(Some(&acme), filter, page).unwrap();
        let millis: Vec<i64> = page.records.iter().map(|record| record.started_at().millis() - NOON).collect();
        (millis, page.more)
    };
    let filter = UsageFilter { key: Some(key_id(2)), ..UsageFilter::default() };
    assert_eq!(read(&filter, Page { skip: 1, rows: 3 }), (vec![2_900, 2_800, 2_700], true));
    assert_eq!(read(&filter, Page { skip: 28, rows: 3 }), (vec![200, 100], false));
    let between = UsageFilter { from: Some(started_at(1_199)), before: Some(started_at(1_301)), ..filter };
    assert_eq!(read(&between, ALL), (vec![1_300, 1_200], false));
    let (all, more) = read(&UsageFilter::default(), Page { skip: 0, rows: 5_000 });
    assert_eq!((all.len(), more), (1_000, true), "a page has a limit");
    assert_eq!(read(&UsageFilter::default(), Page { skip: 2_998, rows: 10 }), (vec![2, 1], false));
    running.stop().await;
}

#[tokio::test]
async fn a_gap_in_one_writer_s_chain_stops_what_is_spent_and_not_what_is_allowed() {
    let log = RawLog::new(Log::Activity);
    let site = Site::with(MemoryLog::new(Log::Control), log.clone());
    let mut writer = ActivityWriter::new("gateway-1");
    let chain = ChainId::writer(writer.writer());
    let batch = |writer: &mut ActivityWriter, number| writer.batch(&[happened("acme", settled("acme", 1, number))]);
    let (one, _lost, three) = (batch(&mut writer, 1), batch(&mut writer, 2), batch(&mut writer, 3));
    log.push(one.lines.into_iter().chain(three.lines));
    let running = site.start().await;
    let ended = running.views.activity.wait_for(&chain, writer.head().position).await.unwrap_err();
    assert!(matches!(&ended.0, Health::Stopped(error) if matches!(**error, FollowError::Damaged(_))));
    assert_eq!(running.views.activity.position(&chain).get(), 1);
    assert_eq!(running.views.activity.spend_of_key(key_id(1)).unwrap().cost_nano_usd.nano(), 1);
    let mut control = tallygate_core::testing::control_writer::ControlWriter::new();
    site.append(control.command(crate::sample::realm("acme"))).await;
    running.views.control.wait_for(control.head().position).await.unwrap();
    running.failure().await;
}

#[tokio::test]
async fn a_forged_settlement_costs_nobody_anything() {
    let log = RawLog::new(Log::Activity);
    let site = Site::with(MemoryLog::new(Log::Control), log.clone());
    let mut writer = ActivityWriter::new("gateway-1");
    let chain = ChainId::writer(writer.writer());
    let line = |number| [happened("acme", settled("acme", 1, number))];
    log.push(writer.batch(&line(1)).lines);
    let mut forger = writer.clone();
    log.push(forger.forged(&line(1_000)).lines);
    log.push(writer.batch(&line(2)).lines);
    log.push(ActivityWriter::new("nobody").forged(&line(5_000)).lines);
    let running = site.start().await;
    running.views.activity.wait_for(&chain, writer.head().position).await.unwrap();
    // The next true line follows the forged one: whoever appends takes the log's word for where it ends.
    let mut forger = writer.clone();
    log.push(forger.forged(&line(1_000)).lines);
    log.push(forger.batch(&line(3)).lines);
    running.views.activity.wait_for(&chain, forger.head().position).await.unwrap();
    assert_eq!(running.views.activity.spend_of_key(key_id(1)).unwrap().cost_nano_usd.nano(), 6);
    assert_eq!(site.metrics.quarantined(Log::Activity), 3);
    running.stop().await;
}
