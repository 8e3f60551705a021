//! Pictures made of nothing, and bytes that only look like one.

use base64::Engine as _;

/// A PNG of grey stripes.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    of_pixels(width, height, &stripes(width, height))
}

/// The same with a grey of one's own as the last pixel.
pub(crate) fn png_with_last_pixel(width: u32, height: u32, grey: u8) -> Vec<u8> {
    let mut pixels = stripes(width, height);
    *pixels.last_mut().unwrap() = grey;
    of_pixels(width, height, &pixels)
}

/// Rows of a grey PNG.
fn stripes(width: u32, height: u32) -> Vec<u8> {
    // Filter byte 0, then one byte a pixel.
    let row = |y: u32| {
        std::iter::once(0).chain((0..width).map(move |x| {
            if (x / 4 + y / 4).is_multiple_of(2) {
                40
            } else {
                220
            }
        }))
    };
    (0..height).flat_map(row).collect()
}

fn of_pixels(width: u32, height: u32, rows: &[u8]) -> Vec<u8> {
    let chunks = [
        chunk(b"IHDR", &header(width, height)),
        chunk(b"IDAT", &stored(rows)),
        chunk(b"IEND", &[]),
    ];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// A PNG whose header declares a size that its data do not have.
pub(crate) fn bomb(width: u32, height: u32) -> Vec<u8> {
    let chunks = [
        chunk(b"IHDR", &header(width, height)),
        chunk(b"IDAT", &stored(&[0; 64])),
        chunk(b"IEND", &[]),
    ];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// A PNG with at least so many bytes; still a picture.
pub(crate) fn heavy_png(bytes: usize) -> Vec<u8> {
    let mut picture = png(8, 8);
    let end = picture.split_off(picture.len() - 12);
    picture.extend(chunk(b"teXt", &vec![b'x'; bytes]));
    picture.extend(end);
    picture
}

/// A PNG that says something in its metadata.
pub(crate) fn png_with_text(width: u32, height: u32, text: &str) -> Vec<u8> {
    let mut picture = png(width, height);
    let end = picture.split_off(picture.len() - 12);
    picture.extend(chunk(b"tEXt", format!("Comment\0{text}").as_bytes()));
    picture.extend(end);
    picture
}

/// A GIF of one pixel.
pub(crate) fn gif() -> Vec<u8> {
    decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
}

/// A WebP of one pixel.
pub(crate) fn webp() -> Vec<u8> {
    decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
}

/// A JPEG with an orientation tag.
pub(crate) fn jpeg() -> Vec<u8> {
    std::fs::read(crate::project::root().join("tests/fixtures/images/turned.jpg")).unwrap()
}

/// The first bytes of a HEIC file.
pub(crate) fn heic() -> Vec<u8> {
    [&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], &[0; 64]].concat()
}

pub(crate) fn svg() -> Vec<u8> {
    br#"<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="9" height="9"/></svg>"#.to_vec()
}

/// The picture as a `data:` URI.
pub(crate) fn data_uri(bytes: &[u8]) -> String {
    format!(
        "data:image/png;base64,{}",
        base64::engine::general_purpose::STANDARD.encode(bytes)
    )
}

fn decode(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

fn header(width: u32, height: u32) -> Vec<u8> {
    [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[8, 0, 0, 0, 0],
    ]
    .concat()
}

fn chunk(name: &[u8; 4], bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    let named = [name, bytes].concat();
    [
        &length.to_be_bytes()[..],
        &named,
        &crc32fast::hash(&named).to_be_bytes(),
    ]
    .concat()
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = bytes.chunks(0xFFFF);
    let last = blocks.len() - 1;
    for (index, block) in blocks.enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        stream.push(u8::from(index == last));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(bytes).to_be_bytes());
    stream
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}
