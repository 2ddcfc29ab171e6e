//! The rules of the repository, as tests. Each rule is a function in `tidy/` with a test that shows it bites.

mod documents;
mod exceptions;
mod fences;
mod finding;
mod layout;
mod promises;
pub mod repository;
mod source;
mod traces;
mod vendors;

use std::collections::BTreeSet;

use exceptions::Measure;
use finding::{Finding, assert_none};
use repository::repository;
use source::Source;

/// Words with one meaning each, beside the modules of core, which are words of the glossary too.
const WORDS: [&str; 51] = [
    "realm",
    "tenant",
    "virtual key",
    "provider credential",
    "model",
    "deployment",
    "vendor",
    "dialect",
    "provider",
    "grant",
    "budget",
    "window",
    "hold",
    "settlement",
    "release",
    "suspense",
    "lease",
    "slice",
    "selection",
    "scope",
    "context",
    "agent",
    "command",
    "rejection",
    "event",
    "envelope",
    "log",
    "chain",
    "stream",
    "version",
    "position",
    "offset",
    "head",
    "line",
    "entry",
    "checkpoint",
    "projection",
    "view",
    "snapshot",
    "digest",
    "upcaster",
    "admission",
    "routing",
    "receipt",
    "actor",
    "writer",
    "gateway",
    "outbox",
    "follower",
    "poison",
    "damage",
];

fn on_sources(rule: impl Fn(&Source) -> Vec<Finding>) -> Vec<Finding> {
    repository().sources.iter().flat_map(rule).collect()
}

fn on_texts(applies: impl Fn(&str) -> bool, rule: impl Fn(&str, &str) -> Vec<Finding>) -> Vec<Finding> {
    let texts = repository().texts.iter().filter(|(path, _)| applies(path));
    texts.flat_map(|(path, text)| rule(path, text)).collect()
}

fn required(path: &str) -> &'static str {
    repository().text(path).unwrap_or_else(|| panic!("{path} is not there"))
}

fn table(path: &str) -> toml::Table {
    required(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_rust_file_parses_and_says_what_it_is_for() {
    assert_none(on_sources(layout::opening));
}

#[test]
fn items_are_imported_by_name() {
    assert_none(on_sources(layout::globs));
}

#[test]
fn files_are_named_after_ideas() {
    assert_none(repository().paths().flat_map(layout::name).collect());
}

#[test]
fn files_functions_and_vendors_stay_within_their_limits() {
    let vendors = vendors::names(repository().text(vendors::ROWS));
    let sizes = repository().sources.iter().flat_map(layout::sizes);
    let leaks = repository().sources.iter().flat_map(|source| vendors::leaks(source, &vendors));
    let over: Vec<Measure> = sizes.chain(leaks.map(|(_, measure)| measure)).collect();
    assert_none(exceptions::check(required(exceptions::LIST), &over));
}

#[test]
fn exceptions_only_become_fewer() {
    assert_none(exceptions::shrinks(required(exceptions::LIST), exceptions::LINES_MAX));
}

#[test]
fn every_crate_stays_behind_its_fence() {
    let mut findings = fences::members(&table("Cargo.toml"));
    for room in &fences::ROOMS {
        let path = format!("{}/Cargo.toml", room.folder);
        findings.extend(fences::manifest(room, &path, &table(&path)));
    }
    assert_none(findings);
}

#[test]
fn no_build_but_that_of_the_chaos_breaks_the_gateway_on_purpose() {
    let manifests = repository().paths().filter(|path| path.ends_with("Cargo.toml"));
    assert_none(manifests.flat_map(|path| fences::sabotage(path, &table(path))).collect());
}

#[test]
fn core_names_no_clock_file_environment_or_thread() {
    assert_none(on_sources(fences::purity));
}

#[test]
fn only_the_provider_names_what_opens_connections_over_http() {
    assert_none(on_sources(fences::outbound));
}

/// Clippy reads the nearest clippy.toml only, so each must say again what the workspace's says. Core's bans as much.
#[test]
fn every_clippy_file_repeats_the_workspaces_keys() {
    let ours = table("clippy.toml");
    for path in repository().paths().filter(|path| path.ends_with("/clippy.toml")) {
        let theirs = table(path);
        let keys = ours.iter().filter(|(_, value)| !value.is_array());
        keys.for_each(|(key, value)| assert_eq!(theirs.get(key), Some(value), "{path}: {key}"));
    }
    let bans = |table: &toml::Table| -> BTreeSet<String> {
        let bans = table.get("disallowed-methods").and_then(toml::Value::as_array).into_iter().flatten();
        bans.filter_map(|ban| Some(ban.get("path")?.as_str()?.to_owned())).collect()
    };
    let (ours, cores) = (bans(&ours), bans(&table("core/clippy.toml")));
    assert!(!ours.is_empty() && ours.is_subset(&cores), "core/clippy.toml lacks {:?}", ours.difference(&cores));
}

#[test]
fn every_path_that_a_document_cites_exists() {
    let in_documents = on_texts(documents::is_checked, |path, text| documents::cited_paths(path, text, repository()));
    let is_code = |path: &str| !path.ends_with(".md") && !path.starts_with("tests/it/tidy");
    let in_code = on_texts(is_code, |path, text| documents::cited_documents(path, text, repository()));
    assert_none(in_documents.into_iter().chain(in_code).collect());
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let rust = repository().texts.iter().filter(|(path, _)| path.ends_with(".rs"));
    let codes = rust.flat_map(|(path, text)| promises::error_codes(path, text).unwrap()).collect();
    let is_page = |path: &str| path.starts_with(promises::ERROR_PAGES) && !path.ends_with("README.md");
    let pages: Vec<(&str, &str)> = repository()
        .texts
        .iter()
        .filter(|(path, _)| is_page(path))
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_none(promises::error_pages(&codes, &pages));
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let tests: BTreeSet<&str> =
        repository().sources.iter().flat_map(|source| &source.tests).map(String::as_str).collect();
    // Until the map is written there is nothing to hold it to; the code that it maps comes with it.
    if let Some(map) = repository().text("ARCHITECTURE.md") {
        assert_none(promises::invariants(map, &tests));
    }
}

#[test]
fn every_word_and_every_module_of_core_is_in_the_glossary() {
    let core = repository().sources.iter().find(|source| source.path == "core/src/lib.rs");
    let modules = core.map(|source| source.modules.iter().map(String::as_str)).into_iter().flatten();
    let words: Vec<&str> = WORDS.into_iter().chain(modules).collect();
    assert_none(documents::glossary(required("docs/glossary.md"), &words));
}

#[test]
fn decisions_are_numbered_and_listed() {
    assert_none(documents::decisions(repository()));
}

#[test]
fn the_changelog_says_what_is_not_released_yet() {
    assert_none(documents::changelog(required("CHANGELOG.md")));
}

#[test]
fn nothing_tells_of_the_machine_it_was_made_on() {
    assert_none(on_texts(|_| true, traces::check));
}
