//! Listening, and stopping without dropping anybody.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};

use super::routes::{method_not_allowed, not_found};
use super::{State, app, door};
use crate::config;

/// Where the server listens.
#[derive(Debug)]
pub struct Addresses {
    api: TcpListener,
    metrics: Option<TcpListener>,
}

impl Addresses {
    /// Takes the configured addresses; port 0 takes a free one.
    ///
    /// # Errors
    /// When an address cannot be taken; the text names it.
    pub fn bind(config: &config::Server) -> io::Result<Self> {
        let api = listen(config.bind)?;
        let metrics = config.metrics_bind.map(listen).transpose()?;
        Ok(Self { api, metrics })
    }

    /// The API's address.
    ///
    /// # Errors
    /// When the system does not tell it.
    pub fn api(&self) -> io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// The address of `/metrics`.
    ///
    /// # Errors
    /// When the system does not tell it.
    pub fn metrics(&self) -> io::Result<Option<SocketAddr>> {
        self.metrics
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// Serves until `stop` is asked for, then lets the running requests end.
///
/// # Errors
/// When the listeners fail.
pub async fn serve(
    config: &config::Server,
    addresses: Addresses,
    state: State,
    stop: Stop,
) -> io::Result<()> {
    let state = web::Data::new(state);
    let api = api_server(config, addresses.api, state.clone())?;
    let metrics = addresses
        .metrics
        .map(|listener| metrics_server(listener, state.clone()))
        .transpose()?;
    let handles: Vec<ServerHandle> = [Some(&api), metrics.as_ref()]
        .into_iter()
        .flatten()
        .map(Server::handle)
        .collect();
    let running = tokio::spawn(async move {
        match metrics {
            Some(metrics) => tokio::try_join!(api, metrics).map(|_| ()),
            None => api.await,
        }
    });
    stop.asked().await?;
    tracing::info!("stopping: no new work, waiting for the running requests");
    state.drain.begin();
    let left = state.drain.empty(config.drain()).await;
    if left > 0 {
        tracing::warn!(
            left,
            "requests were cut off at the end of server.drain_seconds"
        );
    }
    for handle in handles {
        handle.stop(left == 0).await;
    }
    running.await.map_err(io::Error::other)?
}

fn api_server(
    config: &config::Server,
    listener: TcpListener,
    state: web::Data<State>,
) -> io::Result<Server> {
    let workers = match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let server = HttpServer::new(move || app(state.clone()))
        .workers(workers)
        .max_connections(config.max_connections.div_ceil(workers))
        // A client that closes its side has left: its work must end now, not when its answer is written.
        .h1_allow_half_closed(false)
        .client_request_timeout(config.request_timeout())
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}

/// `/metrics` on its own address, so that it is not public by accident.
fn metrics_server(listener: TcpListener, state: web::Data<State>) -> io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(state.clone())
            .service(
                web::resource("/metrics")
                    .route(web::get().to(metrics))
                    .default_service(web::to(|| method_not_allowed("GET"))),
            )
            .default_service(web::to(not_found))
            .wrap(from_fn(door::contain_panics))
            .wrap(from_fn(door::pass))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}

async fn metrics(state: web::Data<State>) -> HttpResponse {
    state.service.measure();
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(state.metrics.render())
}

/// SIGTERM and SIGINT, which end the serving.
#[derive(Debug)]
pub struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    /// Takes the signals from here on. To be called before anybody is told that the server is there: a signal that
    /// nobody has taken kills the process.
    ///
    /// # Errors
    /// When the system does not give them.
    pub fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn asked(mut self) -> io::Result<()> {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        Ok(())
    }

    #[cfg(not(unix))]
    async fn asked(self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
