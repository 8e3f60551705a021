//! Picture bytes: the header's promise, the bounded decode, and what is sent on.

use imaging::{Error, Exceeded, Options};

/// Small bounds, so that an input takes no longer than its bytes are worth.
const BOUNDS: Options = Options {
    longest_edge: 64,
    max_pixels: 200_000,
    max_bytes: 65_536,
    quality: 80,
    keep_alpha: false,
};

/// A picture is refused with a reason, or is what its header says and comes out small, clean and readable.
pub(crate) fn check(bytes: &[u8]) {
    let header = imaging::sniff(bytes);
    let inspected = imaging::inspect(bytes);
    if let Ok(inspected) = &inspected {
        assert_eq!(
            Ok(inspected.header),
            header.clone().map_err(drop),
            "inspect and sniff agree"
        );
        let (width, height) = inspected.upright_size();
        let stored = (inspected.header.width, inspected.header.height);
        assert!((width, height) == stored || (height, width) == stored);
        let (width, height) = inspected.target_size(BOUNDS.longest_edge);
        assert!(width <= BOUNDS.longest_edge && height <= BOUNDS.longest_edge);
        if let Some(clean) = imaging::strip(bytes, inspected) {
            assert!(
                clean.len() <= bytes.len(),
                "taking metadata out adds nothing"
            );
        }
    }
    let admitted = imaging::admit(bytes, &BOUNDS);
    let decoded = imaging::decode(bytes, &BOUNDS);
    if let (Ok(header), Err(Error::TooLarge { exceeded })) = (&header, &admitted) {
        let over = match exceeded {
            Exceeded::Bytes { bytes, max } => bytes > max,
            _ => header.pixels() > BOUNDS.max_pixels,
        };
        assert!(over, "a picture within the bounds is not too large");
    }
    if let Ok(picture) = &decoded {
        let admitted = admitted.as_ref().expect("what is decoded was admitted");
        assert_eq!(
            (picture.width, picture.height),
            admitted.upright_size(),
            "the header told the size"
        );
        let pixels = picture.width as usize * picture.height as usize;
        assert_eq!(picture.pixels.len(), pixels * picture.channels.count());
        assert!(pixels as u64 <= BOUNDS.max_pixels);
    }
    match imaging::prepare(bytes, &BOUNDS) {
        Ok(prepared) => {
            assert!(decoded.is_ok(), "what can be sent can be decoded");
            assert!(
                prepared.width <= BOUNDS.longest_edge && prepared.height <= BOUNDS.longest_edge
            );
            let again = imaging::inspect(&prepared.bytes).expect("what is sent can be read");
            assert_eq!(
                (again.header.width, again.header.height),
                (prepared.width, prepared.height)
            );
            assert_eq!(again.header.format, prepared.format);
            assert_eq!(again.metadata, [], "no metadata are sent");
            if prepared.passed_through {
                assert!(prepared.bytes.len() <= bytes.len());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
