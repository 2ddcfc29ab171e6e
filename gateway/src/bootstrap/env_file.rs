//! A file of variables, as shells and containers read it: a comment, an empty line, or `NAME=value` a line. All of it stays
//! byte for byte, but for the values that are set.

use std::ops::Range;

/// A file's text, and where its variables stand in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct EnvFile {
    text: String,
    variables: Vec<Variable>,
}

/// A variable. The spans are within the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    name: String,
    line: usize,
    /// The value with its quotes.
    raw: Range<usize>,
    /// The value.
    value: Range<usize>,
}

/// Why a text is no file of variables, or has not one answer. No value is named: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvFileError {
    /// A line that is neither empty, nor a comment, nor a variable.
    #[error("line {line} is neither a comment nor NAME=value")]
    Line {
        /// Which line, from 1.
        line: usize,
    },
    /// A quote that does not end on its line, or is followed by something.
    #[error("the quotes of {name} in line {line} do not end where its value does")]
    Quotes {
        /// Which variable.
        name: String,
        /// Which line, from 1.
        line: usize,
    },
    /// A variable that is there twice: readers differ on which one counts.
    #[error("{name} is defined twice, in lines {first} and {second}: remove one")]
    Twice {
        /// Which variable.
        name: String,
        /// The first line, from 1.
        first: usize,
        /// The second.
        second: usize,
    },
}

impl std::fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EnvFile({} variables)", self.variables.len())
    }
}

impl EnvFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`EnvFileError::Line`] and [`EnvFileError::Quotes`].
    pub(super) fn parse(text: String) -> Result<Self, EnvFileError> {
        let (mut variables, mut start) = (Vec::new(), 0);
        for (line, whole) in (1..).zip(text.split_inclusive('\n')) {
            variables.extend(variable(whole.trim_end_matches(['\n', '\r']), start, line)?);
            start += whole.len();
        }
        Ok(Self { text, variables })
    }

    /// The whole text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The names of all variables, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.name.as_str())
    }

    /// The value of a variable, without its quotes.
    ///
    /// # Errors
    /// [`EnvFileError::Twice`].
    pub(super) fn value(&self, name: &str) -> Result<Option<&str>, EnvFileError> {
        Ok(self.find(name)?.map(|variable| &self.text[variable.value.clone()]))
    }

    /// The value of a variable, with its quotes.
    ///
    /// # Errors
    /// [`EnvFileError::Twice`].
    pub(super) fn raw(&self, name: &str) -> Result<Option<&str>, EnvFileError> {
        Ok(self.find(name)?.map(|variable| &self.text[variable.raw.clone()]))
    }

    /// The file with another value of a variable, spelt as it stands here; at the end where the variable was not there.
    ///
    /// # Errors
    /// [`EnvFileError`].
    pub(super) fn with(&self, name: &str, raw: &str) -> Result<Self, EnvFileError> {
        let mut text = self.text.clone();
        match self.find(name)? {
            Some(variable) => text.replace_range(variable.raw.clone(), raw),
            None => {
                let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push_str(end);
                }
                text.push_str(&format!("{name}={raw}{end}"));
            }
        }
        Self::parse(text)
    }

    fn find(&self, name: &str) -> Result<Option<&Variable>, EnvFileError> {
        let mut found = self.variables.iter().filter(|variable| variable.name == name);
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => {
                Err(EnvFileError::Twice { name: name.to_owned(), first: first.line, second: second.line })
            }
            (first, _) => Ok(first),
        }
    }
}

/// The variable of a line that begins at `start`.
fn variable(text: &str, start: usize, line: usize) -> Result<Option<Variable>, EnvFileError> {
    let said = text.trim();
    if said.is_empty() || said.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = said.split_once('=').ok_or(EnvFileError::Line { line })?;
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
    if !begins || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err(EnvFileError::Line { line });
    }
    // `said` is the line without what surrounds it, so its end is the end of `rest`.
    let end = start + text.trim_end().len();
    let begin = end - rest.trim_start().len();
    let rest = rest.trim_start();
    let (raw, value) = match rest.chars().next().filter(|quote| ['"', '\''].contains(quote)) {
        Some(quote) => {
            let wrong = || EnvFileError::Quotes { name: name.to_owned(), line };
            let inner = &rest[1..];
            let length = inner.find(quote).ok_or_else(wrong)?;
            let after = inner[length + 1..].trim_start();
            if !after.is_empty() && !after.starts_with('#') {
                return Err(wrong());
            }
            (begin..begin + length + 2, begin + 1..begin + 1 + length)
        }
        None => {
            let comment = rest.find(" #").or_else(|| rest.find("\t#")).unwrap_or(rest.len());
            let comment = if rest.starts_with('#') { 0 } else { comment };
            let length = rest[..comment].trim_end().len();
            (begin..begin + length, begin..begin + length)
        }
    };
    Ok(Some(Variable { name: name.to_owned(), line, raw, value }))
}

#[cfg(test)]
mod tests {
    use super::{EnvFile, EnvFileError};

    fn of(text: &str) -> EnvFile {
        EnvFile::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn values_are_read_as_shells_read_them() {
        for (line, value) in [
            ("A=b", "b"),
            ("  export A=b  ", "b"),
            ("A=b          # or c", "b"),
            ("A=b#c", "b#c"),
            ("A=\"b # c\" # d", "b # c"),
            ("A='b'", "b"),
            ("A=", ""),
            ("A= # nothing", ""),
            ("A = b=c", "b=c"),
            ("A=b\r", "b"),
        ] {
            assert_eq!(of(&format!("# A=x\n\n{line}\n")).value("A"), Ok(Some(value)), "{line:?}");
        }
        assert_eq!(of("AB=1\n").value("A"), Ok(None));
    }

    #[test]
    fn only_the_value_that_is_set_changes() {
        let text = "# keys\r\nexport A='one'  # first\r\nB=2\r\n\r\n";
        assert_eq!(of(text).with("A", "two").unwrap().text(), "# keys\r\nexport A=two  # first\r\nB=2\r\n\r\n");
        assert_eq!(of(text).with("C", "3").unwrap().text(), format!("{text}C=3\r\n"));
        assert_eq!(of("A=1").with("B", "2").unwrap().text(), "A=1\nB=2\n");
        assert_eq!(of("").with("B", "'2 3'").unwrap().text(), "B='2 3'\n");
        assert_eq!(of("A=\n").with("A", "x").unwrap().text(), "A=x\n");
    }

    #[test]
    fn what_is_no_variable_is_named_by_its_line_and_not_repeated() {
        for (text, line) in [("A=1\nsk-secret\n", 2), ("1A=1", 1), ("A B=1", 1), ("=1", 1)] {
            assert_eq!(EnvFile::parse(text.to_owned()).unwrap_err(), EnvFileError::Line { line }, "{text}");
        }
        for text in ["A='b", "A=\"b\" c", "A='"] {
            let error = EnvFile::parse(text.to_owned()).unwrap_err();
            assert_eq!(error, EnvFileError::Quotes { name: "A".to_owned(), line: 1 }, "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_there_twice_has_no_value() {
        let file = of("A=1\nB=2\nA=1\n");
        let twice = EnvFileError::Twice { name: "A".to_owned(), first: 1, second: 3 };
        assert_eq!(file.value("A"), Err(twice.clone()));
        assert_eq!(file.with("A", "2").unwrap_err(), twice);
        assert_eq!(file.value("B"), Ok(Some("2")));
    }
}
