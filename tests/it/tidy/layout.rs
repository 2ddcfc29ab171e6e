//! How files are laid out: small, documented at the top, named after an idea, imported by name.

use super::exceptions::Measure;
use super::finding::Finding;
use super::source::Source;

/// The most production lines of a file.
pub const FILE_LINES: usize = 400;
/// The most lines of test code of a file.
pub const TEST_LINES: usize = 600;
/// The most lines of a function, from its signature to its closing brace.
pub const FUNCTION_LINES: usize = 70;

const DRAWERS: [&str; 10] =
    ["utils", "util", "common", "misc", "helpers", "helper", "manager", "managers", "stuff", "shared"];

/// What of a file is over a limit of size.
pub fn sizes(source: &Source) -> Vec<Measure> {
    let file = [("file-lines", source.production_lines, FILE_LINES), ("test-lines", source.test_lines, TEST_LINES)];
    let file = file.into_iter().map(|(rule, size, limit)| Measure::new(rule, &source.path, size, limit));
    let functions = source.functions.iter().map(|function| {
        let place = format!("{}::{}", source.path, function.name);
        Measure::new("function-lines", &place, function.lines, FUNCTION_LINES)
    });
    file.chain(functions).filter(Measure::is_over).collect()
}

/// Every Rust file parses and opens by saying what it is for. `tests.rs` says so by its name, as `mod tests` does.
pub fn opening(source: &Source) -> Vec<Finding> {
    if let Some(error) = &source.broken {
        return vec![Finding::of(&source.path, format!("does not parse: {error}"))];
    }
    if source.opens_with_docs || source.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    vec![Finding::at(&source.path, 1, "opens without `//!`: say what the module is for and what it must not know")]
}

/// Items are imported by name, so that a reader sees where each comes from.
pub fn globs(source: &Source) -> Vec<Finding> {
    let finding = |line: &usize| Finding::at(&source.path, *line, "a glob import outside tests: name what is used");
    source.globs.iter().map(finding).collect()
}

/// `name.rs` beside `name/`, and no drawers.
pub fn name(path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.ends_with("/mod.rs") {
        findings.push(Finding::of(path, "is a mod.rs: call it by its name, beside its folder"));
    }
    let is_drawer = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part).to_lowercase();
        DRAWERS.iter().any(|drawer| stem == *drawer || stem.ends_with(&format!("_{drawer}")))
    };
    if let Some(part) = path.split('/').find(|part| is_drawer(part)) {
        findings.push(Finding::of(path, format!("`{part}` is a drawer: put it next to the type it serves")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::assert_lines;
    use super::{FUNCTION_LINES, globs, name, opening, sizes};
    use crate::tidy::source::Source;

    #[test]
    fn a_file_or_function_over_its_limit_is_measured() {
        let body = "    let _ = 1;\n".repeat(FUNCTION_LINES - 1);
        let long = format!("//! Long.\nfn long() {{\n{body}}}\n");
        let measures = sizes(&Source::read("core/src/long.rs", &long));
        assert_eq!(measures.len(), 1, "{measures:?}");
        assert!(sizes(&Source::read("core/src/fits.rs", &long.replacen("    let _ = 1;\n", "", 1))).is_empty());
        let huge = format!("//! Huge.\n{}", "const _: () = ();\n".repeat(400));
        assert_eq!(sizes(&Source::read("core/src/huge.rs", &huge)).len(), 1);
        assert!(sizes(&Source::read("tests/it/huge.rs", &huge)).is_empty());
    }

    #[test]
    fn a_file_without_an_opening_comment_is_found() {
        assert_lines(&opening(&Source::read("core/src/x.rs", "/// Not it.\nfn x() {}\n")), &[1]);
        assert_lines(&opening(&Source::read("core/src/x.rs", "//! It.\n")), &[]);
        assert_lines(&opening(&Source::read("core/src/x/tests.rs", "fn x() {}\n")), &[]);
        assert_lines(&opening(&Source::read("core/src/x.rs", "//! It.\nfn {")), &[0]);
    }

    #[test]
    fn a_glob_import_is_found() {
        let sample = "//! X.\nuse std::fmt::*;\nuse std::fmt::Display;\n";
        assert_lines(&globs(&Source::read("core/src/x.rs", sample)), &[2]);
    }

    #[test]
    fn drawers_and_mod_files_are_found() {
        let bad = ["core/src/key/mod.rs", "core/src/utils.rs", "gateway/src/http_helpers.rs", "core/src/common/key.rs"];
        bad.iter().for_each(|path| assert_eq!(name(path).len(), 1, "{path}"));
        assert!(name("core/src/commonality.rs").is_empty());
    }
}
