//! What a file carries besides its picture. All of it is left behind; a person is told what it was.

mod exif;

use crate::inspect::Stored;
#[cfg(feature = "drawings")]
use crate::profile::Profile;
use crate::sniff::contains;
use crate::{Error, Format, Header, jpeg};
#[cfg(feature = "drawings")]
use crate::{gif, png, webp};

/// A kind of metadata that a file carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Metadata {
    /// The place where the picture was taken.
    Gps,
    /// The serial number of a camera or lens.
    SerialNumber,
    /// The name of an owner, author or copyright holder.
    Person,
    /// The date and time of taking or editing.
    Date,
    /// The make or model of the camera.
    Camera,
    /// The maker's own notes, which may hold faces, serial numbers and counters.
    MakerNote,
    /// A small picture of the picture, perhaps from before it was cropped.
    Thumbnail,
    /// A description, title or comment in words.
    Comment,
    /// EXIF of any content.
    Exif,
    /// XMP of any content.
    Xmp,
    /// IPTC and other Photoshop resources.
    Iptc,
    /// An ICC profile, or codes or numbers in its place; the colours are converted to sRGB.
    ColorProfile,
    /// Bytes after the end of the picture: a film, a depth map, a second picture.
    Trailer,
    /// Something else that the format lets applications add.
    Other,
}

impl Metadata {
    /// A stable name in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gps => "gps",
            Self::SerialNumber => "serial_number",
            Self::Person => "person",
            Self::Date => "date",
            Self::Camera => "camera",
            Self::MakerNote => "maker_note",
            Self::Thumbnail => "thumbnail",
            Self::Comment => "comment",
            Self::Exif => "exif",
            Self::Xmp => "xmp",
            Self::Iptc => "iptc",
            Self::ColorProfile => "color_profile",
            Self::Trailer => "trailer",
            Self::Other => "other",
        }
    }
}

/// The longest ICC profile that is read; those of printers have half a megabyte.
pub(crate) const MAX_PROFILE: usize = 4 << 20;

/// What a walk over the parts of a file finds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Each kind once, in the order of [`Metadata`].
    pub(crate) list: Vec<Metadata>,
    /// The first orientation that is written.
    pub(crate) orientation: Option<u8>,
    /// Whether the file ends before its picture does.
    pub(crate) truncated: bool,
    /// Whether pixels may be transparent.
    pub(crate) alpha: bool,
    /// Bits of one channel.
    pub(crate) bits: u8,
    pub(crate) stored: Stored,
    /// The ICC profile, put together and unpacked.
    pub(crate) icc: Option<Vec<u8>>,
    /// What the colours mean by codes, which go before a profile, or by numbers.
    #[cfg(feature = "drawings")]
    pub(crate) named: Option<Profile>,
}

impl Found {
    pub(crate) fn note(&mut self, kind: Metadata) {
        if let Err(place) = self.list.binary_search(&kind) {
            self.list.insert(place, kind);
        }
    }

    /// Takes a TIFF block as EXIF, with or without the `Exif\0\0` that some writers leave in front of it.
    pub(crate) fn exif(&mut self, block: &[u8]) {
        self.note(Metadata::Exif);
        let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        exif::read(tiff, self);
    }

    /// Takes an XMP packet: a name search is enough to say what is in it.
    pub(crate) fn xmp(&mut self, packet: &[u8]) {
        self.note(Metadata::Xmp);
        let kinds: [(&[u8], Metadata); 7] = [
            (b"GPSLatitude", Metadata::Gps),
            (b"SerialNumber", Metadata::SerialNumber),
            (b"dc:creator", Metadata::Person),
            (b"CreateDate", Metadata::Date),
            (b"tiff:Model", Metadata::Camera),
            (b"xmpGImg:image", Metadata::Thumbnail),
            (b"dc:description", Metadata::Comment),
        ];
        for (name, kind) in kinds {
            if contains(packet, name) {
                self.note(kind);
            }
        }
    }
}

/// Walks the parts of a file. Time is linear in its length; nothing is decoded.
pub(crate) fn read(bytes: &[u8], header: &Header) -> Result<Found, Error> {
    match header.format {
        Format::Jpeg => jpeg::metadata(bytes),
        #[cfg(feature = "drawings")]
        Format::Png => Ok(png::metadata(bytes)),
        #[cfg(feature = "drawings")]
        Format::WebP => Ok(webp::metadata(bytes)),
        #[cfg(feature = "drawings")]
        Format::Gif => Ok(gif::metadata(bytes)),
        #[cfg(not(feature = "drawings"))]
        _ => Err(Error::NotAnImage),
    }
}
