//! The engine on a checkpoint of random weights, as the doors call it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{EngineName, Priority};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{Config, Environment, Flags};
use crate::engines::{ChatMessage, ChatPart, ChatRole, Finish};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/glm4v/tests/fixtures")
}

/// Settings of the built-in values with others over them.
fn settings(others: &[(&'static str, &str)]) -> config::Glm4v {
    let mut flags = Flags::default();
    let model = fixtures().join("checkpoint-b").display().to_string();
    let built_in = [
        ("glm4v.model", model.as_str()),
        ("glm4v.max_tokens", "1024"),
        ("glm4v.chunk", "32"),
    ];
    for (key, value) in built_in.iter().chain(others) {
        flags.set(key, "--test", Some(value));
    }
    Config::load_from(&flags, &Environment::new())
        .unwrap()
        .glm4v
}

struct Bench {
    engine: Glm4v,
    metrics: Arc<Metrics>,
}

impl Bench {
    fn new(others: &[(&'static str, &str)]) -> Self {
        let metrics = Arc::new(Metrics::default());
        let engine = Glm4v::start(&settings(others), 2, Arc::clone(&metrics)).unwrap();
        engine.wait_until_ready();
        Self { engine, metrics }
    }

    /// The text of an answer, and its report.
    async fn ask(&self, job: ChatJob) -> Result<(String, ChatReport), Error> {
        let text = Arc::new(Mutex::new(String::new()));
        let sink: TextSink = {
            let text = Arc::clone(&text);
            Arc::new(move |piece: &str| text.lock().unwrap().push_str(piece))
        };
        let report = self
            .engine
            .chat(job, sink, CancellationToken::new())
            .await?;
        let text = text.lock().unwrap().clone();
        Ok((text, report))
    }

    /// The value of a metric's line.
    fn number(&self, line: &str) -> i64 {
        let text = self.metrics.render();
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        found.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
    }

    async fn until(&self, line: &str, value: i64) {
        for _ in 0..2000 {
            if self.number(line) == value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{line} never became {value}:\n{}", self.metrics.render());
    }
}

fn job(text: &str) -> ChatJob {
    ChatJob {
        tenant: "a".to_owned(),
        messages: vec![ChatMessage::text(ChatRole::User, text)],
        max_tokens: 12,
        choosing: Choosing {
            temperature: Some(0.8),
            seed: Some(7),
            ..Choosing::default()
        },
        ..ChatJob::default()
    }
}

fn picture(name: &str) -> ChatPart {
    let bytes = std::fs::read(fixtures().join("images").join(name)).unwrap();
    ChatPart::Image {
        bytes: Bytes::from(bytes),
        media_type: "image/png",
    }
}

fn shown(name: &str, text: &str) -> ChatJob {
    let parts = vec![picture(name), ChatPart::Text(text.to_owned())];
    ChatJob {
        messages: vec![ChatMessage {
            role: ChatRole::User,
            parts,
        }],
        ..job(text)
    }
}

fn schema(job: ChatJob, schema: Value) -> ChatJob {
    ChatJob {
        format: AnswerFormat::JsonSchema(schema),
        max_tokens: 400,
        ..job
    }
}

fn bounded() -> Value {
    json!({
        "type": "object",
        "properties": {
            "title": { "type": "string", "maxLength": 20 },
            "keywords": { "type": "array", "items": { "type": "string", "maxLength": 8 }, "maxItems": 3, "uniqueItems": true },
            "alt_texts": { "type": "object", "properties": { "hero": { "type": "string", "maxLength": 12 } },
                           "required": ["hero"], "additionalProperties": false },
        },
        "required": ["title", "keywords", "alt_texts"],
        "additionalProperties": false,
    })
}

#[tokio::test]
async fn a_row_alone_is_the_row_among_others() {
    let bench = Bench::new(&[]);
    let jobs: Vec<ChatJob> = (0..6)
        .map(|index| match index % 2 {
            0 => job(&"A question about the weather. ".repeat(1 + index * 4)),
            _ => shown("exact.png", &"What is in the picture? ".repeat(index)),
        })
        .collect();
    let mut alone = Vec::new();
    for job in &jobs {
        alone.push(bench.ask(job.clone()).await.unwrap());
    }
    let together = futures_util::future::join_all(jobs.into_iter().map(|job| bench.ask(job))).await;
    for (alone, together) in alone.iter().zip(together) {
        let (text, report) = together.unwrap();
        assert_eq!((&text, report.usage), (&alone.0, alone.1.usage));
        assert!(report.usage.completion_tokens > 0);
    }
    assert!(bench.number("smart_summary_engine_step_rows_bucket{le=\"1.0\"}") > 0);
}

#[tokio::test]
async fn constrained_answers_parse_whatever_the_weights() {
    let bench = Bench::new(&[]);
    for seed in 0..6 {
        let mut job = schema(shown("exact.png", "Describe it."), bounded());
        job.choosing = Choosing {
            temperature: Some(1.5),
            top_k: Some(0),
            top_p: Some(1.0),
            seed: Some(seed),
            ..Choosing::default()
        };
        let (text, report) = bench.ask(job).await.unwrap();
        let value: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(report.finish, Finish::Stop, "{text}");
        assert!(value["title"].as_str().unwrap().chars().count() <= 20);
        let keywords = value["keywords"].as_array().unwrap();
        let different: HashSet<&str> = keywords.iter().filter_map(Value::as_str).collect();
        assert!(
            keywords.len() <= 3 && different.len() == keywords.len(),
            "{text}"
        );
        assert!(value["alt_texts"]["hero"].is_string());
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["title", "keywords", "alt_texts"],
            "as the schema has them"
        );
    }
}

#[tokio::test]
async fn a_schema_that_asks_too_much_is_refused_in_words() {
    let bench = Bench::new(&[]);
    let deep = (0..40).fold(
        json!({ "type": "string" }),
        |inner, _| json!({ "type": "array", "items": inner }),
    );
    let long = json!({ "type": "string", "description": "x".repeat(70_000) });
    let none = json!({ "type": "string", "minLength": 5, "maxLength": 3 });
    let far = json!({ "$ref": "https://example.com/schema.json" });
    for refused in [
        deep,
        long,
        none,
        far,
        json!({ "type": "nonsense" }),
        json!(true),
    ] {
        let error = bench
            .ask(schema(job("x"), refused.clone()))
            .await
            .unwrap_err();
        let Error::Unusable { detail } = &error else {
            panic!("{refused}: {error:?}");
        };
        assert!(
            detail.starts_with("the JSON Schema of the answer"),
            "{detail}"
        );
        assert!(!detail.contains('\n'), "{detail}");
    }
    bench
        .ask(schema(job("x"), json!({ "type": "boolean" })))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_thread_is_no_part_of_the_time_that_a_schema_has() {
    let bench = Bench::new(&[]);
    let threads = Arc::clone(&bench.engine.shared.threads);
    let busy = threads.acquire_many_owned(2).await.unwrap();
    let asked = bench.ask(schema(job("x"), json!({ "type": "boolean" })));
    let (answer, ()) = tokio::join!(asked, async {
        tokio::time::sleep(COMPILE * 2).await;
        drop(busy);
    });
    answer.unwrap();
}

/// Some kilobytes each: one that grows beyond its bound while it is compiled, one that does while it is followed.
#[tokio::test]
async fn a_schema_that_costs_too_much_work_is_refused_and_others_are_served() {
    let bench = Bench::new(&[]);
    let one_of_many = |place: usize| {
        let choice =
            |value: usize| json!({ "properties": { format!("p{place}"): { "const": value } } });
        json!({ "anyOf": (0..12).map(choice).collect::<Vec<_>>() })
    };
    let number = |key: usize| {
        let bounds = json!({ "type": "integer", "minimum": key, "maximum": 123_456_789 + key * 7919, "multipleOf": 7 });
        (format!("key{key}"), bounds)
    };
    let numbers: serde_json::Map<_, _> = (0..800).map(number).collect();
    for costly in [
        json!({ "type": "object", "allOf": (0..8).map(one_of_many).collect::<Vec<_>>() }),
        json!({ "type": "object", "properties": numbers }),
    ] {
        let (refused, other) = tokio::join!(
            bench.ask(schema(job("x"), costly)),
            bench.ask(schema(job("y"), json!({ "type": "boolean" })))
        );
        let refused = refused.unwrap_err();
        let Error::Unusable { detail } = &refused else {
            panic!("{refused:?}");
        };
        assert!(
            // By its work, or on a machine that has other work by its time.
            detail.starts_with("the JSON Schema of the answer cannot be followed: ")
                || detail.starts_with("the JSON Schema of the answer takes too long"),
            "{detail}"
        );
        other.unwrap();
    }
}

#[tokio::test]
async fn usage_and_the_end_are_told_exactly() {
    let bench = Bench::new(&[]);
    let mut asked = shown("exact.png", "What is this?");
    asked.choosing.temperature = Some(0.0);
    let (text, report) = bench.ask(asked.clone()).await.unwrap();
    let (usage, image) = (report.usage, report.usage.image_tokens);
    assert!(image > 0 && usage.prompt_tokens > 0 && usage.completion_tokens <= 12);
    let without = bench.ask(job("What is this?")).await.unwrap().1.usage;
    // The markers around the picture.
    assert_eq!(
        (without.image_tokens, without.prompt_tokens + 2),
        (0, usage.prompt_tokens)
    );
    let end = text.chars().nth(3).unwrap().to_string();
    asked.stop = vec![end.clone()];
    let (stopped, report) = bench.ask(asked).await.unwrap();
    assert_eq!(Some(stopped.as_str()), text.split(&end).next());
    assert_eq!(report.finish, Finish::Stop);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused_with_its_numbers() {
    let bench = Bench::new(&[]);
    let error = bench.ask(job(&"word ".repeat(3000))).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLong {
                answer: 12,
                max: 1024,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn who_does_not_say_how_long_gets_what_is_left() {
    let bench = Bench::new(&[("glm4v.max_tokens", "256")]);
    let asked = |shrinks| ChatJob {
        max_tokens: 1024,
        shrinks,
        format: AnswerFormat::JsonSchema(json!({ "type": "string", "minLength": 900 })),
        ..job("Tell a story.")
    };
    let (_, report) = bench.ask(asked(true)).await.unwrap();
    assert_eq!(report.finish, Finish::Length);
    assert_eq!(
        report.usage.prompt_tokens + report.usage.completion_tokens,
        256
    );
    let error = bench.ask(asked(false)).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error:?}");
}

#[tokio::test]
async fn a_line_of_its_own_is_told_as_time_in_a_queue() {
    let bench = Bench::new(&[("glm4v.rows", "1")]);
    let long = || ChatJob {
        max_tokens: 100,
        format: AnswerFormat::JsonSchema(json!({ "type": "string", "minLength": 900 })),
        ..job("A long one.")
    };
    let (first, second) = tokio::join!(bench.ask(long()), bench.ask(long()));
    let (first, second) = (first.unwrap().1, second.unwrap().1);
    let (first, second) = match first.queue_ms < second.queue_ms {
        true => (first, second),
        false => (second, first),
    };
    assert!(second.queue_ms >= first.decode_ms, "{first:?} {second:?}");
}

#[tokio::test]
async fn who_leaves_frees_the_row_within_a_step() {
    let bench = Bench::new(&[]);
    let long = ChatJob {
        max_tokens: 800,
        // Nothing ends it but leaving.
        format: AnswerFormat::JsonSchema(json!({ "type": "string", "minLength": 780 })),
        ..job("Tell a story.")
    };
    // Each leaving hears its own answer: a word of the first would end the second unasked.
    let heard = || {
        let told = Arc::new(tokio::sync::Notify::new());
        let sink: TextSink = {
            let told = Arc::clone(&told);
            Arc::new(move |_: &str| told.notify_one())
        };
        (told, sink)
    };
    // Once by the token, once by dropping the future.
    let cancel = CancellationToken::new();
    let (told, sink) = heard();
    let answer = bench.engine.chat(long.clone(), sink, cancel.clone());
    let (answer, ()) = tokio::join!(answer, async {
        told.notified().await;
        cancel.cancel();
    });
    assert_eq!(answer.unwrap_err(), Error::Cancelled);
    bench
        .until("smart_summary_engine_answers_total{end=\"cancelled\"}", 1)
        .await;
    let (told, sink) = heard();
    {
        let answer = bench.engine.chat(long, sink, CancellationToken::new());
        tokio::pin!(answer);
        tokio::select! {
            _ = &mut answer => panic!("it was not done"),
            () = told.notified() => {}
        }
    }
    bench
        .until("smart_summary_engine_answers_total{end=\"cancelled\"}", 2)
        .await;
    bench.until("smart_summary_engine_rows", 0).await;
    bench
        .until("smart_summary_engine_memory_bytes{what=\"rows\"}", 0)
        .await;
}

#[tokio::test]
async fn who_leaves_costs_not_one_more_step() {
    let bench = Bench::new(&[]);
    let decoded = "smart_summary_engine_tokens_total{stage=\"decode\"}";
    let long = ChatJob {
        max_tokens: 800,
        format: AnswerFormat::JsonSchema(json!({ "type": "string", "minLength": 780 })),
        ..job("Tell a story.")
    };
    let (pieces, left) = (Arc::new(Mutex::new(0)), CancellationToken::new());
    let sink: TextSink = {
        let (pieces, left) = (Arc::clone(&pieces), left.clone());
        Arc::new(move |_: &str| {
            let mut pieces = pieces.lock().unwrap();
            *pieces += 1;
            if *pieces == 20 {
                left.cancel();
            }
        })
    };
    let answer = bench.engine.chat(long, sink, left).await;
    assert_eq!(answer.unwrap_err(), Error::Cancelled);
    bench
        .until("smart_summary_engine_answers_total{end=\"cancelled\"}", 1)
        .await;
    bench.until("smart_summary_engine_rows", 0).await;
    assert_eq!(*pieces.lock().unwrap(), 20, "nothing was written after it");
    // The warm-up wrote a few tokens too; a piece may be of several tokens.
    let decoded = bench.number(decoded);
    assert!(decoded < 300, "{decoded} tokens of 800");
}

/// Places for eight rows, and memory for one.
fn memory_of_one_row() -> Bench {
    let free = settings(&[]);
    let demand = Plan::of(&free, Fetch::Nothing).unwrap().demand(&free);
    let one = demand.row(1024).to_string();
    Bench::new(&[("glm4v.kv_bytes", &one), ("glm4v.rows", "8")])
}

/// Needs most of a row's memory.
fn large() -> ChatJob {
    ChatJob {
        max_tokens: 700,
        format: AnswerFormat::JsonSchema(
            json!({ "type": "string", "minLength": 280, "maxLength": 300 }),
        ),
        ..job("A long one.")
    }
}

#[tokio::test]
async fn a_request_waits_for_memory_though_a_place_is_free() {
    let bench = memory_of_one_row();
    let (first, second, ()) = tokio::join!(
        bench.ask(large()),
        bench.ask(large()),
        bench.until("smart_summary_engine_waiting{priority=\"interactive\"}", 1)
    );
    assert_eq!(first.unwrap().1.finish, Finish::Stop);
    assert_eq!(second.unwrap().1.finish, Finish::Stop);
    let steps = |most: &str| {
        bench.number(&format!(
            "smart_summary_engine_step_rows_bucket{{le=\"{most}\"}}"
        ))
    };
    assert_eq!(steps("1.0"), steps("+Inf"), "never two rows at a time");
}

#[tokio::test]
async fn no_mark_of_the_template_is_ever_written() {
    let bench = Bench::new(&[]);
    for seed in 0..4 {
        let mut asked = job("Think about it.");
        asked.max_tokens = 300;
        asked.choosing = Choosing {
            temperature: Some(2.0),
            top_k: Some(0),
            top_p: Some(1.0),
            seed: Some(seed),
            ..Choosing::default()
        };
        let (text, _) = bench.ask(asked).await.unwrap();
        for mark in ["think>", "_of_box|>", "<|", "answer>"] {
            assert!(!text.contains(mark), "{mark}: {text}");
        }
    }
    let loaded = &bench.engine.shared.loaded;
    for mark in ["<think>", "</think>", "<|begin_of_box|>", "<|end_of_box|>"] {
        let ids = 0..loaded.tokenizer.vocab_size() as u32;
        let mut ids = ids.filter(|id| loaded.tokenizer.token_bytes(*id) == mark.as_bytes());
        let id = ids.next().unwrap_or_else(|| panic!("no {mark}"));
        assert!(loaded.forbidden.contains(&id), "{mark}");
    }
}

#[tokio::test]
async fn what_comes_again_is_computed_once_for_each_tenant() {
    let bench = Bench::new(&[]);
    let system = ChatMessage::text(
        ChatRole::System,
        "Answer in one short sentence, and say nothing else. ".repeat(4),
    );
    let asked = |tenant: &str, text: &str| {
        let mut job = shown("exact.png", text);
        job.messages.insert(0, system.clone());
        job.tenant = tenant.to_owned();
        job
    };
    let lines = ["prefix", "picture"].map(|what| {
        ["hit", "miss"].map(|end| {
            format!("smart_summary_engine_reuse_total{{what=\"{what}\",outcome=\"{end}\"}}")
        })
    });
    let counts = || {
        lines
            .clone()
            .map(|pair| pair.map(|line| bench.number(&line)))
    };
    let before = counts();
    let first = bench.ask(asked("a", "One?")).await.unwrap();
    let again = bench.ask(asked("a", "One?")).await.unwrap();
    let other = bench.ask(asked("b", "One?")).await.unwrap();
    assert_eq!((&first.0, first.1.usage), (&again.0, again.1.usage));
    assert_eq!(first.0, other.0);
    let after = counts();
    // The second found both; the other tenant found nothing of the first's.
    let grown: Vec<i64> = after
        .iter()
        .flatten()
        .zip(before.iter().flatten())
        .map(|(a, b)| a - b)
        .collect();
    assert_eq!(grown, [1, 2, 1, 2]);
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn a_fault_costs_only_the_request_that_it_is_in() {
    let bench = Bench::new(&[]);
    let asked = |text: &str| match text {
        "[mask panics]" => schema(job(text), bounded()),
        "[picture panics]" => shown("exact.png", text),
        _ => job(text),
    };
    let jobs = [
        "One?",
        "[step panics]",
        "Two?",
        "[step fails]",
        "Three?",
        "[row panics]",
        "[picture panics]",
        "Four?",
        "[prompt panics]",
        "[mask panics]",
    ];
    let answers = futures_util::future::join_all(jobs.map(|text| bench.ask(asked(text)))).await;
    for (text, answer) in jobs.iter().zip(answers) {
        assert_eq!(answer.is_err(), text.starts_with('['), "{text}: {answer:?}");
    }
    bench.ask(job("Five?")).await.unwrap();
    let restarts = bench.number("smart_summary_engine_restarts_total{}");
    assert_eq!(restarts, 0, "each panic was contained where it was");
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn a_picture_is_seen_once_more_when_what_is_kept_has_given_way() {
    let bench = Bench::new(&[]);
    let prefixes = "smart_summary_engine_memory_bytes{what=\"prefixes\"}";
    let system = ChatMessage::text(ChatRole::System, "Answer in one short sentence. ".repeat(9));
    let mut first = job("One?");
    first.messages.insert(0, system);
    bench.ask(first).await.unwrap();
    assert!(bench.number(prefixes) > 0);
    bench
        .ask(shown("exact.png", "[picture fails once]"))
        .await
        .unwrap();
    bench.until(prefixes, 0).await;
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn a_panic_before_the_first_answer_is_tried_again() {
    let metrics = Arc::new(Metrics::default());
    let mut shared = Glm4v::load(&settings(&[]), 2, metrics).unwrap();
    shared.settings.retry = Duration::from_millis(1);
    shared.first_fault = Mutex::new(Some(Fault::Panic));
    let engine = Glm4v::with(shared).unwrap();
    engine.wait_until_ready();
    assert!(engine.ready());
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn an_engine_that_stands_still_is_started_anew() {
    let bench = Bench::new(&[("glm4v.stall_seconds", "1"), ("glm4v.rows", "8")]);
    let stuck =
        futures_util::future::join_all((0..5).map(|_| bench.ask(job("[step stalls]")))).await;
    assert!(
        stuck
            .iter()
            .all(|answer| matches!(answer, Err(Error::Failed { .. }))),
        "{stuck:?}"
    );
    assert_eq!(
        bench.number("smart_summary_engine_restarts_total{}"),
        1,
        "{stuck:?}"
    );
    bench.engine.wait_until_ready();
    bench.ask(job("One?")).await.unwrap();
}

#[tokio::test]
async fn a_batch_never_takes_all_places() {
    let bench = Bench::new(&[("glm4v.rows", "2")]);
    let endless = |priority| ChatJob {
        priority,
        max_tokens: 300,
        format: AnswerFormat::JsonSchema(json!({ "type": "string", "minLength": 280 })),
        ..job("A long one.")
    };
    let batches =
        futures_util::future::join_all((0..3).map(|_| bench.ask(endless(Priority::Batch))));
    let person = async {
        bench
            .until("smart_summary_engine_waiting{priority=\"batch\"}", 2)
            .await;
        bench.ask(job("Quick?")).await.unwrap();
        bench.number("smart_summary_engine_waiting{priority=\"batch\"}")
    };
    let (batches, waiting) = tokio::join!(batches, person);
    assert!(batches.iter().all(Result::is_ok));
    assert!(waiting > 0, "the person was answered before the batch was");
}

#[tokio::test]
async fn a_batch_does_not_take_the_memory_that_a_person_waits_for() {
    let bench = memory_of_one_row();
    let small = ChatJob {
        priority: Priority::Batch,
        ..job("A short one.")
    };
    let order = Mutex::new(Vec::new());
    let ask = async |name: &'static str, job: ChatJob| {
        bench.ask(job).await.unwrap();
        order.lock().unwrap().push(name);
    };
    let batch = async {
        bench
            .until("smart_summary_engine_waiting{priority=\"interactive\"}", 1)
            .await;
        ask("batch", small).await;
    };
    tokio::join!(ask("person", large()), ask("another", large()), batch);
    let order = order.into_inner().unwrap();
    assert_eq!(order[1], "batch", "not before a person was done: {order:?}");
}

#[tokio::test]
async fn a_long_prompt_is_read_beside_a_row_that_writes() {
    let bench = Bench::new(&[]);
    let writer = ChatJob {
        max_tokens: 900,
        format: AnswerFormat::JsonSchema(json!({ "type": "string", "minLength": 880 })),
        ..job("Tell a story.")
    };
    let (told, left) = (
        Arc::new(tokio::sync::Notify::new()),
        CancellationToken::new(),
    );
    let sink: TextSink = {
        let told = Arc::clone(&told);
        Arc::new(move |_: &str| told.notify_one())
    };
    let two_rows = || {
        let upto = |rows: &str| {
            bench.number(&format!(
                "smart_summary_engine_step_rows_bucket{{le=\"{rows}\"}}"
            ))
        };
        upto("2.0") - upto("1.0")
    };
    let answer = bench.engine.chat(writer, sink, left.clone());
    let (answer, ()) = tokio::join!(answer, async {
        told.notified().await;
        let mut long = job(&"A word, and another one. ".repeat(65));
        long.max_tokens = 1;
        let (_, report) = bench.ask(long).await.unwrap();
        let prompt = report.usage.prompt_tokens;
        assert!(prompt > 700, "{prompt} tokens");
        // Each of them gave the row that writes a token too.
        assert_eq!(two_rows(), i64::from(prompt.div_ceil(32)));
        left.cancel();
    });
    assert_eq!(answer.unwrap_err(), Error::Cancelled, "it was not done");
}

#[test]
fn what_cannot_be_served_is_one_line() {
    let start = |others: &[(&'static str, &str)]| {
        let engine = Glm4v::start(&settings(others), 1, Arc::default());
        engine.map(|_| ()).unwrap_err().to_string()
    };
    let empty = tempfile::tempdir().unwrap();
    let cases: [(&[(&str, &str)], &str); 5] = [
        (
            &[("glm4v.model", empty.path().to_str().unwrap())],
            "config.json: ",
        ),
        (
            &[("glm4v.model", "/nowhere")],
            "glm4v.model: /nowhere is no directory",
        ),
        (
            &[("glm4v.dtype", "int3")],
            "glm4v.dtype: \"int3\" is none of",
        ),
        (
            &[("glm4v.quantize", "q1")],
            "glm4v.quantise: `q1` is none of",
        ),
        (
            &[("glm4v.kv_bytes", "64")],
            "one request of glm4v.max_tokens = 1024 tokens takes",
        ),
    ];
    for (others, part) in cases {
        let line = start(others);
        assert!(line.contains(part) && !line.contains('\n'), "{line}");
    }
    assert!(
        Glm4v::describe(&settings(&[]))
            .unwrap()
            .starts_with("checkpoint-b on the ")
    );
}

#[tokio::test]
async fn it_says_who_it_is() {
    let bench = Bench::new(&[]);
    assert_eq!(
        (bench.engine.name(), bench.engine.model()),
        (EngineName::Glm4v, "checkpoint-b")
    );
    assert!(bench.engine.sees_images() && bench.engine.ready());
}
