//! What `POST /v1/summaries` reads, and every bound of it.

use std::io::Write as _;
use std::sync::OnceLock;

use api::Code;
use serde_json::{Value, json};

use crate::check::{fresh, refused, refused_at, refused_image, text};
use crate::client::{Answer, Form, Request};
use crate::pictures;
use crate::server::{Server, Setup, merged, script, shared};

/// A server whose bounds are small enough to be passed in a moment.
fn small() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start(
            script(Setup::default())
                .set("intake.max_images", 2)
                .set("intake.max_image_bytes", 4096)
                .set("intake.max_pixels", 10_000)
                .set("intake.max_content_chars", 1000)
                .set("intake.max_body_bytes", 32_768)
                .set("server.request_timeout_seconds", 1),
        )
    })
}

fn send(request: &Value) -> Answer {
    shared().summarize(request).send()
}

fn form(server: &Server, form: Form) -> Request {
    server.post("/v1/summaries").bearer(&server.key).form(form)
}

/// A request with these pictures in its list.
fn listing(ids: &[&str]) -> Value {
    let images: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    merged(fresh("Bread needs time."), json!({ "images": images }))
}

fn one_picture(server: &Server, bytes: &[u8]) -> Answer {
    form(server, Form::request(&listing(&["a"])).picture("a", bytes)).send()
}

fn one_data_uri(server: &Server, data: &str) -> Answer {
    server
        .summarize(&merged(
            fresh("Bread."),
            json!({ "images": [{ "id": "a", "data": data }] }),
        ))
        .send()
}

// What is read.

#[test]
fn every_format_is_read_by_its_bytes() {
    for bytes in [
        pictures::png(64, 48),
        pictures::gif(),
        pictures::webp(),
        pictures::jpeg(),
    ] {
        let answer = one_picture(shared(), &bytes);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = one_data_uri(shared(), &pictures::data_uri(&bytes));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn parts_come_in_any_order() {
    let picture = pictures::png(8, 8);
    let request = listing(&["a", "b"]).to_string();
    let forms = [
        Form::default()
            .picture("b", &picture)
            .part("name=\"request\"", "application/json", request.as_bytes())
            .picture("a", &picture),
        Form::default()
            .picture("a", &picture)
            .picture("b", &picture)
            .part("name=\"request\"", "text/plain", request.as_bytes()),
    ];
    for body in forms {
        let summary = form(shared(), body).send().summary();
        let ids: Vec<String> = summary
            .alt_texts
            .unwrap()
            .into_iter()
            .map(|alt| alt.id)
            .collect();
        assert_eq!(ids, ["a", "b"], "the answer has the request's order");
    }
}

#[test]
fn a_picture_alone_is_enough() {
    let body =
        Form::request(&json!({ "images": [{ "id": "a" }] })).picture("a", &pictures::png(8, 8));
    assert_eq!(form(shared(), body).send().status, 200);
}

#[test]
fn a_body_in_chunks_is_read() {
    let request = shared()
        .summarize(&fresh("Bread."))
        .header("Transfer-Encoding", "chunked");
    assert_eq!(request.send().status, 200);
}

#[test]
fn a_media_type_may_have_parameters() {
    let body = fresh("Bread.").to_string();
    let request = shared()
        .post("/v1/summaries")
        .bearer(&shared().key)
        .body("application/json; charset=utf-8", body);
    assert_eq!(request.send().status, 200);
}

#[test]
fn a_picture_as_large_as_allowed_is_read() {
    assert_eq!(one_picture(small(), &pictures::png(60, 60)).status, 200);
    let article = text(&"x".repeat(1000));
    assert_eq!(small().summarize(&article).send().status, 200);
}

// Bounds.

#[test]
fn too_many_pictures_are_refused() {
    let picture = pictures::png(8, 8);
    let ids = ["a", "b", "c"];
    let body = ids.iter().fold(Form::request(&listing(&ids)), |form, id| {
        form.picture(id, &picture)
    });
    let problem = refused_at(&form(small(), body).send(), Code::TooManyImages, "/images");
    assert_eq!(problem.limit, Some(2));
    let images: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "id": id, "data": pictures::data_uri(&picture) }))
        .collect();
    refused_at(
        &small()
            .summarize(&merged(fresh("x"), json!({ "images": images })))
            .send(),
        Code::TooManyImages,
        "/images",
    );
}

