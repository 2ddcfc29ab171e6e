//! Goldens: a case is an input of one dialect, and has a file for what it becomes in each dialect, its own included.
//!
//! Cases lie in `golden/dialects/<kind>/<dialect>/`, what they become beside them in `<case>.to.<dialect>.txt`.
//! A file that is missing is written, and the test fails: read it before it is kept. So to write files anew, remove them.

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
    let mut missing = Vec::new();
    for case in &cases {
        for dialect in ALL {
            let path = file(&case.title(), dialect.name());
            let found = case.to(dialect);
            match others.get(&path) {
                Some(expected) => assert_eq!(&found, expected, "golden/dialects/{path}"),
                None => {
                    std::fs::write(folder().join(&path), found).unwrap();
                    missing.push(path);
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "were missing and are written now: read them");
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
