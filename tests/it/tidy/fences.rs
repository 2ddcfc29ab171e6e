//! Crate fences: which crate may depend on which of ours, and what it must never name.
//!
//! The manifests are the truth here, because a crate cannot name what it does not depend on. What the standard library
//! gives to everybody (clock, files, environment, threads) is fenced off core by its paths.

use super::finding::Finding;
use super::source::Source;

/// A room of the workspace and its fence.
pub struct Room {
    /// The folder, relative to the root.
    pub folder: &'static str,
    /// The other crates of the workspace that it may use. In its tests also itself, with features, and the harness.
    pub ours: &'static [&'static str],
    /// The crates from outside that it must never name, in tests either but for those of [`FOR_TESTS`].
    pub never: &'static [&'static str],
    /// If given, the only crates from outside that it may name in production code.
    pub only: Option<&'static [&'static str]>,
}

const CORE: &str = "tallygate-core";
const PROJECTIONS: &str = "tallygate-projections";
const ADAPTERS: &str = "tallygate-adapters";
const GATEWAY: &str = "tallygate-gateway";

/// What is pure and may be named in core. `proptest` is for tests and for the `testing` feature alone.
const PURE: [&str; 13] = [
    "bytes",
    "crc32fast",
    "foldhash",
    "futures-core",
    "hmac",
    "itoa",
    "jiff",
    "proptest",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "uuid",
];

/// An error without a type is fine in a test, where nobody acts on it.
const FOR_TESTS: [&str; 1] = ["anyhow"];

/// Every room. A member of the workspace without a row here fails.
pub const ROOMS: [Room; 7] = [
    Room { folder: "core", ours: &[], never: &["tokio", "anyhow"], only: Some(&PURE) },
    Room {
        folder: "projections",
        ours: &[CORE],
        never: &["axum", "hyper", "hyper-rustls", "reqwest", "async-nats", "governor", "anyhow"],
        only: None,
    },
    Room {
        folder: "adapters",
        ours: &[CORE],
        never: &["axum", "reqwest", "governor", "sled", "bincode", "anyhow"],
        only: None,
    },
    Room {
        folder: "gateway",
        ours: &[CORE, PROJECTIONS, ADAPTERS],
        never: &["sled", "bincode", "async-nats", "hyper-rustls", "reqwest"],
        only: None,
    },
    Room {
        folder: "replay",
        ours: &[CORE, PROJECTIONS, ADAPTERS],
        never: &["axum", "hyper", "hyper-rustls", "reqwest", "sled", "bincode", "async-nats", "governor"],
        only: None,
    },
    Room { folder: "tests", ours: &[CORE], never: &["axum", "sled", "bincode", "async-nats", "governor"], only: None },
    Room {
        folder: "benches",
        ours: &[CORE, PROJECTIONS, ADAPTERS, GATEWAY],
        never: &["axum", "sled", "bincode", "reqwest", "async-nats", "governor"],
        only: None,
    },
];

/// What core must not reach for in the standard library. core/clippy.toml bans the same by item, with reasons.
const IMPURE: [&str; 11] = [
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::hash::RandomState",
];

/// The feature that breaks the gateway on purpose.
const SABOTAGE: &str = "sabotage";

/// What opens connections over HTTP, and the one folder of the product that may name it. A manifest cannot fence it: the
/// server lives in the same crates.
const HTTP_CLIENTS: [&str; 3] = ["hyper::client", "hyper_util::client", "hyper_rustls"];
const HTTP_CLIENTS_FOLDER: &str = "adapters/src/provider/";

/// Every member of the workspace has a fence, and every fence a member.
pub fn members(workspace: &toml::Table) -> Vec<Finding> {
    let listed: Vec<&str> = workspace
        .get("workspace")
        .and_then(|table| table.get("members")?.as_array())
        .map(|members| members.iter().filter_map(toml::Value::as_str).collect())
        .unwrap_or_default();
    let unfenced = listed.iter().filter(|member| !ROOMS.iter().any(|room| room.folder == **member));
    let gone = ROOMS.iter().map(|room| room.folder).filter(|folder| !listed.contains(folder));
    let unfenced = unfenced.map(|member| Finding::of("Cargo.toml", format!("`{member}` has no fence")));
    unfenced.chain(gone.map(|folder| Finding::of("Cargo.toml", format!("`{folder}` is no member")))).collect()
}

