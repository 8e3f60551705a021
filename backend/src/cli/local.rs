//! A service without a server: what `summarize` and `evaluate` run on.

use std::sync::Arc;

use anyhow::Context as _;
use api::{Summary, SummaryRequest};
use bytes::Bytes;

use super::WrongUse;
use crate::config::Config;
use crate::engines::{Engine, Extractive, Registry};
use crate::intake::Reader;
use crate::refusal::Refusal;
use crate::service::{self, Job, Service};

/// The engines of this machine, the one for `auto` first.
pub(super) fn engines(config: &Config) -> anyhow::Result<Registry> {
    let engines: Vec<Arc<dyn Engine>> = vec![Arc::new(Extractive::new(service::threads(config)))];
    let registry = Registry::new(engines);
    if let Err(error) = registry.pick(config.engine.default) {
        return Err(WrongUse(format!("engine.default: {error}")).into());
    }
    Ok(registry)
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
        let service = Service::new(
            config,
            engines(config)?,
            Arc::default(),
            runtime.handle().clone(),
        )?;
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
