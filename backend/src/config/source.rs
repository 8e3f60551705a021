//! Where values come from, flattened to `section.key` -> text, and the list of what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::settings::{ENVIRONMENT_PREFIX, Setting};
use super::value::{Form, Value};
use super::{Environment, Row};

/// What [`ENVIRONMENT_PREFIX`] is easily mistaken for.
const NEAR_PREFIX: &str = "SMART_SUMMARY_";

/// Every value that a source gave and nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Source {
    values: BTreeMap<String, Given>,
    faults: Vec<String>,
}

#[derive(Debug, Clone)]
struct Given {
    text: String,
    form: Form,
    /// ` (in FILE)`, ` (from VARIABLE)`, or nothing for a built-in value.
    from: String,
}

impl Source {
    pub(super) fn built_in(&mut self, key: &str, text: &str) {
        self.put(
            key,
            Given {
                text: text.to_owned(),
                form: Form::Any,
                from: String::new(),
            },
        );
    }

    pub(super) fn flag(&mut self, key: &str, flag: &str, text: &str) {
        self.put(
            key,
            Given {
                text: text.to_owned(),
                form: Form::Any,
                from: format!(" (from {flag})"),
            },
        );
    }

    pub(super) fn environment(&mut self, environment: &Environment) {
        for (name, text) in environment {
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            let key = rest.to_lowercase().replace("__", ".");
            self.put(
                &key,
                Given {
                    text: text.clone(),
                    form: Form::Any,
                    from: format!(" (from {name})"),
                },
            );
        }
    }

    /// Notes a fault for every variable that only lacks the second underscore before a setting's name: it would be passed
    /// over in silence. Other programs' variables, such as `SMART_SUMMARY_KEY`, are let be.
    pub(super) fn refuse_near_variables(&mut self, environment: &Environment, known: &[Row]) {
        for name in environment.keys() {
            let Some(rest) = name
                .strip_prefix(NEAR_PREFIX)
                .filter(|rest| !rest.starts_with('_'))
            else {
                continue;
            };
            let meant = known.iter().find(|row| {
                let (_, last) = row.key.rsplit_once('.').unwrap_or(("", &row.key));
                let plain = |text: &str| text.to_lowercase().replace(['.', '_'], "");
                plain(last) == plain(rest) || plain(&row.key) == plain(rest)
            });
            if let Some(row) = meant {
                self.fault(format!("{name}: is not read; write {}", row.environment));
            }
        }
    }

