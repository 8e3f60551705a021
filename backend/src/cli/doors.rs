//! Doors to readers that only this room calls, for the fuzz targets in `tests/fuzz`.

pub use super::site::doors::{front, with_front};
