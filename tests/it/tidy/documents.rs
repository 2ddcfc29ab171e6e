//! Documents stay true: what they cite exists, what is numbered is complete, what is named is explained.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::repository::Repository;

/// The documents whose paths are checked. The changelog tells of what was, so it is not one.
pub fn is_checked(path: &str) -> bool {
    let top = !path.contains('/') && path != "CHANGELOG.md";
    path.ends_with(".md") && (top || path.starts_with("docs/"))
}

/// Every path that a document cites exists: in code spans, in links, and as `./command` in blocks of code.
pub fn cited_paths(path: &str, text: &str, repository: &Repository) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    let mut in_block = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        let cited = if in_block { commands(text) } else { spans(text) };
        let gone = cited.into_iter().filter(|cited| is_ours(cited, repository) && !exists(cited, repository));
        findings.extend(gone.map(|gone| Finding::at(path, line, format!("cites `{gone}`, which does not exist"))));
        if !in_block {
            let gone = links(text).into_iter().filter(|link| !repository.has(&resolve(folder, link)));
            findings.extend(gone.map(|gone| Finding::at(path, line, format!("links to `{gone}`, which is not there"))));
        }
    }
    findings
}

/// Citations of documents from code and configuration: `docs/…` exists wherever it is written.
pub fn cited_documents(path: &str, text: &str, repository: &Repository) -> Vec<Finding> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let words = text.split(|letter: char| !is_word(letter)).filter(|word| word.starts_with("docs/"));
        let gone = words.map(|word| word.trim_end_matches(['.', '-'])).filter(|word| !repository.has(word));
        findings.extend(gone.map(|gone| Finding::at(path, line, format!("cites `{gone}`, which does not exist"))));
    }
    findings
}

/// The changelog opens with what is not released yet, and says something there.
pub fn changelog(text: &str) -> Vec<Finding> {
    const PATH: &str = "CHANGELOG.md";
    let mut sections = text.split("\n## ").skip(1);
    let Some(first) = sections.next().filter(|section| section.starts_with("[Unreleased]")) else {
        return vec![Finding::of(PATH, "its first section is not `## [Unreleased]`")];
    };
    let says = first.lines().any(|line| line.starts_with("- "));
    if says || sections.next().is_some() { Vec::new() } else { vec![Finding::of(PATH, "nothing is in it")] }
}

/// Decisions are numbered without a gap, say their status, and are listed.
pub fn decisions(repository: &Repository) -> Vec<Finding> {
    const FOLDER: &str = "docs/adr/";
    const LIST: &str = "docs/adr/README.md";
    let list = repository.text(LIST).unwrap_or_default();
    let records = repository.texts.iter().filter(|(path, _)| path.starts_with(FOLDER) && *path != LIST);
    let mut findings = Vec::new();
    for (number, (path, text)) in (1..).zip(records) {
        let name = path.trim_start_matches(FOLDER);
        if !name.starts_with(&format!("{number:04}-")) {
            findings.push(Finding::of(path, format!("is not numbered {number:04}")));
        }
        if !text.contains("\n- Status: ") {
            findings.push(Finding::of(path, "says no `- Status: `"));
        }
        if !list.contains(name) {
            findings.push(Finding::of(LIST, format!("does not list {name}")));
        }
    }
    findings
}

/// The glossary has a row for each of these words, and one row a word.
pub fn glossary(text: &str, words: &[&str]) -> Vec<Finding> {
    const PATH: &str = "docs/glossary.md";
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let cell = text.strip_prefix("| ").and_then(|row| row.split_once(" |")).map_or("", |(cell, _)| cell);
        if !cell.starts_with("**") {
            continue;
        }
        for term in cell.replace("**", "").split(", ").map(str::to_owned) {
            if !seen.insert(term.clone()) {
                findings.push(Finding::at(PATH, line, format!("`{term}` has a row already: one meaning each")));
            }
        }
    }
    let missing = words.iter().filter(|word| !seen.contains(**word));
    findings.extend(missing.map(|word| Finding::of(PATH, format!("has no row for `{word}`"))));
    findings
}

