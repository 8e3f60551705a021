//! The configuration: file, environment and flags into one typed tree, checked whole before anything starts.
//!
//! A later source wins: built-in value, then the file, then the environment, then flags.
//! Every setting is declared once, in the `settings!` table below; its type, default, bounds, documentation, environment
//! variable and place in `--print-config` all come from there.
//! This is the only room that reads the environment.

mod settings;
mod source;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::EnginePreference;

pub use settings::{
    Admin, Anonymous, Auth, Batches, Cache, ENVIRONMENT_PREFIX, Engine, Glm4v, Intake, Log,
    Moderation, Queue, Server, Setting, Store, Tier, Top, Upstream,
};
pub use value::{
    ForeignSecret, HttpAddress, JsonObject, LogFormat, LogLevel, Secret, SecretAddress,
};

use settings::Section;
use source::Source;

/// The effective configuration. Every value in it has passed its check.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where keys, the signing key and the ledger lie.
    pub data_dir: PathBuf,
    /// Whether the embedded engine answers when the asked one is overloaded.
    pub degrade: bool,
    /// Where and how the server listens.
    pub server: Server,
    /// Keys and tokens.
    pub auth: Auth,
    /// Quotas by the name that a key carries; always has `default` and `high`.
    pub tiers: BTreeMap<String, Tier>,
    /// What one request may hold.
    pub intake: Intake,
    /// Answers that are kept.
    pub cache: Cache,
    /// Requests that wait.
    pub queue: Queue,
    /// Many requests at once.
    pub batches: Batches,
    /// What several servers share.
    pub store: Store,
    /// Who writes.
    pub engine: Engine,
    /// The model in this process.
    pub glm4v: Glm4v,
    /// The model on other machines.
    pub upstream: Upstream,
    /// What may not be asked about or told.
    pub moderation: Moderation,
    /// The operator's page.
    pub admin: Admin,
    /// Callers without credentials, and with wrong ones.
    pub anonymous: Anonymous,
    /// What is written to standard error.
    pub log: Log,
}

/// What the command line adds; it wins over file and environment.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`: this file must exist. Without it `<data-dir>/smart-summary.toml` is read when it is there.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// Any other setting: its key, for instance `server.bind`, the flag's name, for instance `--bind`, and the text.
    pub settings: Vec<(&'static str, &'static str, String)>,
}

impl Flags {
    /// Adds a setting when the flag was given.
    pub fn set(&mut self, key: &'static str, flag: &'static str, text: Option<impl ToString>) {
        self.settings
            .extend(text.map(|text| (key, flag, text.to_string())));
    }
}

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the configuration is not valid:\n  {}", .lines.join("\n  "))]
pub struct Error {
    /// Each names the key, the wrong value and a right one.
    pub lines: Vec<String>,
}

/// The variables of a process, as far as the configuration is concerned. Tests make their own.
pub type Environment = BTreeMap<String, String>;

impl Config {
    /// Reads the process's environment and the file, and checks everything.
    ///
    /// # Errors
    /// [`Error`] with every fault that was found.
    pub fn load(flags: &Flags) -> Result<Self, Error> {
        Self::load_from(flags, &process_environment())
    }

    /// [`Config::load`] with the environment passed in.
    ///
    /// # Errors
    /// [`Error`] with every fault that was found.
    pub fn load_from(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        let mut source = Source::default();
        source.built_in(
            "data_dir",
            &default_data_dir(environment).display().to_string(),
        );
        for (key, text) in settings::HIGH_TIER {
            source.built_in(&format!("tiers.high.{key}"), text);
        }
        match &flags.config {
            Some(file) => source.file(file),
            None => {
                let file = early_data_dir(flags, environment).join("smart-summary.toml");
                if file.exists() {
                    source.file(&file);
                }
            }
        }
        source.environment(environment);
        source.refuse_near_variables(environment, &Self::table());
        if let Some(directory) = &flags.data_dir {
            source.flag("data_dir", "--data-dir", &directory.display().to_string());
        }
        for (key, flag, text) in &flags.settings {
            source.flag(key, flag, text);
        }
        Self::read(source)
    }

    fn read(mut source: Source) -> Result<Self, Error> {
        let top = Top::read(&mut source, "");
        let config = Self {
            data_dir: top.data_dir,
            degrade: top.degrade,
            server: Server::read(&mut source, "server"),
            auth: Auth::read(&mut source, "auth"),
            tiers: read_tiers(&mut source),
            intake: Intake::read(&mut source, "intake"),
            cache: Cache::read(&mut source, "cache"),
            queue: Queue::read(&mut source, "queue"),
            batches: Batches::read(&mut source, "batches"),
            store: Store::read(&mut source, "store"),
            engine: Engine::read(&mut source, "engine"),
            glm4v: Glm4v::read(&mut source, "glm4v"),
            upstream: Upstream::read(&mut source, "upstream"),
            moderation: Moderation::read(&mut source, "moderation"),
            admin: Admin::read(&mut source, "admin"),
            anonymous: Anonymous::read(&mut source, "anonymous"),
            log: Log::read(&mut source, "log"),
        };
        source.refuse_unknown(&Self::table());
        config.check_together(&mut source);
        let lines = source.into_errors();
        if lines.is_empty() {
            Ok(config)
        } else {
            Err(Error { lines })
        }
    }

