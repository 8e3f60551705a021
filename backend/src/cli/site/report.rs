//! Findings as a table, as JSON, as SARIF 2.1.0 for code hosts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::rules::{Finding, Level, Rule};
use super::tree::{Tree, slashed};

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
    Sarif,
}

/// All that a check says.
pub(super) struct Report<'a> {
    pub(super) tree: &'a Tree,
    pub(super) pages: usize,
    pub(super) images: usize,
    pub(super) findings: Vec<Finding>,
}

impl Report<'_> {
    pub(super) fn print(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            Format::Json => pretty(&self.json()),
            Format::Sarif => pretty(&self.sarif()),
        }
    }

    fn count(&self, level: Level) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    }

    fn table(&self) -> String {
        let rows: Vec<[String; 4]> = self
            .findings
            .iter()
            .map(|finding| {
                let (rule, ..) = finding.rule.facts();
                let place = format!("{}:{}", finding.page, finding.line);
                [
                    place,
                    level(finding.level).to_owned(),
                    rule.to_owned(),
                    short(&finding.detail),
                ]
            })
            .collect();
        let width = |column: usize| {
            let widths = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| columns(cell));
            widths.max().unwrap_or_default()
        };
        let (place, level, rule) = (width(0), width(1), width(2));
        let mut out = String::new();
        for [a, b, c, d] in &rows {
            let (a, b, c) = (padded(a, place), padded(b, level), padded(c, rule));
            let _ = writeln!(out, "{a}  {b}  {c}  {d}");
        }
        let _ = writeln!(out, "{}", self.line());
        out
    }

    fn line(&self) -> String {
        format!(
            "{} site, {} pages, {} pictures: {} errors, {} warnings, {} notes",
            self.tree.generator.name(),
            self.pages,
            self.images,
            self.count(Level::Error),
            self.count(Level::Warning),
            self.count(Level::Note)
        )
    }

    fn json(&self) -> Value {
        json!({
            "generator": self.tree.generator.name().to_lowercase(),
            "pages": self.pages,
            "images": self.images,
            "errors": self.count(Level::Error),
            "warnings": self.count(Level::Warning),
            "notes": self.count(Level::Note),
            "findings": self.findings,
        })
    }

    /// The findings with addresses from the repository's root, from which code hosts read them.
    fn sarif(&self) -> Value {
        let above = self.tree.repository().and_then(|repository| {
            let inside = self.tree.root.strip_prefix(repository).ok()?;
            (inside.iter().count() > 0).then(|| slashed(inside) + "/")
        });
        let above = above.unwrap_or_default();
        let rules: Vec<Value> = Rule::ALL
            .iter()
            .map(|rule| {
                let (id, own, meaning) = rule.facts();
                json!({
                    "id": id,
                    "shortDescription": {"text": meaning},
                    "defaultConfiguration": {"level": level(own)},
                })
            })
            .collect();
        let results: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                let (id, _, meaning) = finding.rule.facts();
                let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
                json!({
                    "ruleId": id,
                    "ruleIndex": index,
                    "level": level(finding.level),
                    "message": {"text": format!("{meaning} ({})", finding.detail)},
                    "locations": [{"physicalLocation": {
                        "artifactLocation": {
                            "uri": address(&format!("{above}{}", finding.page)),
                            "uriBaseId": "%SRCROOT%",
                        },
                        "region": {"startLine": finding.line},
                    }}],
                })
            })
            .collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "smart-summary site",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                }},
                "results": results,
            }],
        })
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// Columns that a terminal gives a text: two for a full-width character.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "twice a width is a small whole number"
)]
fn columns(text: &str) -> usize {
    (extractive::width(text) * 2.0) as usize
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// One line of a table.
fn short(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(90) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// A relative reference (RFC 3986): what is no unreserved character is percent-encoded.
fn address(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tree::Generator;
    use super::*;

    #[test]
    fn columns_of_chinese_names_are_even() {
        let finding = |page: &str| Finding::new(Rule::AltMissing, page, 7, "x.png".to_owned());
        let tree = Tree::one(&[std::env::temp_dir()], Some(Generator::Markdown)).unwrap();
        let report = Report {
            tree: &tree,
            pages: 2,
            images: 2,
            findings: vec![finding("posts/bread.md"), finding("文章/面包.md")],
        };
        let table = report.print(Format::Table);
        let starts: Vec<usize> = table
            .lines()
            .filter_map(|line| Some(columns(&line[..line.find("error")?])))
            .collect();
        assert_eq!(starts[..2], [18, 18], "{table}");
    }

    #[test]
    fn an_address_is_ascii() {
        assert_eq!(address("content/a b/中.md"), "content/a%20b/%E4%B8%AD.md");
    }
}