#[test]
fn nine_pictures_are_too_many_by_default() {
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let body = ids.iter().fold(Form::request(&listing(&ids)), |form, id| {
        form.picture(id, &pictures::png(8, 8))
    });
    assert_eq!(
        refused(&form(shared(), body).send(), Code::TooManyImages).limit,
        Some(8)
    );
}

#[test]
fn a_picture_with_too_many_bytes_is_refused() {
    let problem = refused_image(
        &one_picture(small(), &pictures::heavy_png(5000)),
        Code::ImageTooLarge,
        "a",
    );
    assert_eq!(problem.limit, Some(4096));
    let data = pictures::data_uri(&pictures::heavy_png(5000));
    refused_image(&one_data_uri(small(), &data), Code::ImageTooLarge, "a");
}

#[test]
fn five_mebibytes_are_the_default_bound_of_a_picture() {
    let problem = refused_image(
        &one_picture(shared(), &pictures::heavy_png(5 << 20)),
        Code::ImageTooLarge,
        "a",
    );
    assert_eq!(problem.limit, Some(5 << 20));
}

#[test]
fn a_picture_that_declares_too_many_pixels_is_refused_before_it_is_decoded() {
    for (width, height) in [(20_000, 20_000), (40_000_001, 1), (65_535, 65_535)] {
        let since = std::time::Instant::now();
        let problem = refused_image(
            &one_picture(shared(), &pictures::bomb(width, height)),
            Code::TooManyPixels,
            "a",
        );
        assert_eq!(problem.limit, Some(40_000_000));
        assert!(
            since.elapsed().as_secs() < 2,
            "{width} x {height} took {:?}",
            since.elapsed()
        );
    }
    refused_image(
        &one_picture(small(), &pictures::bomb(101, 100)),
        Code::TooManyPixels,
        "a",
    );
}

#[test]
fn an_article_with_too_many_characters_is_refused() {
    let problem = refused_at(
        &small().summarize(&text(&"字".repeat(1001))).send(),
        Code::ContentTooLong,
        "/article/content",
    );
    assert_eq!(problem.limit, Some(1000));
    let problem = refused(&send(&text(&"x".repeat(200_001))), Code::ContentTooLong);
    assert_eq!(problem.limit, Some(200_000));
}

#[test]
fn a_body_that_is_announced_too_long_is_refused_before_it_is_sent() {
    let request = small()
        .post("/v1/summaries")
        .bearer(&small().key)
        .header("Content-Type", "application/json");
    let problem = refused(&request.announce(32_769).send(), Code::BodyTooLarge);
    assert_eq!(problem.limit, Some(32_768));
}