    pub(super) fn file(&mut self, file: &Path) {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                return self.fault(format!("{}: cannot be read: {error}", file.display()));
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.table(&table, "", &format!(" (in {})", file.display())),
            Err(error) => {
                let line = error.span().map_or(0, |span| {
                    text.get(..span.start).unwrap_or("").lines().count().max(1)
                });
                self.fault(format!(
                    "{}: line {line} is not TOML: {}",
                    file.display(),
                    error.message()
                ));
            }
        }
    }

    fn table(&mut self, table: &toml::Table, above: &str, from: &str) {
        for (name, value) in table {
            let key = if above.is_empty() {
                name.clone()
            } else {
                format!("{above}.{name}")
            };
            let (text, form) = match value {
                toml::Value::Table(table) => {
                    self.table(table, &key, from);
                    continue;
                }
                toml::Value::String(text) => (text.clone(), Form::Text),
                toml::Value::Integer(number) => (number.to_string(), Form::Integer),
                toml::Value::Boolean(truth) => (truth.to_string(), Form::Boolean),
                toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                    let items: Vec<_> = items.iter().filter_map(toml::Value::as_str).collect();
                    (items.join(","), Form::List)
                }
                other => {
                    self.fault(format!(
                        "{key}: no setting has a {}{from}",
                        other.type_str()
                    ));
                    continue;
                }
            };
            self.put(
                &key,
                Given {
                    text,
                    form,
                    from: from.to_owned(),
                },
            );
        }
    }

    fn put(&mut self, key: &str, given: Given) {
        self.values.insert(key.to_owned(), given);
    }

    /// Gives `key` the value of `other` unless it has its own.
    pub(super) fn inherit(&mut self, key: &str, other: &str) {
        if let (false, Some(given)) = (
            self.values.contains_key(key),
            self.values.get(other).cloned(),
        ) {
            self.values.insert(key.to_owned(), given);
        }
    }

    /// The `NAME` of every `section.NAME.…` that is there.
    pub(super) fn names_under(&self, section: &str) -> BTreeSet<String> {
        let rest = |key: &str| {
            Some(
                key.strip_prefix(section)?
                    .strip_prefix('.')?
                    .split_once('.')?
                    .0
                    .to_owned(),
            )
        };
        self.values.keys().filter_map(|key| rest(key)).collect()
    }

    /// The value of a setting, or its built-in one; a fault is noted.
    pub(super) fn take<T: Value>(&mut self, section: &str, setting: Option<&Setting>) -> T {
        #[expect(
            clippy::expect_used,
            reason = "the table's macro walks settings and fields together"
        )]
        let setting = setting.expect("one setting for each field");
        let key = if section.is_empty() {
            setting.name.to_owned()
        } else {
            format!("{section}.{}", setting.name)
        };
        if let Some(given) = self.values.remove(&key) {
            match check::<T>(&given, setting) {
                Ok(value) => return value,
                Err(fault) => self.fault(format!("{key}: {fault}{}", given.from)),
            }
        }
        #[expect(clippy::expect_used, reason = "a test reads every built-in value")]
        T::parse(setting.default).expect("a built-in value is right")
    }

    /// Notes a fault for every value that no setting took, with the setting that was perhaps meant.
    pub(super) fn refuse_unknown(&mut self, known: &[Row]) {
        for (key, given) in std::mem::take(&mut self.values) {
            let meant = known
                .iter()
                .map(|row| {
                    row.key
                        .replace("<name>", key.split('.').nth(1).unwrap_or("default"))
                })
                .map(|name| (strsim::jaro_winkler(&name, &key), name))
                .max_by(|one, other| one.0.total_cmp(&other.0))
                .filter(|(likeness, _)| *likeness > 0.8);
            let hint = meant
                .map(|(_, name)| format!("; did you mean {name}?"))
                .unwrap_or_default();
            self.fault(format!(
                "{key}: there is no such setting{hint}{}",
                given.from
            ));
        }
    }

    pub(super) fn fault(&mut self, line: String) {
        self.faults.push(line);
    }

    pub(super) fn into_errors(self) -> Vec<String> {
        self.faults
    }
}

fn check<T: Value>(given: &Given, setting: &Setting) -> Result<T, String> {
    let off = T::OPTIONAL && given.form == Form::Text && matches!(given.text.as_str(), "off" | "");
    let form_fits = given.form == Form::Any || given.form == T::FORM || off;
    let value = T::parse(&given.text).filter(|_| form_fits);
    let shown = if setting.kind.starts_with("secret") {
        "the value".to_owned()
    } else {
        format!("{:?}", given.text)
    };
    let example = example::<T>(setting);
    let value =
        value.ok_or_else(|| format!("{shown} is not {}{example}", with_article(setting.kind)))?;
    match (setting.bounds, value.amount()) {
        (Some((low, high)), Some(amount)) if amount < low || amount > high => {
            Err(format!("{shown} is not in {low} to {high}{example}"))
        }
        _ => Ok(value),
    }
}

/// A kind as a sentence names it: a choice of words stands alone.
fn with_article(kind: &str) -> String {
    match kind {
        _ if kind.contains(" or ") => kind.to_owned(),
        _ if kind.starts_with('a') => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// `; for instance VALUE`, in the file's spelling.
fn example<T: Value>(setting: &Setting) -> String {
    let right = match (setting.default, setting.kind) {
        ("off" | "", "list of networks") => Some("[\"10.0.0.0/8\"]".to_owned()),
        ("off", "secret address") => Some(match setting.name {
            "redis" => "\"redis://127.0.0.1:6379\"".to_owned(),
            _ => "\"postgres://user:password@127.0.0.1/summaries\"".to_owned(),
        }),
        ("off", kind) if kind.starts_with("secret") => {
            Some("the output of `openssl rand -base64 32`".to_owned())
        }
        ("off", "path") => Some("\"/etc/smart-summary/pepper\"".to_owned()),
        ("off", "whole number") => Some("1000000, or \"off\"".to_owned()),
        (default, _) => T::parse(default).and_then(|value| value.write()),
    };
    right
        .map(|right| format!("; for instance {right}"))
        .unwrap_or_default()
}
