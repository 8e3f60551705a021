//! The bounds and wishes of a caller.

/// What [`crate::prepare`] accepts and what it makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The longest edge of the result, in pixels. A larger picture is made smaller, a smaller one is left.
    pub longest_edge: u32,
    /// The most pixels (width times height) that a header may declare.
    pub max_pixels: u64,
    /// The most bytes that a file may have.
    pub max_bytes: usize,
    /// JPEG quality of the result, 1 to 100.
    pub quality: u8,
    /// Whether transparency is kept (the result is then a PNG) or laid onto white.
    pub keep_alpha: bool,
}

impl Default for Options {
    /// The contract's numbers for a browser: a server also bounds the bytes to what it accepts.
    fn default() -> Self {
        Self {
            longest_edge: 1024,
            max_pixels: 40_000_000,
            max_bytes: 64 << 20,
            quality: 85,
            keep_alpha: false,
        }
    }
}
