//! The one table of settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use api::EnginePreference;
use ipnet::IpNet;

use super::source::Source;
use super::value::{
    ForeignSecret, HttpAddress, JsonObject, LogFormat, LogLevel, Secret, SecretAddress, Value,
};

/// What the name of every environment variable begins with.
pub const ENVIRONMENT_PREFIX: &str = "SMART_SUMMARY__";

/// What is known of a setting before any value is read.
#[derive(Debug)]
pub struct Setting {
    /// The last part of its key.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: &'static str,
    /// The built-in value, as an environment variable would carry it.
    pub default: &'static str,
    /// The least and the greatest number allowed.
    pub bounds: Option<(u64, u64)>,
    /// What it does, in a sentence or two.
    pub meaning: &'static str,
}

/// A group of settings.
pub(super) trait Section: Sized {
    /// Its settings, in the order of its fields.
    const SETTINGS: &'static [Setting];
    /// Takes its settings out of the source; faults are noted there and the built-in value stands in.
    fn read(source: &mut Source, section: &str) -> Self;
    /// The values as TOML, in the order of [`Section::SETTINGS`]; `None` for a secret.
    fn written(&self) -> Vec<Option<String>>;
}

macro_rules! settings {
    ($($(#[doc = $about:literal])* $section:ident {
        $($(#[doc = $meaning:literal])* $name:ident: $kind:ty = $default:literal $([$low:literal ..= $high:literal])?;)*
    })*) => {$(
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        pub struct $section {
            $($(#[doc = $meaning])* pub $name: $kind,)*
        }

        impl Section for $section {
            const SETTINGS: &'static [Setting] = &[$(Setting {
                name: stringify!($name),
                kind: <$kind as Value>::KIND,
                default: $default,
                bounds: settings!(@bounds $($low, $high)?),
                meaning: concat!($($meaning),*).trim_ascii(),
            }),*];

            fn read(source: &mut Source, section: &str) -> Self {
                let mut settings = Self::SETTINGS.iter();
                Self { $($name: source.take(section, settings.next()),)* }
            }

            fn written(&self) -> Vec<Option<String>> {
                vec![$(self.$name.write()),*]
            }
        }
    )*};
    (@bounds) => { None };
    (@bounds $low:literal, $high:literal) => { Some(($low, $high)) };
}

/// The tier `high`, where it differs from [`Tier`]'s own values.
pub(super) const HIGH_TIER: [(&str, &str); 4] = [
    ("requests_per_minute", "6000"),
    ("request_burst", "1000"),
    ("images_per_minute", "12000"),
    ("tokens_per_minute", "20000000"),
];

settings! {
    /// Settings without a section.
    Top {
        /// Where keys, the signing key and the ledger lie. When not set: `$XDG_DATA_HOME/smart-summary` or `~/.local/share/smart-summary`.
        data_dir: PathBuf = "~/.local/share/smart-summary";
        /// Whether the embedded engine answers, with a warning, when the engine that was asked for is overloaded.
        degrade: bool = "false";
    }

    /// Where and how the server listens.
    Server {
        /// Address and port of the API.
        bind: SocketAddr = "127.0.0.1:8080";
        /// Address and port of `/metrics`, or "off".
        metrics_bind: Option<SocketAddr> = "127.0.0.1:9464";
        /// Threads that serve connections; 0: one per core.
        workers: usize = "0" [0..=1024];
        /// Seconds that a whole request may take to arrive.
        request_timeout_seconds: u64 = "30" [1..=3600];
        /// Seconds that running requests have to end once the server is asked to stop.
        drain_seconds: u64 = "30" [0..=3600];
        /// Addresses of reverse proxies; `X-Forwarded-For` is believed only from them.
        trusted_proxies: Vec<IpNet> = "";
        /// Connections that are open at once.
        max_connections: usize = "4096" [1..=1000000];
    }

    /// Keys and tokens.
    Auth {
        /// The `iss` of tokens: this server's name.
        issuer: String = "smart-summary";
        /// The `aud` of tokens. Servers that share keys share it.
        audience: String = "smart-summary";
        /// Seconds by which another clock may differ.
        token_leeway_seconds: u64 = "5" [0..=30];
        /// What keys are hashed with, at least 32 characters. Without it and without `pepper_file` one is made in the data directory.
        pepper: Option<Secret> = "off";
        /// A file that holds the pepper.
        pepper_file: Option<PathBuf> = "off";
        /// A pepper that verifies and hashes nothing: the earlier one, until no key hangs on it, or the next one, until every server has it.
        other_pepper: Option<Secret> = "off";
        /// Files that hold such peppers, one in each.
        other_pepper_files: Vec<PathBuf> = "";
        /// Seconds that a key which was read is kept in memory. Revoking it takes effect within one second all the same.
        cache_seconds: u64 = "300" [1..=86400];
    }

    /// What a key of a tier may use.
    Tier {
        /// Requests a minute.
        requests_per_minute: u32 = "60" [1..=1000000];
        /// Requests at once, before the pace of `requests_per_minute` holds.
        request_burst: u32 = "30" [1..=1000000];
        /// Pictures a minute; also how many at once.
        images_per_minute: u32 = "120" [1..=10000000];
        /// Engine tokens a minute; also how many at once.
        tokens_per_minute: u32 = "200000" [1..=1000000000];
        /// Engine tokens a day (UTC), or "off".
        tokens_per_day: Option<u64> = "off" [1..=1000000000000];
    }

    /// What one request may hold.
    Intake {
        /// Pictures.
        max_images: usize = "8" [1..=64];
        /// Bytes of one picture.
        max_image_bytes: usize = "5242880" [1024..=104857600];
        /// Pixels that one picture may declare.
        max_pixels: u64 = "40000000" [1024..=200000000];
        /// Characters of the article.
        max_content_chars: usize = "200000" [100..=10000000];
        /// Bytes of the whole body.
        max_body_bytes: usize = "56986196" [1024..=1073741824];
    }

    /// Answers that are kept.
    Cache {
        /// Bytes of answers in memory; 0: none.
        max_bytes: u64 = "67108864" [0..=1099511627776];
        /// Seconds that an answer is kept.
        ttl_seconds: u64 = "3600" [1..=2592000];
        /// Whether answers lie in `store.redis` too, for as long again, so that one server knows what another wrote. They are texts about articles.
        shared: bool = "false";
    }

    /// Requests that wait.
    Queue {
        /// Requests that wait at once; more are refused with `overloaded`.
        max_waiting: usize = "256" [1..=100000];
        /// Requests that an engine works on at once, a quarter of them, and one at least, for people alone; 0: as many as it has threads, rows or places at its servers.
        max_running: usize = "0" [0..=10000];
        /// Milliseconds until a person's request is given up.
        interactive_deadline_ms: u64 = "30000" [100..=3600000];
        /// Milliseconds until a job's request is given up.
        batch_deadline_ms: u64 = "600000" [100..=86400000];
    }

    /// Many requests at once.
    Batches {
        /// Items of one batch.
        max_items: usize = "1000" [1..=100000];
        /// Bytes of a batch's body.
        max_bytes: usize = "67108864" [1024..=1073741824];
        /// Items of one key that wait, over all its batches; more are refused with `too_many_batches`.
        max_waiting_items: u64 = "10000" [1..=10000000];
        /// Items that this server works on at once; 0: `queue.max_running`, or as many as there are threads when that is 0 too.
        max_running: usize = "0" [0..=10000];
        /// Hours that a finished batch and its results are kept.
        retention_hours: u64 = "72" [24..=8760];
        /// Networks to which webhooks may go although they are not public, also without TLS.
        webhook_networks: Vec<IpNet> = "";
    }

    /// What several servers share.
    Store {
        /// A PostgreSQL database for keys, use and batches, `postgres://user:password@host/database`; "off": SQLite in the data directory. Servers that share it share `auth.pepper` too.
        postgres: Option<SecretAddress> = "off";
        /// A Redis or Valkey server for quotas and idempotency keys, and for answers with `cache.shared`, `redis://:password@host:6379/0`; "off": each server counts by itself.
        redis: Option<SecretAddress> = "off";
        /// While Redis does not answer: how much of each quota this server gives out by itself, in percent.
        redis_lost_percent: u32 = "50" [1..=100];
    }

    /// Who writes.
    Engine {
        /// The engine that `auto` means.
        default: EnginePreference = "extractive";
        /// Threads of the embedded engine; 0: one per core.
        threads: usize = "0" [0..=1024];
        /// The program by which the embedded engine reads what is written on a picture of which the article tells too little, a name or a path; it is used if it is there and lists the language `eng`, and Chinese is read with `chi_sim`. "off": none.
        tesseract: Option<String> = "tesseract";
    }

    /// The model in this process.
    Glm4v {
        /// A directory with the model, or its name on the hub, `OWNER/NAME` or `OWNER/NAME@REVISION`; "off": there is none.
        model: Option<String> = "off";
        /// `auto`, `f32`, `bf16` or `f16`; `auto` is bf16 on a GPU and f32 on a CPU.
        dtype: String = "auto";
        /// What the decoder's weights are quantised to while loading: `q8_0`, `q6k`, `q5k` or `q4k`; "off": nothing.
        quantize: Option<String> = "off";
        /// Directories of LoRA adapters (PEFT) that become part of the weights.
        adapters: Vec<PathBuf> = "";
        /// Answers that are written at once.
        rows: usize = "8" [1..=256];
        /// Tokens that prompt and answer may have together.
        max_tokens: usize = "16384" [64..=131072];
        /// Tokens of prompts that are read in one step, between the tokens that others write.
        chunk: usize = "512" [1..=65536];
        /// Bytes for keys and values of all answers; 0: what can be used, within half of what is free beside the model.
        kv_bytes: u64 = "0" [0..=1099511627776];
        /// Bytes for beginnings of prompts that come again; 0: none.
        prefix_cache_bytes: usize = "268435456" [0..=1099511627776];
        /// Bytes for pictures that were seen; 0: none.
        image_cache_bytes: usize = "268435456" [0..=1099511627776];
        /// Seconds without a step after which a request is given up; after five in a row the engine is started anew. 0: 20 on a GPU, 300 on a CPU.
        stall_seconds: u64 = "0" [0..=3600];
    }

    /// Other machines with OpenAI's API: the engine `upstream`.
    Upstream {
        /// Their addresses with the version, for instance `http://10.0.0.5:8000/v1`; the one with the least to do is asked. None: there is no such engine.
        servers: Vec<HttpAddress> = "";
        /// The model that they are asked for; "off": the first that they list.
        model: Option<String> = "off";
        /// What they want as `Authorization: Bearer`; "off": nothing.
        api_key: Option<ForeignSecret> = "off";
        /// A file that holds it.
        api_key_file: Option<PathBuf> = "off";
        /// Whether the model looks at pictures.
        sees_images: bool = "true";
        /// Fields to lay into every request, for instance `{"chat_template_kwargs":{"enable_thinking":false}}`.
        extra: Option<JsonObject> = "off";
        /// Answers that one server is asked for at once.
        concurrency: usize = "32" [1..=4096];
        /// Seconds until the first words of an answer, after which another server is tried.
        first_word_seconds: u64 = "60" [1..=3600];
        /// Seconds without a further word, after which an answer is given up.
        stall_seconds: u64 = "30" [1..=3600];
        /// Seconds between two looks at whether a server is well.
        health_seconds: u64 = "5" [1..=3600];
        /// Failures in a row after which a server is asked nothing for a while.
        failures: u32 = "3" [1..=1000];
        /// Seconds of that while; then it gets one request.
        pause_seconds: u64 = "10" [1..=3600];
    }

    /// What may not be asked about or told. Keys pass it unless it is turned off for them.
    Moderation {
        /// A file with words and phrases, one a line, in any case; a text that holds one by itself is refused. "off": none.
        words_file: Option<PathBuf> = "off";
        /// The address of a service with OpenAI's moderation API, for instance `https://models.example/v1/moderations`; "off": none.
        address: Option<HttpAddress> = "off";
        /// The model that it is asked for; "off": its own.
        model: Option<String> = "off";
        /// What it wants as `Authorization: Bearer`; "off": nothing.
        api_key: Option<ForeignSecret> = "off";
        /// A file that holds it.
        api_key_file: Option<PathBuf> = "off";
        /// Seconds that it may take.
        patience_seconds: u64 = "5" [1..=60];
        /// Whether texts are refused while it does not answer; false: they pass.
        required: bool = "true";
    }

    /// The operator's page.
    Admin {
        /// Whether `/admin` is served.
        page: bool = "true";
        /// Seconds after which a session that nobody uses is over.
        session_idle_seconds: u64 = "1800" [1..=86400];
        /// Seconds after which a session is over in any case.
        session_seconds: u64 = "28800" [1..=86400];
    }

    /// Callers without credentials, and with wrong ones.
    Anonymous {
        /// Requests a minute that one address may send to routes without authentication.
        requests_per_minute: u32 = "300" [1..=1000000];
        /// Wrong credentials a minute that one address may send.
        failed_auth_per_minute: u32 = "20" [1..=100000];
        /// Addresses and keys that are counted apart; further ones share one count.
        max_tracked: usize = "100000" [16..=10000000];
    }

    /// What is written to standard error.
    Log {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: LogLevel = "info";
        /// `json`, `text`, or `auto`: text on a terminal.
        format: LogFormat = "auto";
    }
}
