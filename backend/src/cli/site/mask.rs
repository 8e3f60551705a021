//! A page's text with all that only looks like Markdown blanked: byte for byte as long, so that places stay.

use std::ops::Range;

/// Pairs of marks whose contents are shown as they stand, or not at all.
const VERBATIM: [(&str, &str); 8] = [
    ("<!--", "-->"),
    ("{/*", "*/}"),
    ("{{/*", "*/}}"),
    ("{% raw %}", "{% endraw %}"),
    ("{% highlight", "{% endhighlight %}"),
    ("{% comment %}", "{% endcomment %}"),
    ("{{< highlight", "{{< /highlight >}}"),
    ("<script", "</script>"),
];

/// Pairs of marks that a generator replaces by a value.
const TEMPLATES: [(&str, &str); 2] = [("{{", "}}"), ("{%", "%}")];

/// Blanks what is shown as it stands, from `body` on; front matter too.
pub(super) fn verbatim(text: &str, body: usize) -> String {
    let mut out = text.to_owned();
    blank(&mut out, std::slice::from_ref(&(0..body)), b' ');
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (open, close) in VERBATIM {
        ranges.extend(pairs(&out, open, close));
    }
    blank(&mut out, &ranges, b' ');
    out
}

/// Puts letters in the place of templates: `{{ site.url }}/a.png` then is one address.
pub(super) fn templates(text: &str) -> String {
    let mut out = text.to_owned();
    for (open, close) in TEMPLATES {
        let ranges = pairs(&out, open, close);
        blank(&mut out, &ranges, b'x');
    }
    out
}

/// Where `open` is and `close` after it; one that is never closed is text.
fn pairs(text: &str, open: &str, close: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(open)) {
        let start = from + at;
        let inside = start + open.len();
        let Some(end) = text.get(inside..).and_then(|rest| rest.find(close)) else {
            break;
        };
        from = inside + end + close.len();
        found.push(start..from);
    }
    found
}

/// Puts `with` in the place of every byte of the ranges but line ends.
pub(super) fn blank(text: &mut String, ranges: &[Range<usize>], with: u8) {
    let mut bytes = std::mem::take(text).into_bytes();
    for range in ranges {
        for byte in bytes.get_mut(range.clone()).unwrap_or_default() {
            if !matches!(*byte, b'\n' | b'\r') {
                *byte = with;
            }
        }
    }
    // The ranges begin and end at characters, so what is left is text.
    *text = String::from_utf8(bytes).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_as_it_stands_is_blank_and_as_long() {
        let text = "a <!-- ![](x)\né --> b {% raw %}![](y){% endraw %}";
        let masked = verbatim(text, 0);
        assert_eq!(masked.len(), text.len());
        assert_eq!(masked.split_whitespace().collect::<Vec<_>>(), ["a", "b"]);
        assert!(verbatim("<!-- ![](x)", 0).contains("![]"));
    }

    #[test]
    fn a_template_is_one_word() {
        assert_eq!(templates("({{ a b }}/c.png)"), "(xxxxxxxxx/c.png)");
    }
}
