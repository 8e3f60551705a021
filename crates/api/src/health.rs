//! `GET /healthz` and `GET /readyz`.

use crate::EngineName;

wire! {
    /// The process answers.
    pub struct Health {
        /// Always `ok`.
        pub status: String,
        /// The server's version.
        pub version: String,
    }

    /// Whether a summary can be had now.
    pub struct Readiness {
        /// True with status 200, false with 503.
        pub ready: bool,
        /// Every engine of this server.
        pub engines: Vec<EngineStatus>,
    }

    /// One engine.
    pub struct EngineStatus {
        /// Which.
        pub engine: EngineName,
        /// Its model and version.
        pub model: String,
        /// Whether it can serve now.
        pub ready: bool,
        /// Whether it looks at pictures.
        pub sees_images: bool,
    }
}
