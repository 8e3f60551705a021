//! Doors to readers that only this room calls, for the fuzz targets in `tests/fuzz`.

pub use super::author::{Growing, growing};
pub use super::upstream::doors::{
    OneOf, one_value, upstream_document, upstream_events, without_marks,
};
