//! A handler of actix-web that reads a body and answers the same bytes to all: the floor under `cargo xtask bench gateway`.
//!
//! `bare ADDRESS FILE`: answers with what the file holds.

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bare ADDRESS FILE";
    let address = arguments.next().context(usage)?;
    let answer = std::fs::read(arguments.next().context(usage)?)?;
    let answer = web::Bytes::from(answer);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let app = move || {
        let answer = answer.clone();
        let handler = move |_body: web::Bytes| {
            let answer = answer.clone();
            async move {
                HttpResponse::Ok()
                    .content_type("application/json")
                    .body(answer)
            }
        };
        App::new().route("/v1/summaries", web::post().to(handler))
    };
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(app).workers(workers);
        Ok(server.max_connections(16_384).bind(address)?.run().await?)
    })
}
