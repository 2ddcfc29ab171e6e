//! The one list of exceptions, which may only shrink.
//!
//! A line names a rule, a place, the size found there today, and why. It must name the size exactly: what shrinks is
//! written down, what grows is refused, and a line that nothing needs any more must go.

use std::fmt;

use super::finding::Finding;

/// Where the list is.
pub const LIST: &str = "tests/it/tidy/exceptions.txt";

/// How many lines the list may have. Lower it with every line that goes; never raise it.
pub const LINES_MAX: usize = 4;

/// A size that is, or may be, over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    rule: &'static str,
    place: String,
    size: usize,
    limit: usize,
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Exception<'a> {
    line: usize,
    rule: &'a str,
    place: &'a str,
    size: usize,
}

impl Measure {
    /// A size found at a place, and the limit of its rule.
    pub fn new(rule: &'static str, place: &str, size: usize, limit: usize) -> Self {
        Self { rule, place: place.to_owned(), size, limit }
    }

    /// Whether the size is over the limit.
    pub fn is_over(&self) -> bool {
        self.size > self.limit
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, the limit is {}", self.rule, self.size, self.limit)
    }
}

/// What is over its limit without an exception, and every exception that is wrong.
pub fn check(list: &str, over: &[Measure]) -> Vec<Finding> {
    let (exceptions, mut findings) = parse(list);
    for measure in over {
        let excepted = exceptions.iter().find(|exception| covers(exception, measure));
        match excepted {
            None => findings.push(Finding::of(&measure.place, measure.to_string())),
            Some(exception) if exception.size < measure.size => {
                let what = format!("{measure}, and the exception allows {}", exception.size);
                findings.push(Finding::of(&measure.place, what));
            }
            Some(exception) if exception.size > measure.size => {
                let what = format!("{} shrank to {}: lower the exception", measure.place, measure.size);
                findings.push(Finding::at(LIST, exception.line, what));
            }
            Some(_) => {}
        }
    }
    for exception in &exceptions {
        if !over.iter().any(|measure| covers(exception, measure)) {
            let what = format!("{} {} needs no exception any more: remove the line", exception.rule, exception.place);
            findings.push(Finding::at(LIST, exception.line, what));
        }
    }
    findings
}

/// The list has no more lines than are allowed, and no fewer than are written down as allowed.
pub fn shrinks(list: &str, allowed: usize) -> Vec<Finding> {
    let (exceptions, _) = parse(list);
    match exceptions.len() {
        lines if lines > allowed => vec![Finding::of(LIST, format!("{lines} exceptions, {allowed} are allowed"))],
        lines if lines < allowed => vec![Finding::of(LIST, format!("{lines} exceptions: lower LINES_MAX to {lines}"))],
        _ => Vec::new(),
    }
}

fn covers(exception: &Exception<'_>, measure: &Measure) -> bool {
    exception.rule == measure.rule && exception.place == measure.place
}

/// `rule place size reason…`; lines that start with `#` and empty ones say nothing.
fn parse(list: &str) -> (Vec<Exception<'_>>, Vec<Finding>) {
    let mut exceptions = Vec::new();
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(list.lines()) {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let mut parts = text.split_whitespace();
        let head = (parts.next(), parts.next(), parts.next().and_then(|size| size.parse().ok()));
        match (head, parts.next()) {
            ((Some(rule), Some(place), Some(size)), Some(_reason)) => {
                exceptions.push(Exception { line, rule, place, size });
            }
            _ => findings.push(Finding::at(LIST, line, "not `rule place size reason`")),
        }
    }
    (exceptions, findings)
}

#[cfg(test)]
mod tests {
    use super::{Measure, check, shrinks};

    const LIST: &str = "# why\nfile-lines core/src/a.rs 450 generated from a table\n";

    fn measured(size: usize) -> Vec<Measure> {
        vec![Measure::new("file-lines", "core/src/a.rs", size, 400)]
    }

    #[test]
    fn an_exception_holds_for_its_exact_size_only() {
        assert_eq!(check("", &measured(450)).len(), 1);
        assert_eq!(check(LIST, &measured(450)).len(), 0);
        assert_eq!(check(LIST, &measured(451)).len(), 1);
        assert_eq!(check(LIST, &measured(449)).len(), 1);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_found() {
        assert_eq!(check(LIST, &[]).len(), 1);
    }

    #[test]
    fn a_line_without_a_reason_is_found() {
        assert_eq!(check("file-lines core/src/a.rs 450\n", &measured(450)).len(), 2);
    }

    #[test]
    fn the_list_may_only_shrink() {
        assert_eq!(shrinks(LIST, 0).len(), 1);
        assert_eq!(shrinks(LIST, 1).len(), 0);
        assert_eq!(shrinks(LIST, 2).len(), 1);
    }
}