/// What a manifest names beyond its room's fence.
pub fn manifest(room: &Room, path: &str, manifest: &toml::Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (kind, name) in dependencies(manifest) {
        let breach = if let Some(folder) = name.strip_prefix("tallygate-") {
            let in_tests = kind == "dev-dependencies" && [room.folder, "tests"].contains(&folder);
            (!in_tests && !room.ours.contains(&name.as_str())).then_some("is beyond this crate's fence")
        } else if kind == "dev-dependencies" && FOR_TESTS.contains(&name.as_str()) {
            None
        } else if room.never.contains(&name.as_str()) {
            Some("must never be named in this crate")
        } else {
            let listed = room.only.is_none_or(|only| only.contains(&name.as_str()));
            (!listed).then_some("is not in this crate's allow-list")
        };
        findings.extend(breach.map(|breach| Finding::of(path, format!("`{name}` ({kind}) {breach}"))));
    }
    if manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool()) != Some(true) {
        findings.push(Finding::of(path, "does not take the workspace's lints"));
    }
    findings
}

/// What breaks the gateway on purpose is for `tests/chaos` to ask for: no manifest may switch it on.
pub fn sabotage(path: &str, manifest: &toml::Table) -> Vec<Finding> {
    let names = |value: &toml::Value| format!("{value:?}").contains(SABOTAGE);
    let features = manifest.get("features").and_then(toml::Value::as_table).into_iter().flatten();
    let by_feature = features.filter(|(_, switches)| names(switches)).map(|(name, _)| format!("the feature `{name}`"));
    let mut kinds = vec!["dependencies", "dev-dependencies", "build-dependencies", "workspace", "target"];
    kinds.retain(|kind| manifest.get(*kind).is_some_and(names));
    let by_dependency = kinds.into_iter().map(|kind| format!("`{kind}`"));
    let found = by_feature.chain(by_dependency);
    found.map(|what| Finding::of(path, format!("{what} switches on `{SABOTAGE}`"))).collect()
}

/// The paths by which core would reach out of itself. What drives it in tests may: a future needs a thread to wait on.
pub fn purity(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("core/src/") || source.path.starts_with("core/src/testing/") {
        return Vec::new();
    }
    let reaches = |path: &str| {
        let path = path.replacen("core::", "std::", 1);
        IMPURE.iter().any(|impure| is_within(&path, impure))
    };
    let found = source.paths.iter().filter(|path| reaches(&path.text));
    found.map(|path| Finding::at(&source.path, path.line, format!("core must not name `{}`", path.text))).collect()
}

