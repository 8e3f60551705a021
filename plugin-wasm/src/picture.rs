//! A picture that the browser decodes: its header first, then its pixels as they come, then what is sent.

use crate::error::SmartSummaryError;
use crate::shrink::{Alpha, Layout, Shrink, Shrunk, Small};
use crate::turning;
use imaging::{Channels, Inspected, Pixels, Prepared, Stored};

/// A picture on its way.
#[derive(Debug)]
pub struct Picture {
    file: Vec<u8>,
    inspected: Inspected,
    options: imaging::Options,
    coming: Option<Coming>,
}

/// Pixels that the browser is writing.
#[derive(Debug)]
struct Coming {
    shrink: Shrink,
    /// The browser has made them sRGB.
    converted: bool,
}

impl Picture {
    /// Reads the header within the bounds. No pixel is allocated.
    ///
    /// # Errors
    /// The code that the server would give for this picture.
    pub fn new(file: Vec<u8>, options: imaging::Options) -> Result<Self, SmartSummaryError> {
        let inspected = imaging::admit(&file, &options)?;
        Ok(Self {
            file,
            inspected,
            options,
            coming: None,
        })
    }

    /// What the header says.
    pub fn inspected(&self) -> &Inspected {
        &self.inspected
    }

    /// The places in the file that, set to 1, keep every decoder from turning the picture.
    pub fn orientation_bytes(&self) -> Vec<u32> {
        match self.inspected.header.orientation {
            Some(2..) => turning::places(&self.file, self.inspected.header.format),
            _ => Vec::new(),
        }
    }

    /// The longest edge of the result.
    pub fn longest_edge(&self) -> u32 {
        self.options.longest_edge
    }

    /// Whether pixels that a browser has decoded without converting them can be understood here.
    ///
    /// Inks become red, green and blue in as many ways as there are browsers, and a file that ends too early is told as
    /// such only by our own decoders.
    pub fn is_plain(&self) -> bool {
        let Inspected {
            stored,
            truncated,
            profile,
            ..
        } = &self.inspected;
        *stored != Stored::Cmyk
            && !truncated
            && !self.is_turned_png()
            && !matches!(profile, imaging::Profile::Table(_))
    }

    /// Whether a browser's own conversion of the colours is right.
    pub fn is_convertible(&self) -> bool {
        self.inspected.stored != Stored::Cmyk && !self.inspected.truncated && !self.is_turned_png()
    }

    /// Its EXIF cannot be changed without a new check sum, so it is not known whether a browser has turned it.
    fn is_turned_png(&self) -> bool {
        let header = &self.inspected.header;
        header.format == imaging::Format::Png && header.orientation.unwrap_or(1) != 1
    }

    /// Takes note that `width` x `height` pixels come in `layout`.
    pub fn begin(&mut self, width: u32, height: u32, layout: Layout, converted: bool) {
        let alpha = if self.options.keep_alpha {
            Alpha::Kept
        } else {
            Alpha::OntoWhite
        };
        let header = &self.inspected.header;
        let (upright_width, upright_height) = self.inspected.target_size(self.options.longest_edge);
        let to = if header.orientation.unwrap_or(1) >= 5 {
            (upright_height, upright_width)
        } else {
            (upright_width, upright_height)
        };
        let full = (header.width, header.height);
        let mut shrink = Shrink::new((width, height), full, to, layout, alpha);
        // What a program drew has colours to lose, and is seldom a JPEG.
        if header.format == imaging::Format::Jpeg && !converted {
            // A profile is applied to pixels, and what is turned about an odd edge would leave its colours behind.
            let even = to.0.is_multiple_of(2) && to.1.is_multiple_of(2);
            let plain = self.inspected.profile == imaging::Profile::Srgb;
            shrink = shrink.in_planes(plain && (even || header.orientation.unwrap_or(1) == 1));
        }
        // Before anybody looks at the module's memory: it moves when it grows.
        shrink.place();
        self.coming = Some(Coming { shrink, converted });
    }

    /// Where the pixels go, once [`Picture::begin`] has been called.
    pub fn shrink(&mut self) -> Option<&mut Shrink> {
        self.coming.as_mut().map(|coming| &mut coming.shrink)
    }

    /// What is sent, when all pixels have come.
    ///
    /// # Errors
    /// When pixels are missing, which is a bug.
    pub fn finish(&mut self) -> Result<Prepared, SmartSummaryError> {
        let Some(Coming { shrink, converted }) = self.coming.take() else {
            return Err(SmartSummaryError::bug("no pixels have come"));
        };
        let Small {
            pixels,
            width,
            height,
            has_alpha,
            ..
        } = match shrink.finish()? {
            Shrunk::Small(small) => small,
            Shrunk::Planes(planes) => {
                return Ok(imaging::finish_planes(
                    planes,
                    &self.inspected,
                    &self.file,
                    &self.options,
                )?);
            }
        };
        let pixels = Pixels {
            data: pixels,
            width,
            height,
            channels: if has_alpha {
                Channels::Rgba
            } else {
                Channels::Rgbx
            },
            upright: false,
            srgb: converted,
        };
        Ok(imaging::finish(
            pixels,
            &self.inspected,
            &self.file,
            &self.options,
        )?)
    }
}
