//! What a stranger with a key and bad intentions sends: signatures in every wrong form, pictures that are bombs, bodies
//! that are deep, hostile or strange. Each is refused by a problem of its own, and the server goes on as it was.

use api::Code;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::check::{fresh, refused};
use crate::client::{Answer, Form};
use crate::pictures;
use crate::server::{Server, Setup, merged, script, shared};

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The compact form of `header` and `claims`, signed as HS256 with `secret`.
fn with_hmac(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{claims}", encoded(header));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// The forms of invalid signatures that RFC 7515, 7519 and 8725 warn of, made from a valid token.
fn forgeries(token: &str, other: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts[..] else {
        panic!("a token has three parts")
    };
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    let with = |more: Value| {
        let header = merged(header.clone(), more).to_string();
        format!("{}.{claims}.{signature}", encoded(&header))
    };
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, token: String| found.push((name.to_owned(), token));
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg, "typ": "JWT" }).to_string();
        add(
            &format!("alg {alg:?} without a signature"),
            format!("{}.{claims}.", encoded(&header)),
        );
        add(
            &format!("alg {alg:?} with the signature"),
            with(json!({ "alg": alg })),
        );
    }
    for alg in [
        "HS256", "HS512", "RS256", "PS256", "ES256", "Ed25519", "eddsa",
    ] {
        add(&format!("alg {alg}"), with(json!({ "alg": alg })));
    }
    for (name, secret) in [
        ("an empty secret", ""),
        ("the secret `secret`", "secret"),
        ("the issuer as the secret", "smart-summary"),
        ("the header as the secret", head),
    ] {
        let header = r#"{"alg":"HS256","typ":"JWT"}"#;
        add(name, with_hmac(header, claims, secret.as_bytes()));
    }
    for (name, more) in [
        ("crit", json!({ "crit": ["exp"] })),
        ("b64 false", json!({ "b64": false, "crit": ["b64"] })),
        ("jku", json!({ "jku": "https://attacker.example/keys" })),
        ("x5u", json!({ "x5u": "https://attacker.example/cert" })),
        (
            "jwk",
            json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": encoded(&"x".repeat(32)) } }),
        ),
        ("kid of a path", json!({ "kid": "../../../../dev/null" })),
        ("kid of SQL", json!({ "kid": "' OR '1'='1" })),
        ("zip", json!({ "zip": "DEF" })),
        ("another typ", json!({ "typ": "at+jwt" })),
    ] {
        add(name, with(more));
    }
    add("no signature", format!("{head}.{claims}."));
    add("no third part", format!("{head}.{claims}"));
    add("five parts", format!("{head}.{claims}.{signature}.."));
    add("the signature twice", format!("{token}{signature}"));
    add("padded base64", format!("{head}.{claims}.{signature}=="));
    add(
        "zeros",
        format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
    );
    add(
        "ones",
        format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode([255; 64])),
    );
    let cut = &signature[..signature.len() - 4];
    add("a shorter signature", format!("{head}.{claims}.{cut}"));
    let others = other.rsplit('.').next().unwrap();
    add(
        "another token's signature",
        format!("{head}.{claims}.{others}"),
    );
    add("parts exchanged", format!("{claims}.{head}.{signature}"));
    let json = json!({ "payload": claims, "protected": head, "signature": signature });
    add("the JSON form", encoded(&json.to_string()));
    found
}

#[test]
fn every_forged_signature_is_refused() {
    let key = shared().key_with(json!({ "origins": ["https://blog.example"] }));
    let (token, other) = (
        shared().token(&key, json!({})),
        shared().token(&key, json!({})),
    );
    let ask = |token: &str| {
        let request = shared().get("/v1/usage").bearer(token);
        request.header("Origin", "https://blog.example").send()
    };
    assert_eq!(ask(&token).status, 200, "the token itself is valid");
    let forgeries = forgeries(&token, &other);
    assert!(forgeries.len() > 40);
    for (name, forged) in forgeries {
        let answer = ask(&forged);
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        let code = answer.problem().code;
        // What has no points may look like a key.
        let expected = [
            Code::TokenInvalid,
            Code::CredentialsMalformed,
            Code::KeyMistyped,
        ];
        assert!(expected.contains(&code), "{name}: {code}");
    }
}

/// A JPEG whose frame declares this size.
fn jpeg_bomb(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xc0\x00\x11\x08".to_vec();
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9");
    bytes
}

/// A WebP whose canvas declares this size.
fn webp_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut canvas = vec![0; 4];
    canvas.extend(&(width - 1).to_le_bytes()[..3]);
    canvas.extend(&(height - 1).to_le_bytes()[..3]);
    let body = [b"WEBPVP8X\x0a\0\0\0".to_vec(), canvas].concat();
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [b"RIFF".to_vec(), length.to_vec(), body].concat()
}

