//! `smart-summary serve`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::{ModelArgs, WrongUse, local, say};
use crate::auth::Auth;
use crate::batches::{Batches, Rooms};
use crate::config::{Config, Flags};
use crate::engines::Registry;
use crate::http::demo::Demo;
use crate::http::{self, Addresses, Drain, State, Stop};
use crate::intake::Reader;
use crate::limits::Limits;
use crate::redis::Redis;
use crate::service::{self, Idempotency, Salt, Service, SharedAnswers};
use crate::store;
use crate::telemetry::{Metrics, Refusals, SystemClock, set_up_log};

/// Where to listen, and who writes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  smart-summary serve\n  smart-summary serve --bind 127.0.0.1:0 --engine extractive\n  \
                        smart-summary serve --engine glm4v --model /models/GLM-4.6V-Flash --quantize q8_0\n  \
                        smart-summary serve --engine upstream --upstream http://10.0.0.5:8000/v1\n  \
                        smart-summary serve --demo web-demo/dist"
)]
pub(super) struct ServeArgs {
    /// Address and port of the API; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    bind: Option<SocketAddr>,
    /// Address and port of /metrics, or `off`
    #[arg(long, value_name = "ADDR")]
    metrics_bind: Option<String>,
    /// The engine that `auto` means
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,
    #[command(flatten)]
    model: ModelArgs,
    /// Serve this folder at `/` and give its pages tokens; on this machine only
    #[arg(long, value_name = "DIR")]
    demo: Option<PathBuf>,
    /// What the scripted engine answers: a JSON file
    #[cfg(feature = "testing")]
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

impl ServeArgs {
    /// Lays the flags over the configuration.
    pub(super) fn add_to(&self, flags: &mut Flags) {
        flags.set("server.bind", "--bind", self.bind);
        flags.set(
            "server.metrics_bind",
            "--metrics-bind",
            self.metrics_bind.as_ref(),
        );
        flags.set(
            "engine.default",
            "--engine",
            self.engine.as_ref().filter(|_| !self.is_scripted()),
        );
        self.model.add_to(flags);
    }

    fn is_scripted(&self) -> bool {
        cfg!(feature = "testing") && self.engine.as_deref() == Some("scripted")
    }

