//! What the documents promise is backed by code: invariants by tests, error pages by error codes.

use std::collections::BTreeSet;

use syn::visit::Visit;

use super::finding::Finding;

/// Where error codes of HTTP are declared: one enum `ErrorCode`, whose `as_str` has one literal a code.
const ERROR_CODES: &str = "gateway/src/http/error_code.rs";
/// Where the codes of rejections are declared: the literals of each method `code`.
const REJECTIONS: &str = "core/src/";
/// Where each has its page, named after it.
pub const ERROR_PAGES: &str = "docs/errors/";

/// Every numbered invariant names at least one test, and every test that one names exists.
///
/// An invariant is an item of the numbered list under the heading that contains "nvariants". The tests are the code
/// spans behind `Test:` or `Tests:`; the last part of a `path::name` counts.
pub fn invariants(text: &str, tests: &BTreeSet<&str>) -> Vec<Finding> {
    const PATH: &str = "ARCHITECTURE.md";
    let items = items(text);
    if items.is_empty() {
        return vec![Finding::of(PATH, "has no numbered list under a heading about invariants")];
    }
    let mut findings = Vec::new();
    for (number, item) in (1..).zip(&items) {
        if item.number != number {
            findings.push(Finding::at(PATH, item.line, format!("invariant {number} is numbered {}", item.number)));
        }
        let named = item.text.split_once("Test").map_or("", |(_, named)| named);
        let names: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            findings.push(Finding::at(PATH, item.line, format!("invariant {number} names no test")));
        }
        let last = |name: &&str| name.rsplit("::").next().unwrap_or_default().to_owned();
        let gone = names.iter().map(last).filter(|name| !tests.contains(name.as_str()));
        findings.extend(gone.map(|name| Finding::at(PATH, item.line, format!("there is no test `{name}`"))));
    }
    findings
}

struct Item {
    number: usize,
    line: usize,
    text: String,
}

fn items(text: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut inside = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with('#') {
            inside = text.contains("nvariants");
        } else if inside {
            let head = text.split_once(". ").and_then(|(number, _)| number.parse().ok());
            match (head, items.last_mut()) {
                (Some(number), _) => items.push(Item { number, line, text: text.to_owned() }),
                (None, Some(item)) => item.text.extend(["\n", text]),
                (None, None) => {}
            }
        }
    }
    items
}

/// The codes that a source file declares, if it is one that may.
pub fn error_codes(path: &str, source: &str) -> Result<BTreeSet<String>, syn::Error> {
    let method = match path {
        ERROR_CODES => "as_str",
        _ if path.starts_with(REJECTIONS) => "code",
        _ => return Ok(BTreeSet::new()),
    };
    let mut codes = Codes { method, inside: false, found: BTreeSet::new() };
    codes.visit_file(&syn::parse_file(source)?);
    Ok(codes.found)
}

struct Codes {
    method: &'static str,
    inside: bool,
    found: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Codes {
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.inside = item.sig.ident == self.method;
        // The block alone: documentation is literals too.
        self.visit_block(&item.block);
        self.inside = false;
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        if self.inside {
            self.found.insert(literal.value());
        }
    }
}

/// Every code has a page that opens with it, and every page a code.
pub fn error_pages(codes: &BTreeSet<String>, pages: &[(&str, &str)]) -> Vec<Finding> {
    let code_of = |path: &str| path.trim_start_matches(ERROR_PAGES).trim_end_matches(".md").to_owned();
    let pages: Vec<(&str, String, &str)> = pages.iter().map(|(path, text)| (*path, code_of(path), *text)).collect();
    let mut findings = Vec::new();
    for (path, code, text) in &pages {
        if !codes.contains(code) {
            findings.push(Finding::of(path, format!("`{code}` is no error code")));
        }
        if text.lines().next().is_none_or(|title| title.replace('`', "") != format!("# {code}")) {
            findings.push(Finding::at(path, 1, format!("does not open with `# {code}`")));
        }
    }
    let without = codes.iter().filter(|code| !pages.iter().any(|(_, known, _)| known == *code));
    findings.extend(without.map(|code| Finding::of(ERROR_PAGES, format!("has no page for `{code}`"))));
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{error_codes, error_pages, invariants};
    use crate::tidy::finding::assert_lines;

    #[test]
    fn an_invariant_without_a_test_that_exists_is_found() {
        let tests = BTreeSet::from(["core_is_pure", "it_folds"]);
        let good = "## Invariants\n\n1. `core` does no I/O.\n   Test: `tests/it/tidy.rs::core_is_pure`.\n\
                    2. Folds. Tests: `it_folds`, `core_is_pure`.\n## Next\n1. Not one.\n";
        assert_lines(&invariants(good, &tests), &[]);
        let bad = "## Invariants\n1. `core_is_pure` is nice.\n3. Test: `it_flies`.\n";
        assert_lines(&invariants(bad, &tests), &[2, 3, 3]);
        assert_eq!(invariants("# Nothing\n", &tests).len(), 1);
    }

    #[test]
    fn codes_and_pages_must_match() {
        let source = "impl ErrorCode { fn as_str(self) -> &'static str { match self { Self::A => \"a\", Self::B => \"b\" } }\n\
                      fn text(self) -> &'static str { \"c\" } }";
        let codes = error_codes("gateway/src/http/error_code.rs", source).unwrap();
        assert_eq!(error_codes("adapters/src/x.rs", source).unwrap(), BTreeSet::new());
        let rejection = "impl Rejection { /// Docs.
 fn code(&self) -> &'static str { \"d\" } fn as_str(&self) -> &str { \"e\" } }";
        assert_eq!(error_codes("core/src/key.rs", rejection).unwrap(), BTreeSet::from(["d".to_owned()]));
        assert_eq!(codes, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        let pages = [("docs/errors/a.md", "# `a`\n"), ("docs/errors/b.md", "# b\n")];
        assert_lines(&error_pages(&codes, &pages), &[]);
        assert_lines(&error_pages(&codes, &pages[..1]), &[0]);
        assert_lines(&error_pages(&codes, &[pages[0], ("docs/errors/b.md", "# x\n")]), &[1]);
        assert_lines(&error_pages(&BTreeSet::new(), &pages[..1]), &[0]);
    }
}