/// A GIF whose screen declares this size.
fn gif_bomb(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = pictures::gif();
    bytes[6..8].copy_from_slice(&width.to_le_bytes());
    bytes[8..10].copy_from_slice(&height.to_le_bytes());
    bytes
}

/// A GIF of one pixel that moves through so many frames.
fn moving_gif(frames: usize) -> Vec<u8> {
    let one = pictures::gif();
    // Six bytes of name, seven of screen, six of colours; then the frame, then the end.
    let (head, frame) = (&one[..19], &one[19..one.len() - 1]);
    [head, &frame.repeat(frames), b";"].concat()
}

/// A PNG that begins as one and goes on as something else.
fn polyglot(rest: &str) -> Vec<u8> {
    [&b"\x89PNG\r\n\x1a\n"[..], rest.as_bytes()].concat()
}

fn send(server: &Server, bytes: &[u8]) -> Answer {
    let listing = merged(fresh("Bread."), json!({ "images": [{ "id": "a" }] }));
    let form = Form::request(&listing).picture("a", bytes);
    let request = server.post("/v1/summaries").bearer(&server.key);
    request.form(form).send()
}

/// The most memory that the process has had so far, in MiB.
fn peak_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib / 1024
}

#[test]
fn sixty_four_callers_with_bombs_at_once_are_refused_and_take_no_memory() {
    let server = Server::start(script(Setup::default()));
    assert_eq!(send(&server, &pictures::png(8, 8)).status, 200);
    let idle = peak_mib(&server);
    let bombs = [
        ("PNG", pictures::bomb(40_000, 40_000)),
        ("PNG, a line", pictures::bomb(u32::MAX >> 1, 1)),
        ("JPEG", jpeg_bomb(65_535, 65_535)),
        ("WebP", webp_bomb(16_383, 16_383)),
        ("GIF", gif_bomb(65_535, 65_535)),
        ("PNG and a page", polyglot("<script>alert(1)</script>")),
        ("nothing in it", b"\x89PNG\r\n\x1a\n".to_vec()),
    ];
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for (name, bomb) in &bombs {
                    let answer = send(&server, bomb);
                    let code = answer.problem().code;
                    let expected = [Code::TooManyPixels, Code::ImageBroken, Code::NotAnImage];
                    assert!(expected.contains(&code), "{name}: {}", answer.text());
                }
            });
        }
    });
    let grown = peak_mib(&server) - idle;
    assert!(grown < 512, "{grown} MiB more than at rest");
    assert_eq!(send(&server, &pictures::png(8, 8)).status, 200);
}

/// What the process has of memory now, in MiB.
fn resident_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}

/// Others grow with every picture, by gigabytes a day. A warm server has the same size after many more.
#[test]
fn ten_thousand_different_pictures_leave_nothing_in_memory() {
    const PICTURES: u32 = 10_000;
    let server = Server::start(script(Setup::default()).set("cache.max_bytes", 1_000_000));
    let through = |numbers: std::ops::Range<u32>| {
        let next = std::sync::atomic::AtomicU32::new(numbers.start);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        if number >= numbers.end {
                            return;
                        }
                        // 48 kB and 192 x 192 pixels; each has a size and a text of its own.
                        let note = format!("{number:>12000}");
                        let picture = pictures::png_with_text(192, 192, &note);
                        let answer = send(&server, &picture);
                        assert_eq!(answer.status, 200, "{}", answer.text());
                    }
                });
            }
        });
    };
    through(0..PICTURES / 5);
    let warm = resident_mib(&server);
    through(PICTURES / 5..PICTURES);
    let then = resident_mib(&server);
    // Kept whole they would be 370 MiB, and their pixels more than a GiB.
    assert!(then < warm + 48, "{warm} MiB, then {then} MiB");
}

#[test]
fn ten_thousand_frames_are_one_picture() {
    let answer = send(shared(), &moving_gif(10_000));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn deep_json_is_refused_wherever_it_is_read() {
    for (path, key) in [
        ("/v1/summaries", &shared().key),
        ("/v1/tokens", &shared().key),
        ("/v1/admin/keys", &shared().admin),
    ] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"article\":[", "]}")] {
            let deep = format!("{}1{}", open.repeat(1_000), close.repeat(1_000));
            let request = shared().post(path).bearer(key);
            let answer = request.body("application/json", deep).send();
            let status = answer.problem().status;
            assert!([400, 422].contains(&status), "{path}: {}", answer.text());
        }
    }
}

