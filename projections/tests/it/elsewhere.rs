//! What was spent elsewhere: told any number of times, by anybody, in any order, it counts once.

use tallygate_core::activity::{DaySpent, Event, SpentElsewhere, Under};
use tallygate_core::money::NanoUsd;
use tallygate_core::port::event_log::Batch;
use tallygate_core::testing::activity_writer::{ActivityWriter, Happened};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::samples::{self, id};
use tallygate_core::time::{Day, Timestamp};
use tallygate_core::usage::Usage;
use tallygate_projections::{Days, Detail, Page, Spent, Totals, UsageFilter, rebuild_activity};

use crate::gateway::{Running, Site};
use crate::history::Dice;
use crate::sample::{NOON, charge, happened, key_id, realm_id, settled, started_at};

/// A row of one key: so many requests, a hundred tokens and a thousand nano-dollars each.
fn row(key: u64, succeeded: u64) -> DaySpent {
    DaySpent {
        day: Day::of(Timestamp::from_millis(NOON)),
        key: key_id(key),
        model: id("gpt"),
        vendor: id(samples::VENDOR),
        under: None,
        succeeded,
        failed: 0,
        usage: Usage { input_tokens: 100 * succeeded, ..Usage::default() },
        cost_nano_usd: NanoUsd::new(1_000 * i64::try_from(succeeded).unwrap()),
    }
}

fn told(source: &str, rows: Vec<DaySpent>) -> Happened {
    let event = Event::SpentElsewhere(SpentElsewhere { source: id(source), rows });
    Happened { realm: Some(realm_id("acme")), at: started_at(1), event }
}

/// What counts of some rows: for each number the most that was said.
fn most(rows: &[DaySpent]) -> Totals {
    let max = |number: fn(&DaySpent) -> u64| rows.iter().map(number).max().unwrap_or_default();
    Totals {
        succeeded: max(|row| row.succeeded),
        failed: max(|row| row.failed),
        usage: Usage { input_tokens: max(|row| row.usage.input_tokens), ..Usage::default() },
        cost_nano_usd: rows.iter().map(|row| row.cost_nano_usd).max().unwrap_or_default(),
        ..Totals::default()
    }
}