/// The texts between single backticks of one line.
fn spans(line: &str) -> Vec<String> {
    line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// The words of a line of shell that run a file of the repository.
fn commands(line: &str) -> Vec<String> {
    let words = line.split_whitespace().filter_map(|word| word.strip_prefix("./"));
    words.filter(|word| word.contains('/')).map(str::to_owned).collect()
}

/// The targets of the links of a line that lead to a file.
fn links(line: &str) -> Vec<String> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with(['#', 'm']));
    files.map(|target| target.split('#').next().unwrap_or(target).to_owned()).collect()
}

/// Whether a word is meant as a path of this repository: its first part is a folder at the top, or it is a file there.
fn is_ours(word: &str, repository: &Repository) -> bool {
    let word = word.trim_start_matches("./");
    match word.split_once('/') {
        Some((top, _)) => repository.has_top(top),
        None => {
            let known = [".toml", ".md", ".lock"].iter().any(|ending| word.ends_with(ending));
            known && word.chars().next().is_some_and(char::is_alphanumeric)
        }
    }
}

/// Whether what a document cites is there, with `{a,b}` written out, and without `:line` or `::item`.
fn exists(cited: &str, repository: &Repository) -> bool {
    let path = cited.trim_start_matches("./").trim_end_matches([',', '.', ';', ')']);
    let path = path.split(':').next().unwrap_or(path);
    let spread = path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    if let Some((before, (choices, after))) = spread {
        return choices.split(',').all(|choice| exists(&format!("{before}{choice}{after}"), repository));
    }
    match path.split_once('*') {
        Some((before, after)) => repository.paths().any(|path| path.starts_with(before) && path.ends_with(after)),
        None => repository.has(path) || repository.paths().any(|known| !path.contains('/') && ends_as(known, path)),
    }
}

/// A bare file name stands for a file of that name anywhere.
fn ends_as(known: &str, name: &str) -> bool {
    known.rsplit('/').next() == Some(name)
}

fn resolve(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::{changelog, cited_documents, cited_paths, glossary};
    use crate::tidy::finding::assert_lines;
    use crate::tidy::repository::repository;

    #[test]
    fn a_path_that_is_gone_is_found_in_spans_links_and_blocks() {
        let bad =
            "See `core/src/gone.rs:12`.\nAnd [that](../core/gone.md).\n```\n./tests/gone --now\n```\n`Gone.toml`\n";
        assert_lines(&cited_paths("docs/x.md", bad, repository()), &[1, 2, 4, 6]);
    }

    #[test]
    fn paths_that_exist_and_words_that_are_none_pass() {
        let good = "`core/src/lib.rs:3` `core/src/{lib,money}.rs` `tests/it/tidy.rs::a_test` `core/src/*.rs` `deny.toml`\n\
                    `/api/commands` `x/y` `tallygate.<log>.<realm>` [a](https://x.y/z) [b](#part) [c](../core/src)\n\
                    `tests/run`, and `core/`\n";
        assert_lines(&cited_paths("docs/x.md", good, repository()), &[]);
    }

    #[test]
    fn a_document_cited_from_code_must_exist() {
        let sample = "// see docs/glossary.md.\n// see docs/gone.md\n// see docs/adr/0001\n// see docs/adr/9999\n";
        assert_lines(&cited_documents("x.rs", sample, repository()), &[2, 4]);
    }

    #[test]
    fn a_changelog_without_its_unreleased_section_is_found() {
        assert_eq!(changelog("# Changelog\n\n## 0.1.0\n- a\n").len(), 1);
        assert_eq!(changelog("# Changelog\n\n## [Unreleased]\n").len(), 1);
        assert_eq!(changelog("# Changelog\n\n## [Unreleased]\n\n- a\n").len(), 0);
    }

    #[test]
    fn a_word_without_a_row_or_with_two_is_found() {
        let text = "| **realm**, tenant | x |\n| **hold** | x |\n| **hold** | y |\n";
        assert_lines(&glossary(text, &["hold"]), &[3]);
        assert_lines(&glossary(text, &["hold", "lease"]), &[3, 0]);
    }
}