    /// Rules that no single setting can check.
    fn check_together(&self, source: &mut Source) {
        if self
            .server
            .metrics_bind
            .is_some_and(|metrics| metrics == self.server.bind && metrics.port() != 0)
        {
            source.fault(format!(
                "server.metrics_bind: {} is where the server itself listens; for instance \"127.0.0.1:9464\", or \"off\"",
                self.server.bind
            ));
        }
        if self.auth.pepper.is_some() && self.auth.pepper_file.is_some() {
            source.fault("auth.pepper: auth.pepper_file is set too; keep one of them".to_owned());
        }
        if self.cache.shared && self.store.redis.is_none() {
            source.fault(
                "cache.shared: store.redis names no server; for instance \"redis://127.0.0.1:6379\""
                    .to_owned(),
            );
        }
        for (key, scheme, address) in [
            ("postgres", "postgres", &self.store.postgres),
            ("redis", "redis", &self.store.redis),
        ] {
            if address
                .as_ref()
                .is_some_and(|address| !address.expose().starts_with(scheme))
            {
                source.fault(format!("store.{key}: the address begins with {scheme}://"));
            }
        }
        if self.engine.default == EnginePreference::Glm4v && self.glm4v.model.is_none() {
            source.fault(
                "glm4v.model: engine.default is \"glm4v\" and names no model; for instance --model /models/GLM-4.6V-Flash"
                    .to_owned(),
            );
        }
        if self.engine.default == EnginePreference::Upstream && self.upstream.servers.is_empty() {
            source.fault(
                "upstream.servers: engine.default is \"upstream\" and names no server; for instance --upstream http://10.0.0.5:8000/v1"
                    .to_owned(),
            );
        }
        let keys = [
            (
                "upstream",
                &self.upstream.api_key,
                &self.upstream.api_key_file,
            ),
            (
                "moderation",
                &self.moderation.api_key,
                &self.moderation.api_key_file,
            ),
        ];
        for (section, key, file) in keys {
            if key.is_some() && file.is_some() {
                source.fault(format!(
                    "{section}.api_key: {section}.api_key_file is set too; keep one of them"
                ));
            }
        }
        if self.intake.max_image_bytes > self.intake.max_body_bytes {
            source.fault(format!(
                "intake.max_image_bytes: {} is more than intake.max_body_bytes = {}; for instance {}",
                self.intake.max_image_bytes,
                self.intake.max_body_bytes,
                self.intake.max_body_bytes / 2
            ));
        }
    }

    /// The effective configuration as a TOML file with comments. Secrets are not shown.
    pub fn print(&self) -> String {
        let mut text = String::from("# Smart Summary: the effective configuration.\n\n");
        let top = Top {
            data_dir: self.data_dir.clone(),
            degrade: self.degrade,
        };
        write_section(&mut text, None, &top);
        write_section(&mut text, Some("server"), &self.server);
        write_section(&mut text, Some("auth"), &self.auth);
        for (name, tier) in &self.tiers {
            write_section(&mut text, Some(&format!("tiers.{name}")), tier);
        }
        write_section(&mut text, Some("intake"), &self.intake);
        write_section(&mut text, Some("cache"), &self.cache);
        write_section(&mut text, Some("queue"), &self.queue);
        write_section(&mut text, Some("batches"), &self.batches);
        write_section(&mut text, Some("store"), &self.store);
        write_section(&mut text, Some("engine"), &self.engine);
        write_section(&mut text, Some("glm4v"), &self.glm4v);
        write_section(&mut text, Some("upstream"), &self.upstream);
        write_section(&mut text, Some("moderation"), &self.moderation);
        write_section(&mut text, Some("admin"), &self.admin);
        write_section(&mut text, Some("anonymous"), &self.anonymous);
        write_section(&mut text, Some("log"), &self.log);
        text
    }

    /// Every setting there is, in the order of [`Config::print`]; the documentation's table is made from it.
    pub fn table() -> Vec<Row> {
        let sections: [(&str, &[Setting]); 16] = [
            ("", Top::SETTINGS),
            ("server", Server::SETTINGS),
            ("auth", Auth::SETTINGS),
            ("tiers.<name>", Tier::SETTINGS),
            ("intake", Intake::SETTINGS),
            ("cache", Cache::SETTINGS),
            ("queue", Queue::SETTINGS),
            ("batches", Batches::SETTINGS),
            ("store", Store::SETTINGS),
            ("engine", Engine::SETTINGS),
            ("glm4v", Glm4v::SETTINGS),
            ("upstream", Upstream::SETTINGS),
            ("moderation", Moderation::SETTINGS),
            ("admin", Admin::SETTINGS),
            ("anonymous", Anonymous::SETTINGS),
            ("log", Log::SETTINGS),
        ];
        sections
            .into_iter()
            .flat_map(|(section, settings)| {
                settings
                    .iter()
                    .map(move |setting| Row::new(section, setting))
            })
            .collect()
    }