#[tokio::test]
async fn it_is_in_every_sum_beside_what_was_spent_here_and_in_no_budget_and_no_list_of_requests() {
    let (site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    let here = settled("acme", 1, 7);
    let mut expected = Totals::of_settled(&here);
    expected.add(&Totals::of_elsewhere(&row(1, 3)));
    site.append(writer.batch(&[happened("acme", here), told("litellm", vec![row(1, 3)])])).await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let (activity, acme) = (&running.views.activity, realm_id("acme"));
    assert_eq!(activity.spend_of_key(key_id(1)).unwrap(), expected);
    assert_eq!(activity.spend_of_realm(&acme).unwrap(), expected);
    assert_eq!(activity.spend_of_all_realms_for_operator().unwrap(), expected);
    let days = [
        activity.spend_by_day(&acme, Days::ALL).unwrap(),
        activity.spend_of_all_realms_by_day_for_operator(Days::ALL).unwrap(),
    ];
    assert!(days.iter().all(|days| days.len() == 1 && days[0].totals == expected));
    let models =
        [activity.spend_by_model(&acme).unwrap(), activity.spend_of_all_realms_by_model_for_operator().unwrap()];
    assert!(models.iter().all(|models| models.len() == 1 && models[0].totals == expected));
    let detail = activity.spend_in_detail(&acme, Days::ALL).unwrap();
    assert_eq!((detail.len(), detail[0].totals, detail[0].of.day), (1, expected, row(1, 3).day));
    assert_eq!(activity.dearest_keys(&acme, 9).unwrap()[0].totals, expected);
    let charged = activity.charged(&charge(tallygate_core::scope::Scope::Key(key_id(1)))).unwrap();
    assert_eq!(charged, NanoUsd::new(7), "a budget is charged for what was spent here");
    let records = activity.usage_of_realm(Some(&acme), &UsageFilter::default(), Page { skip: 0, rows: 9 }).unwrap();
    assert_eq!(records.records.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_requests_named_is_told_under_the_name_alone() {
    let (site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    let under = |name, succeeded| DaySpent { under: Some(name), ..row(1, succeeded) };
    let (customer, tag) = (Under::EndUser(id("prod")), Under::Tag(id("prod")));
    site.append(writer.batch(&[told("litellm", vec![row(1, 9), under(customer, 2), under(tag, 3)])])).await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let (activity, acme) = (&running.views.activity, realm_id("acme"));
    assert_eq!(activity.spend_of_realm(&acme).unwrap().succeeded, 9);
    let mut found = Vec::new();
    activity
        .each_end_user((&acme, None), Days::ALL, |spent| {
            found.push((spent.of.name.to_string(), spent.totals.succeeded));
            Ok(())
        })
        .unwrap();
    activity
        .each_tag((&acme, None), Days::ALL, |spent| {
            found.push((spent.of.name.to_string(), spent.totals.succeeded));
            Ok(())
        })
        .unwrap();
    assert_eq!(found, [("prod".to_owned(), 2), ("prod".to_owned(), 3)]);
    running.stop().await;
}

#[tokio::test]
async fn only_what_is_more_than_before_is_added_and_a_key_s_sums_in_memory_grow_with_it() {
    let (site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    let running = site.start().await;
    let (activity, acme) = (&running.views.activity, realm_id("acme"));
    let chain = tallygate_core::stream::ChainId::writer(writer.writer());
    // Fewer requests than before, and more failed ones: each number stands for itself.
    let mixed = DaySpent { failed: 2, ..row(1, 4) };
    let steps = [
        (told("litellm", vec![row(1, 5)]), 5, 0, 5_000),
        (told("litellm", vec![row(1, 5)]), 5, 0, 5_000),
        (told("litellm", vec![row(1, 3)]), 5, 0, 5_000),
        (told("litellm", vec![mixed]), 5, 2, 5_000),
        (told("litellm", vec![row(1, 8)]), 8, 2, 8_000),
        (told("another", vec![row(1, 1)]), 9, 2, 9_000),
    ];
    for (happened, succeeded, failed, cost) in steps {
        site.append(writer.batch(&[happened])).await;
        activity.wait_for(&chain, writer.head().position).await.unwrap();
        let sums = activity.spend_of_key(key_id(1)).unwrap();
        assert_eq!((sums.succeeded, sums.failed, sums.cost_nano_usd.nano()), (succeeded, failed, cost));
    }
    let is_news = |row| activity.is_news(&acme, &id("litellm"), &row).unwrap();
    assert!(!is_news(row(1, 8)) && !is_news(row(1, 1)) && is_news(row(1, 9)) && is_news(row(2, 1)));
    assert!(is_news(DaySpent { under: Some(Under::Tag(id("t"))), ..row(1, 1) }));
    running.stop().await;
}

/// What some gateways tell, each in its own order, with settlements between.
fn batches(dice: &mut Dice) -> (Vec<Batch>, Vec<DaySpent>) {
    let mut writers = [ActivityWriter::new("gateway-1"), ActivityWriter::new("gateway-2")];
    let (mut written, mut all) = (Vec::new(), Vec::new());
    for number in 1..=60 {
        let rows: Vec<DaySpent> = (0..1 + dice.below(4))
            .map(|_| DaySpent { failed: dice.below(5), ..row(dice.below(3), dice.below(40)) })
            .collect();
        all.extend(rows.iter().cloned());
        let lines = [told("litellm", rows), happened("acme", settled("acme", 1, number))];
        written.push(writers[usize::try_from(dice.below(2)).unwrap()].batch(&lines));
    }
    (written, all)
}

#[tokio::test]
async fn whoever_tells_it_in_whatever_order_and_groups_it_counts_once_and_a_rebuild_gives_the_same() {
    for seed in 0..4 {
        let (batches, all) = batches(&mut Dice::new(seed));
        let site = Site::new();
        for batch in &batches {
            site.append(batch.clone()).await;
        }
        let whole = site.follow_to_the_end().await.unwrap();
        for group_lines in [1, 2, 7, 50] {
            let other = site.beside().in_groups_of(group_lines);
            assert_eq!(other.follow_to_the_end().await.unwrap(), whole, "seed {seed}, groups of {group_lines}");
        }
        let fresh = tempfile::tempdir().unwrap();
        let rebuilt = rebuild_activity(site.activity.as_ref(), Some(&TEST_MAC_KEY), fresh.path()).await.unwrap();
        assert_eq!(rebuilt.1, whole.1, "seed {seed}, rebuilt");
        let running = site.start().await;
        running.catch_up(&site).await.unwrap();
        for key in 0..3 {
            let of_key: Vec<DaySpent> = all.iter().filter(|row| row.key == key_id(key)).cloned().collect();
            let mut expected = most(&of_key);
            if key == 1 {
                (1..=60).for_each(|number| expected.add(&Totals::of_settled(&settled("acme", 1, number))));
            }
            assert_eq!(running.views.activity.spend_of_key(key_id(key)).unwrap(), expected, "seed {seed}, key {key}");
        }
        let sums = sums(&running);
        running.stop().await;
        // Each writer's chain keeps its order; between writers there is none.
        let (first, second): (Vec<&Batch>, Vec<&Batch>) =
            batches.iter().partition(|batch| batch.chain == batches[0].chain);
        let turned = Site::new();
        for batch in second.into_iter().chain(first) {
            turned.append(batch.clone()).await;
        }
        let running = turned.start().await;
        running.catch_up(&turned).await.unwrap();
        assert_eq!(self::sums(&running), sums, "seed {seed}, one gateway after the other");
        running.stop().await;
    }
}

fn sums(running: &Running) -> (Vec<Spent<Detail>>, Vec<Spent<Day>>, Totals) {
    let (activity, acme) = (&running.views.activity, realm_id("acme"));
    let by_day = activity.spend_of_all_realms_by_day_for_operator(Days::ALL).unwrap();
    let all = activity.spend_of_all_realms_for_operator().unwrap();
    (activity.spend_in_detail(&acme, Days::ALL).unwrap(), by_day, all)
}
