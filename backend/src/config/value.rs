//! The kinds of value a setting may have.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use api::EnginePreference;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

/// How a value is written in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Integer,
    Boolean,
    Text,
    List,
    /// From the environment or a flag, where everything is text.
    Any,
}

/// A kind of value: one parser for all sources.
pub(super) trait Value: Sized {
    /// Its name in the documentation and in errors, with its article in the latter.
    const KIND: &'static str;
    /// How the file writes it.
    const FORM: Form;
    /// `None` when the text is no such value.
    fn parse(text: &str) -> Option<Self>;
    /// As TOML; `None` for what must not be shown.
    fn write(&self) -> Option<String>;
    /// The number that bounds apply to.
    fn amount(&self) -> Option<u64> {
        None
    }
    /// Whether `"off"` may stand for it.
    const OPTIONAL: bool = false;
}

/// A text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            const KIND: &'static str = "whole number";
            const FORM: Form = Form::Integer;
            fn parse(text: &str) -> Option<Self> {
                text.replace('_', "").parse().ok()
            }
            fn write(&self) -> Option<String> {
                Some(self.to_string())
            }
            fn amount(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }
        }
    )*};
}
integers!(u32, u64, usize);

impl Value for bool {
    const KIND: &'static str = "true or false";
    const FORM: Form = Form::Boolean;
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for String {
    const KIND: &'static str = "text";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        let fits =
            !text.trim().is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned())
    }
    fn write(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "path";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains('\0')).then(|| Path::new(text).to_owned())
    }
    fn write(&self) -> Option<String> {
        Some(quoted(&self.display().to_string()))
    }
}

impl Value for SocketAddr {
    const KIND: &'static str = "address and port";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Value for IpNet {
    const KIND: &'static str = "network";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .or_else(|| text.parse::<std::net::IpAddr>().ok().map(Self::from))
    }
    fn write(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

macro_rules! lists {
    ($($kind:ty = $name:literal),*) => {$(
        impl Value for Vec<$kind> {
            const KIND: &'static str = $name;
            const FORM: Form = Form::List;
            fn parse(text: &str) -> Option<Self> {
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(<$kind>::parse)
                    .collect()
            }
            fn write(&self) -> Option<String> {
                let written: Option<Vec<_>> = self.iter().map(Value::write).collect();
                written.map(|parts| format!("[{}]", parts.join(", ")))
            }
        }
    )*};
}
lists!(
    IpNet = "list of networks",
    PathBuf = "list of paths",
    HttpAddress = "list of http addresses"
);

/// The address of a server that is asked by HTTP, without a name, a password or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAddress(url::Url);

impl HttpAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Its host, and its port if that is not the scheme's own.
    pub fn host_and_port(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

impl Value for HttpAddress {
    const KIND: &'static str = "http address";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        let address = url::Url::parse(text).ok()?;
        let plain = ["http", "https"].contains(&address.scheme())
            && address.username().is_empty()
            && address.password().is_none()
            && address.query().is_none()
            && address.fragment().is_none();
        plain.then_some(Self(address))
    }
    fn write(&self) -> Option<String> {
        Some(quoted(self.as_str()))
    }
}

/// Fields that are laid into a JSON object of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonObject(serde_json::Map<String, serde_json::Value>);

impl JsonObject {
    /// The fields.
    pub fn entries(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.0
    }
}

impl Value for JsonObject {
    const KIND: &'static str = "JSON object";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }
    fn write(&self) -> Option<String> {
        serde_json::to_string(&self.0)
            .ok()
            .map(|text| quoted(&text))
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;
    const FORM: Form = T::FORM;
    const OPTIONAL: bool = true;
    fn parse(text: &str) -> Option<Self> {
        if matches!(text, "off" | "") {
            Some(None)
        } else {
            T::parse(text).map(Some)
        }
    }
    fn write(&self) -> Option<String> {
        self.as_ref()
            .map_or_else(|| Some(quoted("off")), Value::write)
    }
    fn amount(&self) -> Option<u64> {
        self.as_ref().and_then(Value::amount)
    }
}

/// A text that is never shown, and is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, for the one place that computes with it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(not shown)")
    }
}

impl Value for Secret {
    const KIND: &'static str = "secret of at least 32 characters";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        (text.len() >= 32).then(|| Self(SecretString::from(text)))
    }
    fn write(&self) -> Option<String> {
        None
    }
}

/// A secret of somebody else's making, of any length: never shown, and wiped from memory when dropped.
#[derive(Clone)]
pub struct ForeignSecret(SecretString);

impl ForeignSecret {
    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The secret as it stands in the configuration or in a file, when there is one.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn given(inline: &Option<Self>, file: Option<&Path>) -> Result<Option<String>, String> {
        match (inline, file) {
            (Some(secret), _) => Ok(Some(secret.expose().to_owned())),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map(|text| Some(text.trim().to_owned()))
                .map_err(|error| format!("{}: {error}", file.display())),
            (None, None) => Ok(None),
        }
    }
}

impl fmt::Debug for ForeignSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ForeignSecret(not shown)")
    }
}

impl Value for ForeignSecret {
    const KIND: &'static str = "secret";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| Self(SecretString::from(text.trim())))
    }
    fn write(&self) -> Option<String> {
        None
    }
}

/// The address of a database with its password: never shown.
#[derive(Clone)]
pub struct SecretAddress(SecretString);

impl SecretAddress {
    /// The address, for the one place that connects.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretAddress(not shown)")
    }
}

impl Value for SecretAddress {
    const KIND: &'static str = "secret address";
    const FORM: Form = Form::Text;
    fn parse(text: &str) -> Option<Self> {
        let address = url::Url::parse(text).ok()?;
        let known = ["postgres", "postgresql", "redis"].contains(&address.scheme());
        known.then(|| Self(SecretString::from(text)))
    }
    fn write(&self) -> Option<String> {
        None
    }
}

macro_rules! words {
    ($name:ty, $kind:literal, $($variant:path = $word:literal),*) => {
        impl Value for $name {
            const KIND: &'static str = $kind;
            const FORM: Form = Form::Text;
            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some($variant),)*
                    _ => None,
                }
            }
            fn write(&self) -> Option<String> {
                Some(quoted(match self { $($variant => $word),* }))
            }
        }
    };
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Faults of ours.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And one line per request.
    Info,
    /// And what happened on the way.
    Debug,
    /// And everything else; may be very much.
    Trace,
}

impl LogLevel {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
    /// Text on a terminal, JSON elsewhere.
    Auto,
}

words!(
    LogLevel,
    "error, warn, info, debug or trace",
    LogLevel::Error = "error",
    LogLevel::Warn = "warn",
    LogLevel::Info = "info",
    LogLevel::Debug = "debug",
    LogLevel::Trace = "trace"
);
words!(
    LogFormat,
    "json, text or auto",
    LogFormat::Json = "json",
    LogFormat::Text = "text",
    LogFormat::Auto = "auto"
);
words!(
    EnginePreference,
    "auto, glm4v, upstream or extractive",
    EnginePreference::Auto = "auto",
    EnginePreference::Glm4v = "glm4v",
    EnginePreference::Upstream = "upstream",
    EnginePreference::Extractive = "extractive"
);
