//! What a bench found, whatever it measured: a title, the setting, and rows of figures. Every bench ends in one of these,
//! so that all are printed, and read by programs, in the same way.

use std::fmt;

use serde::Serialize;

use crate::samples::Samples;

/// When others use more of the cores than this, they change the figures.
const OTHERS_PERCENT_MAX: f64 = 5.0;

/// What makes figures worth less than they look; `holding` says which of them hold all the same where others worked too.
pub(crate) fn spoilt(others_percent: f64, holding: &str) -> impl Iterator<Item = String> {
    let busy = (others_percent > OTHERS_PERCENT_MAX).then(|| format!("THE MACHINE WAS NOT QUIET. {holding}"));
    let debug = cfg!(debug_assertions)
        .then(|| "NOT A RELEASE BUILD: these figures say nothing. Run with --release.".to_owned());
    busy.into_iter().chain(debug)
}

/// A table of figures.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// What was measured.
    pub(crate) title: String,
    /// How: machine, cores, durations. One line each.
    pub(crate) setting: Vec<String>,
    /// The heads of the columns after the figure's name.
    pub(crate) columns: Vec<String>,
    /// The figures.
    pub(crate) rows: Vec<Row>,
    /// What a reader must know to read them right.
    pub(crate) notes: Vec<String>,
    /// What went wrong. With any, the figures do not count.
    pub(crate) errors: Vec<String>,
}

/// One figure in all columns.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The figure, with its unit.
    pub(crate) figure: String,
    /// How many decimals mean something.
    #[serde(skip)]
    pub(crate) decimals: usize,
    /// One cell a column.
    pub(crate) cells: Vec<Cell>,
}

/// A figure in one column.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cell {
    /// Not measured, or without meaning here.
    Empty,
    /// Measured, in the unit of its row.
    Measured(Samples),
    /// So many times another column.
    Ratio(f64),
}

impl Cell {
    /// How many times `base` a figure is, if both are there.
    pub(crate) fn ratio(figure: &Samples, base: &Samples) -> Self {
        match (figure.median(), base.median()) {
            (Some(figure), Some(base)) if base > 0.0 => Self::Ratio(figure / base),
            _ => Self::Empty,
        }
    }

    fn text(&self, decimals: usize) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Ratio(ratio) => format!("{ratio:.2} ×"),
            Self::Measured(samples) => match (samples.median(), samples.spread()) {
                (None, _) => String::new(),
                (Some(median), None) => number(median, decimals),
                (Some(median), Some(spread)) => format!("{} ± {}", number(median, decimals), number(spread, decimals)),
            },
        }
    }
}

/// As a table in Markdown, with what surrounds it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        for line in &self.setting {
            writeln!(f, "{line}")?;
        }
        writeln!(f)?;
        self.table(f)?;
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        for error in &self.errors {
            writeln!(f, "\nERROR {error}")?;
        }
        Ok(())
    }
}

impl Report {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = std::iter::once(String::new()).chain(self.columns.iter().cloned()).collect();
        let mut lines: Vec<Vec<String>> = vec![head];
        for row in &self.rows {
            let cells = row.cells.iter().map(|cell| cell.text(row.decimals));
            lines.push(std::iter::once(row.figure.clone()).chain(cells).collect());
        }
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        for (index, line) in lines.iter().enumerate() {
            write_line(f, line, &widths)?;
            if index == 0 {
                write_rule(f, &widths)?;
            }
        }
        Ok(())
    }
}

/// The figure to the left, numbers to the right.
fn write_line(f: &mut fmt::Formatter<'_>, cells: &[String], widths: &[usize]) -> fmt::Result {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if column == 0 {
            write!(f, "| {cell:<width$} |")?;
        } else {
            write!(f, " {cell:>width$} |")?;
        }
    }
    writeln!(f)
}

fn write_rule(f: &mut fmt::Formatter<'_>, widths: &[usize]) -> fmt::Result {
    for (column, width) in widths.iter().enumerate() {
        let dashes = "-".repeat(width + 1);
        if column == 0 {
            write!(f, "|{dashes}-|")?;
        } else {
            write!(f, "{dashes}:|")?;
        }
    }
    writeln!(f)
}

/// With commas between thousands.
fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, ""), |(whole, _)| (whole, &digits[whole.len()..]));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::{Cell, Report, Row, number};
    use crate::samples::Samples;

    fn samples(values: &[f64]) -> Samples {
        let mut samples = Samples::default();
        values.iter().for_each(|value| samples.push(*value));
        samples
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (value, decimals, text) in [
            (0.0, 0, "0"),
            (999.4, 0, "999"),
            (41870.0, 0, "41,870"),
            (-1_234_567.25, 1, "-1,234,567.2"),
            (0.125, 2, "0.12"),
        ] {
            assert_eq!(number(value, decimals), text);
        }
    }

    #[test]
    fn a_ratio_needs_both_figures() {
        assert!(matches!(Cell::ratio(&samples(&[3.0]), &samples(&[2.0])), Cell::Ratio(ratio) if ratio == 1.5));
        assert!(matches!(Cell::ratio(&samples(&[3.0]), &samples(&[])), Cell::Empty));
        assert!(matches!(Cell::ratio(&samples(&[3.0]), &samples(&[0.0])), Cell::Empty));
    }

    #[test]
    fn a_report_is_a_markdown_table_with_its_setting_notes_and_errors() {
        let report = Report {
            title: "Title".to_owned(),
            setting: vec!["two cores".to_owned()],
            columns: vec!["a".to_owned(), "b ÷ a".to_owned()],
            rows: vec![
                Row {
                    figure: "requests/s".to_owned(),
                    decimals: 0,
                    cells: vec![Cell::Measured(samples(&[1000.0, 1200.0, 1100.0])), Cell::Ratio(0.5)],
                },
                Row {
                    figure: "CPU".to_owned(),
                    decimals: 1,
                    cells: vec![Cell::Measured(samples(&[24.04])), Cell::Empty],
                },
            ],
            notes: vec!["a note".to_owned()],
            errors: vec!["a failure".to_owned()],
        };
        let expected = "\
Title

two cores

|            |           a |  b ÷ a |
|------------|------------:|-------:|
| requests/s | 1,100 ± 100 | 0.50 × |
| CPU        |        24.0 |        |

a note

ERROR a failure
";
        assert_eq!(report.to_string(), expected);
    }
}
