//! A service without a server: what `summarize` and `evaluate` run on.

use std::sync::Arc;

use anyhow::Context as _;
use api::{Safety, Summary, SummaryRequest};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::WrongUse;
use crate::config::Config;
use crate::engines::{Author, ChatModel, Engine, Extractive, Glm4v, Registry, Upstream};
use crate::intake::Reader;
use crate::moderation::Moderation;
use crate::refusal::Refusal;
use crate::service::{self, Job, Service};
use crate::telemetry::Metrics;

/// When a model that was loaded is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// Once it has written its first answer, for which the caller waits.
    Now,
    /// Later: the server starts meanwhile and says that it is not ready.
    Soon,
}

/// The engines of this machine, the one for `auto` first.
pub(super) fn engines(
    config: &Config,
    metrics: &Arc<Metrics>,
    when: Model,
    runtime: &Handle,
) -> anyhow::Result<Registry> {
    let threads = service::threads(config);
    let mut engines: Vec<Arc<dyn Engine>> = vec![Arc::new(extractive(config))];
    let mut models: Vec<Arc<dyn ChatModel>> = Vec::new();
    if config.glm4v.model.is_some() {
        let model = Glm4v::start(&config.glm4v, threads, Arc::clone(metrics));
        let model = model.map_err(|unfit| WrongUse(unfit.to_string()))?;
        if when == Model::Now {
            model.wait_until_ready();
        }
        models.push(Arc::new(model));
    }
    if !config.upstream.servers.is_empty() {
        let upstream = Upstream::start(&config.upstream, Arc::clone(metrics), runtime);
        let upstream = upstream.map_err(|fault| WrongUse(fault.to_string()))?;
        if when == Model::Now {
            runtime.block_on(upstream.look());
        }
        models.push(Arc::new(upstream));
    }
    for model in &models {
        engines.push(Arc::new(Author::new(Arc::clone(model))));
    }
    let registry = Registry::new(engines)
        .with_models(models)
        .preferring(config.engine.default);
    if let Err(error) = registry.offers(config.engine.default) {
        return Err(WrongUse(format!("engine.default: {error}")).into());
    }
    Ok(registry)
}

/// The embedded engine as it is configured.
pub(super) fn extractive(config: &Config) -> Extractive {
    Extractive::new(service::threads(config)).reading_with(config.engine.tesseract.as_deref())
}

/// What the operator does not want asked about or told.
pub(super) fn moderation(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Moderation> {
    let moderation = Moderation::open(&config.moderation, Arc::clone(metrics));
    Ok(moderation.map_err(|fault| WrongUse(fault.to_string()))?)
}

/// Intake and service, in this process.
pub(super) struct Local {
    reader: Reader,
    service: Service,
    runtime: tokio::runtime::Runtime,
}

impl Local {
    pub(super) fn start(config: &Config) -> anyhow::Result<Self> {
        let runtime = runtime().context("the runtime did not start")?;
        let metrics: Arc<Metrics> = Arc::default();
        let service = Service::new(
            config,
            engines(config, &metrics, Model::Now, runtime.handle())?,
            Arc::clone(&metrics),
            runtime.handle().clone(),
        )?;
        let service = service.moderated_by(moderation(config, &metrics)?);
        Ok(Self {
            reader: Reader::new(&config.intake, service::threads(config)),
            service,
            runtime,
        })
    }

    /// Summarises one request with its pictures, in the request's order.
    pub(super) fn summarize(
        &self,
        request: &SummaryRequest,
        pictures: &[Bytes],
    ) -> Result<Summary, Refusal> {
        let ids = request.images.iter().map(|image| image.id.clone());
        let parts = self
            .reader
            .named(request.clone(), ids.zip(pictures.iter().cloned()).collect())?;
        self.runtime.block_on(async {
            let intake = self.reader.admit(parts).await?;
            let job = Job {
                tenant: "command line".to_owned(),
                intake,
                safety: Safety::default(),
            };
            Ok(self.service.summarize(job, |_| {}).await?)
        })
    }
}

/// The runtime on which everything but connections runs.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}