#[test]
fn a_body_that_turns_out_too_long_is_refused() {
    let long = text(&"x".repeat(40_000)).to_string();
    let request = small()
        .post("/v1/summaries")
        .bearer(&small().key)
        .body("application/json", long);
    refused(
        &request.header("Transfer-Encoding", "chunked").send(),
        Code::BodyTooLarge,
    );
    let body =
        Form::request(&listing(&["a"])).part("name=\"request2\"", "text/plain", &[b'x'; 3000]);
    let body = (0..12).fold(body, |body, _| {
        body.part("name=\"more\"", "text/plain", &[b'x'; 3000])
    });
    let answer = form(small(), body)
        .header("Transfer-Encoding", "chunked")
        .send();
    assert!((400..500).contains(&answer.status), "{}", answer.text());
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_refused() {
    let request = small()
        .post("/v1/summaries")
        .bearer(&small().key)
        .header("Content-Type", "application/json");
    refused(&request.announce(100).send(), Code::RequestTimeout);
}

#[test]
fn a_body_that_drips_is_refused_in_time() {
    let request = small()
        .post("/v1/summaries")
        .bearer(&small().key)
        .header("Content-Type", "application/json");
    let mut socket = request.announce(10_000).connect();
    let since = std::time::Instant::now();
    // A byte every tenth of a second: never silent for long, and never done.
    while since.elapsed().as_secs() < 8 && socket.write_all(b" ").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(
        since.elapsed().as_secs() < 6,
        "the server still reads after {:?}",
        since.elapsed()
    );
}

// Multipart forms.

#[test]
fn a_form_without_a_request_is_malformed() {
    let problem = refused(
        &form(shared(), Form::default().picture("a", &pictures::png(8, 8))).send(),
        Code::MalformedRequest,
    );
    assert!(problem.detail.contains("request"), "{}", problem.detail);
}

#[test]
fn a_request_that_comes_twice_is_malformed() {
    let request = fresh("Bread.").to_string();
    let body = Form::request(&fresh("Bread.")).part(
        "name=\"request\"",
        "application/json",
        request.as_bytes(),
    );
    refused(&form(shared(), body).send(), Code::MalformedRequest);
}

#[test]
fn a_picture_without_its_part_is_named() {
    let body = Form::request(&listing(&["a", "b"])).picture("a", &pictures::png(8, 8));
    refused_image(&form(shared(), body).send(), Code::ImageMismatch, "b");
}

#[test]
fn a_part_without_its_entry_is_named() {
    let body = Form::request(&listing(&["a"]))
        .picture("a", &pictures::png(8, 8))
        .picture("stray", &pictures::png(8, 8));
    refused_image(&form(shared(), body).send(), Code::ImageMismatch, "stray");
}

#[test]
fn a_part_that_comes_twice_is_named() {
    let picture = pictures::png(8, 8);
    let body = Form::request(&listing(&["a"]))
        .picture("a", &picture)
        .picture("a", &picture);
    refused_image(&form(shared(), body).send(), Code::ImageMismatch, "a");
}

#[test]
fn a_part_with_an_impossible_name_is_malformed() {
    for name in [
        "name=\"../../etc/passwd\"",
        "name=\"\"",
        "filename=\"a.png\"",
        "name=\"a b\"",
    ] {
        let body = Form::request(&fresh("Bread.")).part(name, "image/png", &pictures::png(8, 8));
        println!("{name}");
        refused(&form(shared(), body).send(), Code::MalformedRequest);
    }
}

#[test]
fn data_in_a_form_is_refused() {
    let request = merged(
        fresh("x"),
        json!({ "images": [{ "id": "a", "data": pictures::data_uri(&pictures::gif()) }] }),
    );
    let body = Form::request(&request).picture("a", &pictures::gif());
    refused_at(
        &form(shared(), body).send(),
        Code::InvalidField,
        "/images/0/data",
    );
}

#[test]
fn a_form_that_ends_early_is_malformed() {
    let whole = Form::request(&listing(&["a"])).picture("a", &pictures::png(8, 8));
    let mut request = String::new();
    request.push_str("--a-boundary-of-these-tests\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{\"article\"");
    let early = shared().post("/v1/summaries").bearer(&shared().key).body(
        "multipart/form-data; boundary=a-boundary-of-these-tests",
        request,
    );
    refused(&early.send(), Code::MalformedRequest);
    let another = "multipart/form-data; boundary=another";
    refused(
        &form(shared(), whole).retyped(another).send(),
        Code::MalformedRequest,
    );
}

#[test]
fn a_form_without_a_boundary_is_refused() {
    let request = |media_type| {
        form(shared(), Form::request(&fresh("Bread.")))
            .retyped(media_type)
            .send()
    };
    refused(&request("multipart/form-data"), Code::UnsupportedMediaType);
    refused(
        &request("multipart/form-data; boundary="),
        Code::MalformedRequest,
    );
}

// Pictures that are none.

#[test]
fn bytes_that_are_no_picture_are_refused() {
    for bytes in [
        b"just some text that goes on for a while".to_vec(),
        Vec::new(),
        vec![0; 200],
    ] {
        refused_image(&one_picture(shared(), &bytes), Code::NotAnImage, "a");
    }
}

#[test]
fn formats_that_are_not_read_are_told_apart() {
    for bytes in [pictures::svg(), pictures::heic()] {
        let problem = refused_image(&one_picture(shared(), &bytes), Code::UnsupportedImage, "a");
        assert!(problem.detail.contains("JPEG"), "{}", problem.detail);
    }
}

#[test]
fn a_damaged_picture_is_refused() {
    let mut torn = pictures::png(64, 64);
    torn.truncate(50);
    let mut flipped = pictures::png(64, 64);
    flipped[18] ^= 0x01;
    for bytes in [torn, flipped] {
        refused_image(&one_picture(shared(), &bytes), Code::ImageBroken, "a");
    }
}

#[test]
fn an_address_instead_of_a_picture_is_refused() {
    for data in [
        "https://blog.example/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "blob:x",
        "",
    ] {
        println!("{data:?}");
        refused_at(
            &one_data_uri(shared(), data),
            Code::InvalidField,
            "/images/0/data",
        );
    }
}

#[test]
fn a_data_uri_that_is_not_base64_is_refused() {
    for data in [
        "data:image/png,abc",
        "data:image/png;base64,§§",
        "data:image/png;base64",
        "data:;base64,a",
    ] {
        println!("{data:?}");
        refused_at(
            &one_data_uri(shared(), data),
            Code::InvalidField,
            "/images/0/data",
        );
    }
}

#[test]
fn a_listed_picture_without_data_is_named() {
    refused_image(&send(&listing(&["a"])), Code::ImageMismatch, "a");
}

#[test]
fn what_a_data_uri_says_of_its_type_does_not_count() {
    let lying = pictures::data_uri(&pictures::svg());
    refused_image(&one_data_uri(shared(), &lying), Code::UnsupportedImage, "a");
}

// Fields.

#[track_caller]
fn check_field(more: Value, pointer: &str) {
    println!("{more}");
    refused_at(
        &send(&merged(fresh("Bread needs time."), more)),
        Code::InvalidField,
        pointer,
    );
}

#[track_caller]
fn check_article(more: Value, pointer: &str) {
    let article = merged(
        json!({ "content": "Bread needs time.", "format": "text" }),
        more,
    );
    println!("{article}");
    refused_at(
        &send(&json!({ "article": article })),
        Code::InvalidField,
        pointer,
    );
}

#[test]
fn every_limit_has_a_range() {
    for (name, low, high) in [
        ("title_chars", 10, 200),
        ("description_chars", 20, 500),
        ("keywords", 1, 20),
        ("alt_chars", 20, 500),
    ] {
        for wrong in [
            json!(low - 1),
            json!(high + 1),
            json!(-1),
            json!("many"),
            json!(70_000),
            json!(1.5),
        ] {
            check_field(
                json!({ "limits": { name: wrong } }),
                &format!("/limits/{name}"),
            );
        }
        for right in [low, high] {
            let answer = send(&merged(
                fresh("Bread needs time."),
                json!({ "limits": { name: right } }),
            ));
            assert_eq!(answer.status, 200, "{name}={right}: {}", answer.text());
        }
    }
}

#[test]
fn every_field_that_is_wrong_is_named_by_its_pointer() {
    let long = "x".repeat(501);
    check_field(json!({ "candidates": 0 }), "/candidates");
    check_field(json!({ "candidates": 6 }), "/candidates");
    check_field(json!({ "fields": [] }), "/fields");
    check_field(json!({ "fields": ["title", "titel"] }), "/fields/1");
    check_field(json!({ "engine": "gpt" }), "/engine");
    check_field(json!({ "priority": "now" }), "/priority");
    check_field(json!({ "seed": -1 }), "/seed");
    check_field(
        json!({ "guidelines": { "tone": long } }),
        "/guidelines/tone",
    );
    check_field(
        json!({ "guidelines": { "audience": long } }),
        "/guidelines/audience",
    );
    check_field(
        json!({ "guidelines": { "brand": long } }),
        "/guidelines/brand",
    );
    check_field(
        json!({ "guidelines": { "must_include": vec!["a"; 21] } }),
        "/guidelines/must_include",
    );
    check_field(
        json!({ "guidelines": { "avoid": ["fine", long] } }),
        "/guidelines/avoid/1",
    );
    check_field(
        json!({ "images": [{ "id": "a b", "data": "data:," }] }),
        "/images/0/id",
    );
    check_field(json!({ "images": [{ "id": "request" }] }), "/images/0/id");
    check_field(
        json!({ "images": [{ "id": "a", "role": "nice" }] }),
        "/images/0/role",
    );
    check_field(
        json!({ "images": [{ "id": "a", "caption": long }] }),
        "/images/0/caption",
    );
    check_field(
        json!({ "images": [{ "id": "a", "filename": long }] }),
        "/images/0/filename",
    );
    check_article(json!({ "format": "pdf" }), "/article/format");
    check_article(json!({ "content": 7 }), "/article/content");
    check_article(json!({ "title": long }), "/article/title");
    check_article(json!({ "url": "javascript:alert(1)" }), "/article/url");
    check_article(
        json!({ "url": format!("https://blog.example/{}", "x".repeat(2048)) }),
        "/article/url",
    );
    check_article(json!({ "language": "en_US" }), "/article/language");
}

#[test]
fn a_field_that_is_not_known_is_named() {
    for (more, name) in [
        (json!({ "keyword": 3 }), "keyword"),
        (
            json!({ "limits": { "title_characters": 60 } }),
            "title_characters",
        ),
        (json!({ "guidelines": { "voice": "warm" } }), "voice"),
        (json!({ "images": [{ "id": "a", "alt": "x" }] }), "alt"),
    ] {
        let problem = refused(&send(&merged(fresh("Bread."), more)), Code::InvalidField);
        assert!(problem.field.unwrap().ends_with(name), "{name}");
    }
}

#[test]
fn nothing_to_read_is_told() {
    for request in [
        json!({}),
        json!({ "article": { "content": "", "format": "text" } }),
        json!({ "article": { "content": " \n\t", "format": "markdown" } }),
        json!({ "article": { "content": "<p></p><p><br></p>", "format": "html" } }),
    ] {
        println!("{request}");
        refused(&send(&request), Code::NothingToRead);
    }
}

#[test]
fn an_engine_that_is_not_here_is_told() {
    let problem = refused_at(
        &send(&merged(fresh("x"), json!({ "engine": "upstream" }))),
        Code::EngineNotOffered,
        "/engine",
    );
    assert!(problem.detail.contains("extractive"), "{}", problem.detail);
}

// The form of the message.

#[test]
fn broken_json_is_malformed_and_says_where() {
    for body in [
        "",
        "{",
        "nonsense",
        "{\"article\": nonsense}",
        "{} {}",
        "\u{feff}{}",
    ] {
        let request = shared()
            .post("/v1/summaries")
            .bearer(&shared().key)
            .body("application/json", body);
        println!("{body:?}");
        refused(&request.send(), Code::MalformedRequest);
    }
    let deep = "[".repeat(100_000);
    let answer = shared()
        .post("/v1/summaries")
        .bearer(&shared().key)
        .body("application/json", deep)
        .send();
    assert!([400, 422].contains(&answer.status), "{}", answer.text());
    let latin = b"{\"article\":{\"content\":\"caf\xe9\",\"format\":\"text\"}}".to_vec();
    let answer = shared()
        .post("/v1/summaries")
        .bearer(&shared().key)
        .body("application/json", latin)
        .send();
    assert!([400, 422].contains(&answer.status), "{}", answer.text());
}

#[test]
fn an_array_is_no_request() {
    let article = json!({ "content": "Bread.", "format": "text" });
    for request in [
        json!([article]),
        json!({ "article": ["Bread", "Bread.", "text"] }),
        json!({ "article": article, "limits": [60] }),
        json!({ "article": article, "guidelines": ["warm"] }),
        json!({ "article": article, "images": [["a"]] }),
    ] {
        println!("{request}");
        let answer = send(&request);
        let code = answer.problem().code;
        assert!(
            [Code::MalformedRequest, Code::InvalidField].contains(&code),
            "{}",
            answer.text()
        );
        refused(&answer, code);
        assert!(
            !answer.text().contains("struct"),
            "a word of the program: {}",
            answer.text()
        );
    }
}

#[test]
fn other_media_types_are_refused() {
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=x",
        "application/jsonx",
        "nonsense",
    ] {
        println!("{media_type}");
        let request = shared()
            .post("/v1/summaries")
            .bearer(&shared().key)
            .body(media_type, fresh("x").to_string());
        refused(&request.send(), Code::UnsupportedMediaType);
    }
    let request = shared().post("/v1/summaries").bearer(&shared().key);
    refused(&request.send(), Code::UnsupportedMediaType);
}