/// The paths by which code outside the one place for it would open a connection to an upstream.
pub fn outbound(source: &Source) -> Vec<Finding> {
    let may = [HTTP_CLIENTS_FOLDER, "tests/", "benches/"].iter().any(|folder| source.path.starts_with(folder));
    if may {
        return Vec::new();
    }
    let found = source.paths.iter().filter(|path| HTTP_CLIENTS.iter().any(|client| is_within(&path.text, client)));
    found
        .map(|path| Finding::at(&source.path, path.line, format!("only the provider may name `{}`", path.text)))
        .collect()
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every dependency of every kind and target, by the name it has in the registry.
fn dependencies(manifest: &toml::Table) -> Vec<(&'static str, String)> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    let tables: Vec<&toml::Table> = std::iter::once(manifest).chain(targets).collect();
    let mut found = Vec::new();
    for (table, kind) in tables.into_iter().flat_map(|table| KINDS.map(|kind| (table, kind))) {
        let listed = table.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
        found.extend(listed.map(|(name, value)| {
            let renamed = value.get("package").and_then(toml::Value::as_str);
            (kind, renamed.unwrap_or(name).to_owned())
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{ROOMS, Room, manifest, members, outbound, purity, sabotage};
    use crate::tidy::finding::assert_lines;
    use crate::tidy::source::Source;

    fn breaches(folder: &str, dependencies: &str) -> usize {
        let room: &Room = ROOMS.iter().find(|room| room.folder == folder).unwrap();
        let text = format!("[lints]\nworkspace = true\n{dependencies}");
        manifest(room, "x/Cargo.toml", &text.parse().unwrap()).len()
    }

    #[test]
    fn a_dependency_beyond_the_fence_is_found_in_every_kind() {
        assert_eq!(breaches("core", "[dependencies]\nserde = \"1\"\n"), 0);
        assert_eq!(breaches("core", "[dependencies]\ntokio = \"1\"\n"), 1);
        assert_eq!(breaches("core", "[dev-dependencies]\nrand = \"1\"\n"), 1);
        assert_eq!(breaches("adapters", "[dependencies]\nanyhow = \"1\"\n"), 1);
        assert_eq!(breaches("adapters", "[dev-dependencies]\nanyhow = \"1\"\n"), 0);
        assert_eq!(breaches("gateway", "[build-dependencies]\nsled = \"1\"\n"), 1);
        assert_eq!(breaches("gateway", "[target.'cfg(unix)'.dependencies]\nreqwest = \"1\"\n"), 1);
        assert_eq!(breaches("gateway", "[dependencies]\nhttp_client = { package = \"reqwest\" }\n"), 1);
    }

    #[test]
    fn a_crate_of_ours_beyond_the_fence_is_found() {
        assert_eq!(breaches("adapters", "[dependencies]\ntallygate-core = {}\n"), 0);
        assert_eq!(breaches("adapters", "[dependencies]\ntallygate-projections = {}\n"), 1);
        assert_eq!(breaches("adapters", "[dev-dependencies]\ntallygate-tests = {}\n"), 0);
        assert_eq!(breaches("adapters", "[dependencies]\ntallygate-tests = {}\n"), 1);
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        assert_eq!(manifest(&ROOMS[0], "core/Cargo.toml", &toml::Table::new()).len(), 1);
    }

    #[test]
    fn a_member_without_a_fence_is_found() {
        let workspace = "[workspace]\nmembers = [\"core\", \"cellar\"]\n".parse().unwrap();
        assert_eq!(members(&workspace).len(), 1 + ROOMS.len() - 1);
    }

    #[test]
    fn a_manifest_that_switches_sabotage_on_is_found() {
        let found = |text: &str| sabotage("x/Cargo.toml", &text.parse().unwrap()).len();
        assert_eq!(found("[features]\ndefault = [\"mimalloc\"]\nsabotage = []\n"), 0);
        assert_eq!(found("[features]\ndefault = [\"sabotage\"]\nsabotage = []\n"), 1);
        assert_eq!(found("[dependencies]\ntallygate-gateway = { features = [\"sabotage\"] }\n"), 1);
        assert_eq!(found("[features]\nx = [\"tallygate-gateway/sabotage\"]\n"), 1);
    }

    #[test]
    fn core_reaching_out_is_found_however_it_is_written() {
        let sample =
            "//! X.\nuse std::{fmt, fs};\nfn x() { std::env::var(\"A\"); }\nuse std::time::{Duration, Instant};\n";
        assert_lines(&purity(&Source::read("core/src/x.rs", sample)), &[2, 3, 4]);
        assert_lines(&purity(&Source::read("adapters/src/x.rs", sample)), &[]);
    }

    #[test]
    fn a_client_outside_the_one_place_is_found() {
        let sample = "//! X.\nuse hyper_util::client::legacy::Client;\nuse hyper_util::rt::TokioIo;\nfn x() { hyper::client::conn::http1::handshake(); }\n";
        assert_lines(&outbound(&Source::read("gateway/src/x.rs", sample)), &[2, 4]);
        assert_lines(&outbound(&Source::read("adapters/src/secret.rs", sample)), &[2, 4]);
        assert_lines(&outbound(&Source::read("adapters/src/provider/x.rs", sample)), &[]);
    }
}
