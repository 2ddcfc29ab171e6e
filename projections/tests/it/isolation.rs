//! No answer holds rows of two realms, but those whose name says that they are the operator's.

use tallygate_core::key::{BlockKey, RevokeKey};
use tallygate_core::testing::activity_writer::ActivityWriter;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_projections::{KeyPage, Page, UsageFilter};

use crate::gateway::Site;
use crate::sample::{alias, happened, key, key_id, realm, realm_id, refused, settled};

/// Ids that begin with one another, in text and in bytes.
const REALMS: [&str; 4] = ["a", "a b", "ab", "a\u{10FFFF}"];
const ALL: Page = Page { skip: 0, rows: 1_000 };

fn numbers(page: &KeyPage) -> Vec<u64> {
    let number = |id: &tallygate_core::id::KeyId| id.as_uuid().as_u64_pair().1 & 0xFFFF_FFFF;
    page.keys.iter().map(|row| number(&row.key.id)).collect()
}

#[tokio::test]
async fn a_realm_lists_its_own_keys_newest_first_and_page_by_page() {
    let (site, mut writer) = (Site::new(), ControlWriter::new());
    for name in REALMS {
        site.append(writer.command(realm(name))).await;
    }
    for number in 0..40 {
        site.append(writer.command(key(REALMS[usize::try_from(number % 4).unwrap()], number))).await;
    }
    site.append(writer.command(RevokeKey { key: key_id(5) })).await;
    site.append(writer.command(BlockKey { key: key_id(9) })).await;
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let control = &running.views.control;
    let page = control.keys_of_realm(&realm_id("a b"), ALL).unwrap();
    assert_eq!((numbers(&page), page.total), (vec![37, 33, 29, 25, 21, 17, 13, 9, 1], 9));
    let page = control.keys_of_realm(&realm_id("a b"), Page { skip: 2, rows: 3 }).unwrap();
    assert_eq!((numbers(&page), page.total), (vec![29, 25, 21], 9));
    let page = control.keys_of_all_realms_for_operator(Page { skip: 34, rows: 3 }).unwrap();
    assert_eq!((numbers(&page), page.total), (vec![4, 3, 2], 39));
    assert_eq!(control.keys_of_realm(&realm_id("zeta"), ALL).unwrap(), KeyPage { keys: vec![], total: 0 });
    assert_eq!(control.key_by_alias(&alias(7)).unwrap().unwrap().key.id, key_id(7));
    assert!(control.key_by_alias(&alias(5)).unwrap().is_none(), "a revoked key's alias is free");
    assert!(control.key_by_id(key_id(5)).unwrap().unwrap().key.revoked.is_some());
    running.stop().await;
}

#[tokio::test]
async fn a_realm_sees_its_own_spend_and_records() {
    let (site, mut writer) = (Site::new(), ActivityWriter::new("gateway-1"));
    let mut lines = Vec::new();
    for number in 1..=400_u64 {
        let realm = usize::try_from(number % 4).unwrap();
        lines.push(happened(REALMS[realm], settled(REALMS[realm], number % 4, number)));
    }
    lines.push(refused(None, None, 401, 1));
    for lines in lines.chunks(50) {
        site.append(writer.batch(lines)).await;
    }
    let running = site.start().await;
    running.catch_up(&site).await.unwrap();
    let activity = &running.views.activity;
    for (index, name) in REALMS.iter().enumerate() {
        let realm = realm_id(name);
        let spent: i64 = (1..=400).filter(|number| number % 4 == index as i64).sum();
        assert_eq!(activity.spend_of_realm(&realm).unwrap().cost_nano_usd.nano(), spent);
        let ranking = activity.dearest_keys(&realm, 10).unwrap();
        assert_eq!(ranking.len(), 1);
        assert_eq!(ranking[0].of, (realm.clone(), key_id(index as u64)));
        let page = activity.usage_of_realm(Some(&realm), &UsageFilter::default(), ALL).unwrap();
        assert_eq!(page.records.len(), 100);
        assert!(page.records.iter().all(|record| record.realm.as_ref() == Some(&realm)));
        let of_another = UsageFilter { id: Some(format!("chatcmpl-{}", index + 1)), ..UsageFilter::default() };
        assert!(activity.usage_of_realm(Some(&realm), &of_another, ALL).unwrap().records.is_empty());
    }
    assert_eq!(activity.usage_of_realm(None, &UsageFilter::default(), ALL).unwrap().records.len(), 1);
    let everything = activity.usage_of_all_realms_for_operator(&UsageFilter::default(), ALL).unwrap();
    assert_eq!(everything.records.len(), 401);
    assert!(everything.records.is_sorted_by_key(|record| std::cmp::Reverse(record.at)));
    running.stop().await;
}
