//! Four inks to sRGB.
//!
//! Red = (1 - cyan)(1 - black) is not how ink looks: cyan comes out too bright, blue too violet, and against a colour
//! engine with a press profile a photograph has 22 dB. The polynomial of the third degree below was fitted by least
//! squares to what littleCMS makes of 17^4 mixtures with the press profile that libvips takes for files without one
//! (web offset on coated paper, perceptual); over all of them it has 39 dB, and white stays white.

/// Coefficients of 1, 2 or 3 inks multiplied, for red, green and blue. Inks are 0 to 1, light is 0 to 255.
const TERMS: [([usize; 3], [f32; 3]); 34] = [
    ([0, ONE, ONE], [-300.0, -123.0, -32.0]),
    ([1, ONE, ONE], [-11.0, -243.0, -143.0]),
    ([2, ONE, ONE], [3.0, -29.0, -226.0]),
    ([3, ONE, ONE], [-284.0, -277.0, -280.0]),
    ([0, 0, ONE], [71.0, 22.0, 7.0]),
    ([0, 1, ONE], [120.0, 149.0, 13.0]),
    ([0, 2, ONE], [26.0, 9.0, 48.0]),
    ([0, 3, ONE], [373.0, 151.0, 48.0]),
    ([1, 1, ONE], [-18.0, 93.0, 13.0]),
    ([1, 2, ONE], [-23.0, 21.0, 158.0]),
    ([1, 3, ONE], [27.0, 276.0, 177.0]),
    ([2, 2, ONE], [5.0, 9.0, 36.0]),
    ([2, 3, ONE], [5.0, 50.0, 266.0]),
    ([3, 3, ONE], [173.0, 156.0, 164.0]),
    ([0, 0, 0], [-185.0, 2.0, -2.0]),
    ([0, 0, 1], [154.0, -41.0, 2.0]),
    ([0, 0, 2], [32.0, 0.0, -15.0]),
    ([0, 0, 3], [-17.0, -32.0, -7.0]),
    ([0, 1, 1], [-70.0, -11.0, 1.0]),
    ([0, 1, 2], [-40.0, -3.0, -38.0]),
    ([0, 1, 3], [-145.0, -124.0, -11.0]),
    ([0, 2, 2], [-9.0, -2.0, 44.0]),
    ([0, 2, 3], [-22.0, -14.0, -60.0]),
    ([0, 3, 3], [-91.0, -25.0, -13.0]),
    ([1, 1, 1], [8.0, -90.0, 4.0]),
    ([1, 1, 2], [12.0, 11.0, -26.0]),
    ([1, 1, 3], [14.0, -40.0, -29.0]),
    ([1, 2, 2], [5.0, -9.0, 10.0]),
    ([1, 2, 3], [15.0, -29.0, -149.0]),
    ([1, 3, 3], [-10.0, -54.0, -37.0]),
    ([2, 2, 2], [-3.0, 0.0, -75.0]),
    ([2, 2, 3], [-3.0, -12.0, -23.0]),
    ([2, 3, 3], [-8.0, -16.0, -45.0]),
    ([3, 3, 3], [-129.0, -128.0, -136.0]),
];

/// For terms of fewer than three inks: one that is always full.
const ONE: usize = 4;

/// What a mixture looks like; 255 is as much of an ink as there can be.
pub(crate) fn look([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let inks = [c, m, y, k, 255].map(|ink| f32::from(ink) / 255.0);
    let ink = |index: usize| inks.get(index).copied().unwrap_or_default();
    let mut light = [255.0_f32; 3];
    for ([first, second, third], parts) in TERMS {
        let mixed = ink(first) * ink(second) * ink(third);
        for (light, part) in light.iter_mut().zip(parts) {
            *light += part * mixed;
        }
    }
    // The conversion cuts off at 0 and 255.
    light.map(|value| (value + 0.5) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are littleCMS's.
    #[track_caller]
    fn check(inks: [u8; 4], expected: [u8; 3]) {
        let found = look(inks);
        let near = found
            .into_iter()
            .zip(expected)
            .all(|(found, expected)| found.abs_diff(expected) <= 16);
        assert!(near, "{inks:?} looks {found:?}, not {expected:?}");
    }

    #[test]
    fn paper_is_white() {
        assert_eq!(look([0; 4]), [255; 3]);
    }

    #[test]
    fn inks_look_as_they_are_printed() {
        check([255, 0, 0, 0], [0, 153, 227]);
        check([0, 255, 0, 0], [234, 0, 128]);
        check([0, 0, 255, 0], [255, 240, 0]);
        check([0, 0, 0, 255], [20, 5, 0]);
        check([0, 0, 0, 128], [134, 133, 132]);
    }
}
