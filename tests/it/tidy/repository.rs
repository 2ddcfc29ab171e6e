//! The tracked files of the repository, read once for all rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::source::Source;

/// What is tracked, by path relative to the root and with forward slashes.
pub struct Repository {
    /// Every tracked file that is text, with its content.
    pub texts: BTreeMap<String, String>,
    /// Every tracked Rust file, as facts.
    pub sources: Vec<Source>,
    paths: Vec<String>,
}

static REPOSITORY: LazyLock<Repository> = LazyLock::new(Repository::read);

/// The repository that this test was built from.
pub fn repository() -> &'static Repository {
    &REPOSITORY
}

impl Repository {
    fn read() -> Self {
        let root = root();
        let paths = tracked(&root).unwrap_or_else(|| walked(&root));
        let texts: BTreeMap<String, String> = paths
            .iter()
            .filter_map(|path| Some((path.clone(), std::fs::read_to_string(root.join(path)).ok()?)))
            .collect();
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
        let sources = rust.map(|(path, text)| Source::read(path, text)).collect();
        Self { texts, sources, paths }
    }

    /// Every tracked path.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The content of a tracked text file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether a tracked file has this path, lies under it, or is the numbered document that it abbreviates
    /// (`docs/adr/0001` for `docs/adr/0001-….md`).
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.paths().any(|tracked| {
            tracked.strip_prefix(path).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || (rest.starts_with('-') && path.ends_with(char::is_numeric))
            })
        })
    }

    /// Whether some tracked path starts with this directory or file name.
    pub fn has_top(&self, name: &str) -> bool {
        self.paths().any(|tracked| tracked.split('/').next() == Some(name))
    }
}

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Tracked files and new ones that are not ignored: a rule should bite before the commit.
fn tracked(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let listed = String::from_utf8(output.stdout).ok()?;
    let present = |path: &&str| !path.is_empty() && root.join(path).is_file();
    Some(listed.split('\0').filter(present).map(str::to_owned).collect())
}

/// Without git, such as in an unpacked archive: every file but what is built or installed.
fn walked(root: &Path) -> Vec<String> {
    const SKIPPED: [&str; 4] = ["target", ".git", ".tools", "data"];
    let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
    entries
        .filter_entry(|entry| entry.file_name().to_str().is_none_or(|name| !SKIPPED.contains(&name)))
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_str()?.replace('\\', "/")))
        .collect()
}

#[test]
fn the_repository_is_found_and_knows_what_it_has() {
    let repository = repository();
    assert!(repository.has("Cargo.toml"));
    assert!(repository.has("core/src"));
    assert!(!repository.has("core/sr"));
    assert!(repository.has_top("core"));
    assert!(repository.sources.iter().any(|source| source.path == "tests/it/tidy/repository.rs"));
}

#[test]
fn a_walk_finds_what_git_lists() {
    let root = root();
    let walked = walked(&root);
    let Some(tracked) = tracked(&root) else { return };
    let missing: Vec<&String> = tracked.iter().filter(|path| !walked.contains(path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