#[test]
fn a_compressed_body_is_refused() {
    for encoding in ["gzip", "br", "deflate", "zstd"] {
        println!("{encoding}");
        let request = shared()
            .summarize(&fresh("x"))
            .header("Content-Encoding", encoding);
        refused(&request.send(), Code::UnsupportedMediaType);
    }
}

#[test]
fn an_answer_exists_as_json_and_as_events_only() {
    for accept in [
        "text/html",
        "image/*",
        "application/xml;q=0.9",
        "application/json;q=0",
    ] {
        println!("{accept}");
        refused(
            &shared()
                .summarize(&fresh("x"))
                .header("Accept", accept)
                .send(),
            Code::NotAcceptable,
        );
    }
    for accept in [
        "*/*",
        "application/json",
        "application/*",
        "text/html, application/json;q=0.5",
        "application/json, text/event-stream;q=0.1",
    ] {
        let answer = shared()
            .summarize(&fresh("x"))
            .header("Accept", accept)
            .send();
        assert_eq!(answer.status, 200, "{accept}");
        assert!(
            answer
                .header("Content-Type")
                .unwrap()
                .starts_with("application/json"),
            "{accept}"
        );
    }
    let answer = shared()
        .summarize(&fresh("x"))
        .header("Accept", "text/event-stream, application/json;q=0.5")
        .send();
    assert!(
        answer
            .header("Content-Type")
            .unwrap()
            .starts_with("text/event-stream")
    );
}

