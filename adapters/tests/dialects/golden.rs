//! Goldens: a case is an input of one dialect, and has a file for what it becomes in each dialect, its own included.
//!
//! Cases lie in `golden/dialects/<kind>/<dialect>/`, what they become beside them in `<case>.to.<dialect>.txt`.
//! `cargo test -p tallygate-adapters --test dialects -- --ignored write` writes those files anew; read them before they
//! are kept.

use std::collections::BTreeSet;

use super::scene::{KINDS, cases, folder};
use tallygate_adapters::dialect::ALL;

/// What every dialect must have a case of.
const OF_EACH: [(&str, &[&str]); 4] = [
    (
        "requests",
        &[
            "text",
            "stream",
            "tools",
            "tool_loop",
            "orphans",
            "images",
            "files",
            "schema",
            "reasoning",
            "sampling",
            "unsupported",
            "instructions",
        ],
    ),
    ("answers", &["text", "tools", "reasoning", "length_without_text", "filtered", "error_within", "garbage"]),
    ("streams", &["text", "tools", "reasoning", "filtered", "cut", "error_within", "usage_missing"]),
    ("errors", &["context_too_long", "rate_limited", "credential", "quota", "overloaded", "not_json"]),
];

fn file(title: &str, dialect: &str) -> String {
    format!("{title}.to.{dialect}.txt")
}

#[test]
fn every_case_becomes_in_every_dialect_what_its_file_says() {
    let (cases, others) = cases();
    for case in &cases {
        for dialect in ALL {
            let path = file(&case.title(), dialect.name());
            let expected = others.get(&path).unwrap_or_else(|| panic!("golden/dialects/{path} is missing"));
            assert_eq!(&case.to(dialect), expected, "golden/dialects/{path}");
        }
    }
}

#[test]
fn every_dialect_has_every_case_and_every_file_belongs_to_one() {
    let (cases, others) = cases();
    let titles: BTreeSet<String> = cases.iter().map(super::scene::Case::title).collect();
    for (kind, names) in OF_EACH {
        assert!(KINDS.contains(&kind));
        for dialect in ALL {
            for name in names {
                let title = format!("{kind}/{}/{name}", dialect.name());
                assert!(titles.contains(&title), "there is no case {title}");
            }
        }
    }
    let expected: BTreeSet<String> =
        titles.iter().flat_map(|title| ALL.map(|dialect| file(title, dialect.name()))).collect();
    let found: BTreeSet<String> = others.into_keys().collect();
    assert_eq!(found.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
#[ignore = "it writes the files that the other tests compare with"]
fn write() {
    let (cases, others) = cases();
    for path in others.keys() {
        std::fs::remove_file(folder().join(path)).unwrap();
    }
    for case in &cases {
        for dialect in ALL {
            let path = folder().join(file(&case.title(), dialect.name()));
            std::fs::write(path, case.to(dialect)).unwrap();
        }
    }
}
