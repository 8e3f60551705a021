//! The story of a request, told to an engine that does as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{Article, ContentFormat, EngineName, Event, Field, SummaryRequest, WarningCode};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::engines::{Engine, EngineJob, Extractive, Output, Report, Sink, Written};

/// Writes a title after `delay`; counts its runs and those that were dropped before their end.
struct Slow {
    delay: Duration,
    runs: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
}

struct Left(Arc<AtomicUsize>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Engine for Slow {
    fn name(&self) -> EngineName {
        EngineName::Glm4v
    }
    fn model(&self) -> &str {
        "slow"
    }
    fn prompt_version(&self) -> &str {
        "1"
    }
    fn sees_images(&self) -> bool {
        true
    }
    fn ready(&self) -> bool {
        true
    }
    fn run(
        &self,
        _: EngineJob,
        sink: Sink,
        _: CancellationToken,
    ) -> BoxFuture<'_, Result<Report, engines::Error>> {
        Box::pin(async move {
            self.runs.fetch_add(1, Ordering::Relaxed);
            let left = Left(self.left.clone());
            tokio::time::sleep(self.delay).await;
            sink(Output::Language {
                tag: "en".to_owned(),
                certain: true,
            });
            sink(Output::Field(Written::Title("Rye bread".to_owned())));
            std::mem::forget(left);
            let usage = api::TokenUsage {
                prompt_tokens: 10,
                image_tokens: 0,
                completion_tokens: 5,
            };
            Ok(Report {
                usage,
                ..Report::default()
            })
        })
    }
}

struct World {
    service: Service,
    runs: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
    _directory: tempfile::TempDir,
}

impl World {
    /// One at a time, one waits, three seconds of patience.
    fn new(delay: Duration, degrade: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::for_tests(directory.path()).unwrap();
        config.queue.max_running = 1;
        config.queue.max_waiting = 1;
        config.queue.interactive_deadline_ms = 3000;
        config.degrade = degrade;
        let (runs, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let slow = Slow {
            delay,
            runs: runs.clone(),
            left: left.clone(),
        };
        let engines: Vec<Arc<dyn Engine>> = vec![Arc::new(slow), Arc::new(Extractive::new(1))];
        let runtime = tokio::runtime::Handle::current();
        let service =
            Service::new(&config, Registry::new(engines), Arc::default(), runtime).unwrap();
        Self {
            service,
            runs,
            left,
            _directory: directory,
        }
    }

    fn ask(
        &self,
        tenant: &str,
        content: &str,
    ) -> tokio::task::JoinHandle<Result<api::Summary, Error>> {
        let (service, job) = (self.service.clone(), job(tenant, content));
        tokio::spawn(async move { service.summarize(job, |_| {}).await })
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }
}

fn job(tenant: &str, content: &str) -> Job {
    let article = Article {
        content: content.to_owned(),
        format: ContentFormat::Text,
        ..Article::default()
    };
    let request = SummaryRequest {
        article: Some(article),
        fields: Some(vec![Field::Title, Field::OpenGraph]),
        candidates: Some(1),
        ..SummaryRequest::default()
    };
    Job {
        tenant: tenant.to_owned(),
        intake: Intake {
            request,
            pictures: vec![],
        },
        safety: api::Safety::default(),
    }
}

const SECOND: Duration = Duration::from_secs(1);

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_is_known_and_has_its_own_id_and_no_cost() {
    let world = World::new(SECOND, false);
    let first = world
        .ask("t", "Rye bread needs time.")
        .await
        .unwrap()
        .unwrap();
    let second = world
        .ask("t", "Rye bread needs time.")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (first.cached, second.cached, world.runs()),
        (false, true, 1)
    );
    assert_ne!(first.id, second.id);
    assert_eq!(
        (first.usage.prompt_tokens, second.usage.prompt_tokens),
        (10, 0)
    );
    assert_eq!(first.title, second.title);
}

#[tokio::test(start_paused = true)]
async fn tenants_do_not_share_answers() {
    let world = World::new(SECOND, false);
    world
        .ask("one", "Rye bread needs time.")
        .await
        .unwrap()
        .unwrap();
    assert!(
        !world
            .ask("two", "Rye bread needs time.")
            .await
            .unwrap()
            .unwrap()
            .cached
    );
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_story_in_order_and_only_of_fields_that_were_asked_for() {
    let world = World::new(SECOND, false);
    let heard = Mutex::new(Vec::new());
    let on_event = |event: &Event| heard.lock().unwrap().push(event.clone());
    world
        .service
        .summarize(job("t", "Rye bread needs time."), on_event)
        .await
        .unwrap();
    let names: Vec<String> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|event| match event {
            Event::Field(field) => format!("field {:?}", field.name),
            other => other.name().to_owned(),
        })
        .collect();
    assert_eq!(names, ["started", "field Title", "field OpenGraph"]);
}

#[tokio::test(start_paused = true)]
async fn work_stops_when_its_caller_leaves() {
    let world = World::new(SECOND, false);
    let asked = world.ask("t", "Rye bread needs time.");
    settle().await;
    assert_eq!(world.runs(), 1);
    asked.abort();
    asked.await.unwrap_err();
    settle().await;
    assert_eq!(
        world.left.load(Ordering::Relaxed),
        1,
        "the engine was let go"
    );
    assert_eq!(
        world.service.queues[0].1.depth().running,
        0,
        "and so was its place"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_engine_meets_the_deadline() {
    let world = World::new(60 * SECOND, false);
    assert_eq!(
        world.ask("t", "Rye").await.unwrap().unwrap_err(),
        Error::Deadline(3 * SECOND)
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_house_refuses_or_degrades() {
    for degrade in [false, true] {
        let world = World::new(SECOND, degrade);
        let (_one, _two) = (world.ask("t", "One"), world.ask("t", "Two"));
        settle().await;
        let third = world
            .ask("t", "Rye bread needs time more than skill.")
            .await
            .unwrap();
        if degrade {
            let summary = third.unwrap();
            assert_eq!(summary.engine, EngineName::Extractive);
            assert_eq!(
                summary.warnings.last().unwrap().code,
                WarningCode::EngineDegraded
            );
        } else {
            assert!(
                matches!(third, Err(Error::Queue(queue::Error::Overloaded { .. }))),
                "{third:?}"
            );
        }
    }
}