#[test]
fn an_address_that_is_not_there_is_not_found() {
    for path in [
        "/v1",
        "/v2/summaries",
        "/v1/summaries/",
        "/v1/summaries/x",
        "/administrator",
        "/.env",
        "/%2e%2e/etc/passwd",
        "/v1/batches/x/y",
    ] {
        println!("{path}");
        refused(
            &shared().get(path).bearer(&shared().key).send(),
            Code::NotFound,
        );
    }
}

#[test]
fn a_method_that_is_not_there_is_told_with_those_that_are() {
    let cases = [
        ("GET", "/v1/summaries", "POST"),
        ("DELETE", "/v1/summaries", "POST"),
        ("PUT", "/v1/tokens", "POST"),
        ("POST", "/v1/usage", "GET"),
        ("DELETE", "/v1/admin/keys", "GET"),
        ("PUT", "/v1/admin/keys/x", "PATCH"),
        ("GET", "/v1/admin/keys/x/rotate", "POST"),
        ("POST", "/healthz", "GET"),
        ("DELETE", "/openapi.json", "GET"),
    ];
    for (method, path, allowed) in cases {
        println!("{method} {path}");
        let answer = shared()
            .request(method, path)
            .bearer(&shared().admin)
            .send();
        refused(&answer, Code::MethodNotAllowed);
        let allow = answer.header("Allow").expect("Allow");
        assert!(allow.contains(allowed), "Allow: {allow}");
        assert!(
            !allow.split(", ").any(|name| name == method),
            "Allow: {allow}"
        );
    }
}

