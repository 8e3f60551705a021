//! Why a picture was not accepted.

/// Why a picture was not accepted. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no picture of any kind.
    #[error("this file is not a picture; choose a JPEG, PNG, WebP or GIF file")]
    NotAnImage,
    /// The bytes are something that is recognised and not read.
    #[error(
        "{found} is not read here; save the picture as JPEG, PNG, WebP or GIF and choose it again"
    )]
    Unsupported {
        /// What it is, as a person would call it.
        found: &'static str,
    },
    /// The file or the picture in it is beyond a bound of [`crate::Options`].
    #[error("the picture is too large: {exceeded}; make it smaller and choose it again")]
    TooLarge {
        /// Which bound, with the numbers.
        exceeded: Exceeded,
    },
    /// The file starts like a picture and cannot be read.
    #[error(
        "the picture cannot be read ({detail}); open it in an image editor, save it again and choose the new file"
    )]
    Broken {
        /// What is wrong, in the words of the format.
        detail: String,
    },
}

/// The bound that a picture is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exceeded {
    /// The file is too long.
    Bytes {
        /// Its length.
        bytes: usize,
        /// The most that are read.
        max: usize,
    },
    /// The header declares too many pixels.
    Pixels {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
        /// The most pixels that are decoded.
        max: u64,
    },
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes { bytes, max } => write!(f, "{bytes} bytes, at most {max} are read"),
            Self::Pixels { width, height, max } => {
                let declared = u64::from(*width) * u64::from(*height);
                write!(
                    f,
                    "{width} x {height} is {declared} pixels, at most {max} are read"
                )
            }
        }
    }
}

impl Error {
    pub(crate) fn broken(detail: impl Into<String>) -> Self {
        Self::Broken {
            detail: detail.into(),
        }
    }

    /// Wraps the error of a decoder.
    pub(crate) fn from_decoder(error: impl std::fmt::Debug) -> Self {
        let mut detail = format!("{error:?}");
        // A decoder may quote the file; a person needs the first words only.
        if let Some((end, _)) = detail.char_indices().nth(160) {
            detail.truncate(end);
        }
        Self::Broken { detail }
    }
}
