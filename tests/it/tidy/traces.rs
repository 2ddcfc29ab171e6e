//! The repository speaks of the product alone: no machine's paths, no registry's hosts, no unfinished work.

use super::finding::Finding;

/// Pieces of text that must stand in no tracked file, each split so that this file does not hold it.
const TRACES: [(&str, &str); 16] = [
    ("/ro", "ot/"),
    ("/wo", "rk/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("/tm", "p/"),
    ("arti", "factory"),
    ("index.cra", "tes.io"),
    ("static.cra", "tes.io"),
    ("pypi", ".org"),
    ("files.python", "hosted"),
    ("registry.npm", "js.org"),
    ("deb.deb", "ian.org"),
    ("proxy.gol", "ang.org"),
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X "),
];

/// Every line that holds a trace.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let traces: Vec<String> = TRACES.iter().map(|(start, end)| format!("{start}{end}")).collect();
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let found = traces.iter().filter(|trace| text.contains(trace.as_str()));
        findings.extend(found.map(|trace| Finding::at(path, line, format!("holds `{trace}`"))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::finding::assert_lines;

    #[test]
    fn a_trace_of_a_machine_is_found() {
        let path = ["/ho", "me/me/x"].concat();
        let host = ["https://pypi", ".org/simple"].concat();
        let mark = ["// TO", "DO: later"].concat();
        assert_lines(&check("x.rs", &format!("fine\n{path}\n{host}\n{mark}\n")), &[2, 3, 4]);
        assert_lines(&check("x.rs", "the home of a framework/worker\n"), &[]);
    }
}