#[test]
fn a_message_that_is_no_http_is_closed_without_harm() {
    use std::io::Read as _;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let mut socket = std::net::TcpStream::connect(shared().address()).unwrap();
        socket
            .set_read_timeout(Some(std::time::Duration::from_secs(120)))
            .unwrap();
        socket.write_all(bytes).unwrap();
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(shared().get("/healthz").send().status, 200);
}

#[test]
fn a_long_head_is_refused_without_harm() {
    let answer = std::panic::catch_unwind(|| {
        shared()
            .get("/healthz")
            .header("X-Long", &"x".repeat(300_000))
            .send()
            .status
    });
    assert!(answer.is_err() || answer.is_ok_and(|status| (400..500).contains(&status)));
    assert_eq!(shared().get("/healthz").send().status, 200);
}

#[test]
fn a_callers_request_id_is_kept_when_it_is_harmless() {
    let answer = shared()
        .get("/v1/usage")
        .header("X-Request-Id", "6f9619ff-8b86-d011")
        .send();
    assert_eq!(
        refused(&answer, Code::CredentialsMissing).request_id,
        "6f9619ff-8b86-d011"
    );
    for harmful in ["a\tb", &"x".repeat(1000), "{\"a\":1}", ""] {
        let answer = shared()
            .get("/v1/usage")
            .header("X-Request-Id", harmful)
            .send();
        assert_ne!(
            refused(&answer, Code::CredentialsMissing).request_id,
            harmful
        );
    }
}