    /// The quota of a key: the tier it names, or `default` when this server no longer has that one.
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.get(name).or_else(|| self.tiers.get("default"))
    }

    /// A configuration of built-in values that lies in `data_dir` and listens on free ports; for tests.
    ///
    /// # Errors
    /// Never, unless a built-in value is wrong.
    pub fn for_tests(data_dir: &Path) -> Result<Self, Error> {
        let mut flags = Flags {
            data_dir: Some(data_dir.to_owned()),
            ..Flags::default()
        };
        flags.set("server.bind", "--bind", Some("127.0.0.1:0"));
        flags.set("server.metrics_bind", "--metrics-bind", Some("127.0.0.1:0"));
        Self::load_from(&flags, &Environment::new())
    }
}

impl Server {
    /// How long a body may take to arrive.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    /// How long running requests may take to end once the server stops.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// One setting, as the documentation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// For instance `server.bind`.
    pub key: String,
    /// What kind of value, with its bounds.
    pub kind: String,
    /// As one would write it in the file.
    pub default: String,
    /// For instance `SMART_SUMMARY__SERVER__BIND`.
    pub environment: String,
    /// What it does.
    pub meaning: &'static str,
}

impl Row {
    fn new(section: &str, setting: &Setting) -> Self {
        let key = if section.is_empty() {
            setting.name.to_owned()
        } else {
            format!("{section}.{}", setting.name)
        };
        let kind = match setting.bounds {
            Some((low, high)) => format!("{}, {low} to {high}", setting.kind),
            None => setting.kind.to_owned(),
        };
        Self {
            kind,
            default: setting.default.to_owned(),
            environment: format!(
                "{ENVIRONMENT_PREFIX}{}",
                key.to_uppercase().replace('.', "__")
            ),
            meaning: setting.meaning,
            key,
        }
    }
}

/// Every tier that a source names; what a tier leaves out it takes from `default`.
fn read_tiers(source: &mut Source) -> BTreeMap<String, Tier> {
    let names = source.names_under("tiers");
    for name in &names {
        for setting in Tier::SETTINGS {
            source.inherit(
                &format!("tiers.{name}.{}", setting.name),
                &format!("tiers.default.{}", setting.name),
            );
        }
    }
    let default = ("default".to_owned(), Tier::read(source, "tiers.default"));
    let others = names.into_iter().filter(|name| name != "default");
    let others: Vec<_> = others
        .map(|name| (name.clone(), Tier::read(source, &format!("tiers.{name}"))))
        .collect();
    std::iter::once(default).chain(others).collect()
}

fn write_section<S: Section>(text: &mut String, name: Option<&str>, section: &S) {
    use std::fmt::Write as _;
    if let Some(name) = name {
        let _ = writeln!(text, "[{name}]");
    }
    for (setting, value) in S::SETTINGS.iter().zip(section.written()) {
        let _ = writeln!(text, "# {}", setting.meaning);
        let _ = match value {
            Some(value) => writeln!(text, "{} = {value}", setting.name),
            None => writeln!(text, "# {} is set and not shown.", setting.name),
        };
    }
    text.push('\n');
}

/// Who sits at the command line, as the machine says; whoever may run commands here may say something else.
#[must_use]
pub fn user() -> String {
    let environment = process_environment();
    ["SUDO_USER", "USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|name| environment.get(name))
        .find(|name| !name.is_empty())
        .map_or_else(|| "unknown".to_owned(), Clone::clone)
}

/// Which GPUs this process may see, as CUDA reads it (`CUDA_VISIBLE_DEVICES`); none when nobody says.
#[must_use]
pub fn visible_gpus() -> Option<String> {
    process_environment().remove("CUDA_VISIBLE_DEVICES")
}

fn process_environment() -> Environment {
    // Names that are not text cannot be ours; a value of ours that is not text is shown to the check, not dropped.
    std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        })
        .collect()
}

/// `$XDG_DATA_HOME/smart-summary`, else `~/.local/share/smart-summary`, else a folder of the working directory.
fn default_data_dir(environment: &Environment) -> PathBuf {
    let named = |name: &str| {
        environment
            .get(name)
            .filter(|value| value.starts_with('/'))
            .map(PathBuf::from)
    };
    named("XDG_DATA_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".local/share")))
        .map_or_else(
            || PathBuf::from("smart-summary-data"),
            |base| base.join("smart-summary"),
        )
}

/// The data directory before the file is read, because the file may lie in it.
fn early_data_dir(flags: &Flags, environment: &Environment) -> PathBuf {
    let variable = || {
        environment
            .get(&format!("{ENVIRONMENT_PREFIX}DATA_DIR"))
            .map(PathBuf::from)
    };
    flags
        .data_dir
        .clone()
        .or_else(variable)
        .unwrap_or_else(|| default_data_dir(environment))
}

#[cfg(test)]
mod tests;