    fn engines(&self, config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Registry> {
        #[cfg(feature = "testing")]
        if self.is_scripted() {
            return scripted(self.script.as_deref(), config);
        }
        local::engines(
            config,
            metrics,
            local::Model::Soon,
            &tokio::runtime::Handle::current(),
        )
    }
}

#[cfg(feature = "testing")]
fn scripted(script: Option<&std::path::Path>, config: &Config) -> anyhow::Result<Registry> {
    use crate::engines::{ChatModel, Script, Scripted, ScriptedChat};
    let script: Script = match script {
        Some(file) => {
            let text =
                std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            serde_json::from_slice(&text)
                .with_context(|| format!("{} is no script", file.display()))?
        }
        None => Script::default(),
    };
    let extractive = local::extractive(config);
    let chat: Arc<dyn ChatModel> = Arc::new(ScriptedChat::new(script.chats.clone()));
    let registry = Registry::new(vec![Arc::new(Scripted::new(script)), Arc::new(extractive)]);
    Ok(registry.with_models(vec![chat]))
}

/// Serves until it is asked to stop.
pub(super) fn run(args: &ServeArgs, config: &Config) -> anyhow::Result<ExitCode> {
    if args.demo.is_some() && !config.server.bind.ip().is_loopback() {
        let line = format!(
            "--demo serves this machine only; {} is not a loopback address",
            config.server.bind
        );
        return Err(WrongUse(line).into());
    }
    if let Some(directory) = args
        .demo
        .as_ref()
        .filter(|directory| !directory.join("index.html").is_file())
    {
        return Err(WrongUse(format!(
            "--demo: there is no index.html in {}",
            directory.display()
        ))
        .into());
    }
    set_up_log(&config.log);
    std::panic::set_hook(Box::new(log_panic));
    local::runtime()
        .context("the runtime did not start")?
        .block_on(serve(args, config))
}

/// A panic's place, not its words: they may quote the text that a slice of it panicked on.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    tracing::error!(place, "a panic; this is a bug");
}

async fn serve(args: &ServeArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(Metrics::default());
    let engines = args.engines(config, &metrics)?;
    let clock = Arc::new(SystemClock::default());
    let (auth, first_key) = Auth::open(config, clock.clone(), metrics.clone())?;
    let store = store::open(config)?;
    let redis = Redis::open(config, metrics.clone()).map_err(WrongUse)?;
    let limits = Arc::new(Limits::open(
        config,
        store.clone(),
        redis.clone(),
        clock.clone(),
        metrics.clone(),
    )?);
    let addresses = Addresses::bind(&config.server)?;
    let address = addresses.api()?;
    let demo = match &args.demo {
        Some(directory) => Some(Demo::open(&auth, directory.clone(), address)?),
        None => None,
    };
    let service = Service::new(
        config,
        engines,
        metrics.clone(),
        tokio::runtime::Handle::current(),
    )?;
    let service = service.moderated_by(local::moderation(config, &metrics)?);
    let salt = Salt::from(auth.answers_salt());
    let (service, idempotency) = match redis {
        Some(redis) => {
            let answers = SharedAnswers::new(config, redis.clone(), salt);
            let idempotency = Idempotency::default().sharing(redis, salt);
            (service.sharing(salt, answers), idempotency)
        }
        None => (service, Idempotency::default()),
    };
    let stop = Stop::listen()?;
    announce(config, &addresses, &service)?;
    if let Some(first) = first_key {
        say(&format!(
            "First start. The admin key, shown only now: {}",
            first.expose()
        ));
    }
    let auth = Arc::new(auth);
    let reader = Reader::new(&config.intake, service::threads(config));
    let refusals = Refusals::new(clock.clone());
    let rooms = Rooms {
        store,
        auth: auth.clone(),
        limits: limits.clone(),
        reader: reader.clone(),
        service: service.clone(),
        clock,
        metrics: metrics.clone(),
    };
    let batches = Batches::new(rooms, config);
    batches.start(&tokio::runtime::Handle::current());
    let drain = Drain::default();
    let state = State {
        auth: auth.clone(),
        limits: limits.clone(),
        reader,
        service,
        batches: batches.clone(),
        idempotency,
        metrics,
        refusals,
        drain: drain.clone(),
        request_timeout: config.server.request_timeout(),
        started: http::now(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        admin_page: config.admin.page,
        demo,
    };
    // Batches and requests drain side by side, in the same time.
    let draining = tokio::spawn({
        let (batches, patience) = (batches.clone(), config.server.drain());
        async move {
            drain.begun().await;
            batches.stop(patience).await;
        }
    });
    http::serve(&config.server, addresses, state, stop).await?;
    draining.await.context("batches did not stop")?;
    // Whoever still holds the state may outlive this process's patience.
    auth.flush();
    limits.flush();
    Ok(ExitCode::SUCCESS)
}

/// The addresses for programs on standard output, one line for people on standard error.
fn announce(config: &Config, addresses: &Addresses, service: &Service) -> anyhow::Result<()> {
    let address = addresses.api()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening http://{address}")?;
    if let Some(metrics) = addresses.metrics()? {
        writeln!(out, "metrics http://{metrics}/metrics")?;
    }
    out.flush()?;
    let engines: Vec<String> = service
        .engines()
        .iter()
        .map(|engine| format!("{} ({})", engine.name().as_str(), engine.model()))
        .collect();
    say(&format!(
        "smart-summary {} listens on http://{address}, engine {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        engines.join(", "),
        config.data_dir.display()
    ));
    Ok(())
}