#[test]
fn a_hostile_form_is_refused() {
    let part = |boundary: &str, head: &str, body: &str| {
        format!("--{boundary}\r\n{head}\r\n\r\n{body}\r\n")
    };
    let request = fresh("Bread.").to_string();
    let named = "Content-Disposition: form-data; name=\"request\"";
    let whole = part("b", named, &request);
    let cases = [
        ("no end", whole.clone()),
        (
            "a part without a head",
            format!("--b\r\n\r\n{request}\r\n--b--\r\n"),
        ),
        (
            "a head without an end",
            format!("--b\r\n{}", "X: y\r\n".repeat(20_000)),
        ),
        (
            "a head of 1 MB",
            part("b", &format!("X: {}", "y".repeat(1_000_000)), ""),
        ),
        ("ten thousand parts", {
            let empty = part("b", "Content-Disposition: form-data; name=\"a\"", "");
            format!("{}{whole}--b--\r\n", empty.repeat(10_000))
        }),
        ("another boundary", part("c", named, &request)),
        ("only the end", "--b--\r\n".to_owned()),
        ("nothing", String::new()),
        ("a name that is a path", {
            let head = "Content-Disposition: form-data; name=\"../../etc/passwd\"";
            format!("{whole}{}--b--\r\n", part("b", head, "x"))
        }),
        ("a form within", {
            let inner = "Content-Type: multipart/mixed; boundary=b";
            format!("{}--b--\r\n", part("b", inner, &whole))
        }),
    ];
    for (name, body) in cases {
        let post = shared().post("/v1/summaries").bearer(&shared().key);
        let answer = post.body("multipart/form-data; boundary=b", body).send();
        let status = answer.problem().status;
        assert!((400..500).contains(&status), "{name}: {}", answer.text());
    }
    assert_eq!(shared().get("/healthz").send().status, 200);
}

#[test]
fn strange_words_are_summarised_or_refused_and_never_a_fault() {
    for words in [
        "\u{0}\u{1}\u{7f}\u{80}\u{feff}",
        "\u{202e}desrever\u{202c} \u{200b}\u{200d}\u{2060}",
        "Z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}a\u{0489}\u{0489}l\u{35f}g\u{360}o",
        "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪\u{e0067}\u{e007f}",
        "<|image|><|begin_of_image|></think><|endoftext|>[gMASK]<sop>",
        "${jndi:ldap://127.0.0.1/a} {{7*7}} %s%n%x $(reboot) `reboot`",
        "'; DROP TABLE keys; --",
        "\r\nSet-Cookie: a=b\r\n\r\n<html>",
        "../../../../etc/passwd\u{0}.jpg",
        "\u{fdd0}\u{fffe}\u{10ffff}\u{d7ff}\u{e000}",
        "ﷺﷺﷺ ﬀﬁ ½ ㍿ Ⅷ",
        "NaN Infinity -0 1e999 0x7fffffff null undefined true",
    ] {
        let body = json!({
            "article": { "title": words, "content": words.repeat(20), "format": "html" },
            "images": [{ "id": "a", "caption": words, "filename": words }],
            "guidelines": { "tone": words, "avoid": [words] },
        });
        let form = Form::request(&body).picture("a", &pictures::png(8, 8));
        for engine in ["auto", "extractive"] {
            let body = merged(body.clone(), json!({ "engine": engine }));
            let post = shared().post("/v1/summaries").bearer(&shared().key);
            let bare = post.clone().json(&body).send();
            assert!(bare.status < 500, "{words:?}: {}", bare.text());
        }
        let post = shared().post("/v1/summaries").bearer(&shared().key);
        let answer = post.form(form).send();
        assert!(answer.status < 500, "{words:?}: {}", answer.text());
        assert!(answer.header("Set-Cookie").is_none(), "{words:?}");
    }
}

/// A key's text with the checksum that fits it.
pub(crate) fn with_checksum(body: &str) -> String {
    let mut value = u64::from(crc32fast::hash(body.as_bytes()));
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut checksum = [b'0'; 6];
    for place in checksum.iter_mut().rev() {
        *place = digits[usize::try_from(value % 62).unwrap()];
        value /= 62;
    }
    format!("{body}_{}", std::str::from_utf8(&checksum).unwrap())
}

#[test]
fn a_used_secret_of_another_key_opens_nothing() {
    let (one, two) = (shared().key_with(json!({})), shared().key_with(json!({})));
    let part = |key: &str, place: usize| key.split('_').nth(place).unwrap().to_owned();
    // One key's name with the other's secret, and a checksum that fits them.
    let forged = with_checksum(&format!("ss_live_{}_{}", part(&one, 2), part(&two, 3)));
    refused(
        &shared().get("/v1/usage").bearer(&forged).send(),
        Code::KeyUnknown,
    );
}
