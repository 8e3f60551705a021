//! `POST /v1/summaries`, from the accepted request to the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::{
    EngineName, EnginePreference, Event, Field, FieldValue, Started, Summary, Timings, Warning,
    WarningCode,
};
use tokio::time::Instant;

use super::finish::Finisher;
use super::{Error, Job, Service, new_id, prompt};
use crate::cache::{Failure, Found, Origin, Run};
use crate::engines::{self, Engine, Report, Sink};
use crate::intake::Intake;
use crate::queue::{self, Queue, Request};
use crate::telemetry::{CacheOutcome, Stage};

impl Service {
    /// Gives the summary; `on_event` hears what happens on the way. Dropping the future ends the work, unless another
    /// caller waits for the same answer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn summarize(
        &self,
        job: Job,
        mut on_event: impl FnMut(&Event),
    ) -> Result<Summary, Error> {
        let arrived = Instant::now();
        let engine = self.engines.pick(job.intake.request.engine)?;
        let name = engine.name();
        let found = self
            .cached_or_made(job.clone(), engine, &mut on_event)
            .await;
        let (found, degraded) = match found {
            Err(Error::Queue(queue::Error::Overloaded { .. }))
                if self.degrade && name != EngineName::Extractive =>
            {
                let engine = self.engines.pick(EnginePreference::Extractive)?;
                (self.cached_or_made(job, engine, &mut on_event).await?, true)
            }
            found => (found?, false),
        };
        if found.origin == Origin::Stored {
            retold(&found.summary).iter().for_each(&mut on_event);
        }
        Ok(answer(&found, arrived.elapsed(), degraded))
    }

    async fn cached_or_made(
        &self,
        job: Job,
        engine: Arc<dyn Engine>,
        on_event: impl FnMut(&Event),
    ) -> Result<Found, Error> {
        let address = self.address(&job, engine.as_ref());
        // From here on, also while another server makes the answer.
        let deadline = Instant::now() + self.deadline(job.intake.request.priority);
        let run = |run| self.clone().make(job, engine, deadline, run);
        let found = self
            .cache
            .get_or_run(address, deadline, on_event, run)
            .await
            .map_err(|failure| match failure {
                Failure::Run(error) => error,
                Failure::Panicked => Error::Panicked,
            })?;
        self.metrics.cache(match found.origin {
            Origin::Made => CacheOutcome::Miss,
            Origin::Joined => CacheOutcome::Joined,
            Origin::Stored => CacheOutcome::Hit,
        });
        Ok(found)
    }

    /// Queue, engine, finish. Runs on its own, for everybody who waits for this answer.
    async fn make(
        self,
        job: Job,
        engine: Arc<dyn Engine>,
        deadline: Instant,
        run: Run,
    ) -> Result<Summary, Error> {
        let cancel = run.cancel.clone();
        let work = async {
            let moderation = self.moderation(job.safety);
            if let Some(moderation) = moderation {
                moderation.check(&asked(&job.intake)).await?;
            }
            let priority = job.intake.request.priority;
            let request = Request {
                key: &job.tenant,
                priority,
                deadline,
            };
            let ticket = self
                .queue_of(engine.as_ref())?
                .enter(request, |place| run.emit(Event::Queued(place)))
                .await?;
            self.metrics.queue_wait(priority, ticket.waited);
            run.emit(Event::Started(Started {
                engine: engine.name(),
                model: engine.model().to_owned(),
            }));

            let finisher = Arc::new(Mutex::new(Finisher::new(
                &job.intake,
                engine.sees_images(),
                job.safety.mask_numbers,
            )));
            // What is moderated is told once it is known to be fine.
            let tells = moderation.is_none().then(|| run.clone());
            let writing = engine.run(
                prompt::build(&job, deadline),
                sink(&finisher, tells.clone()),
                run.cancel.clone(),
            );
            let report = tokio::time::timeout_at(deadline, writing)
                .await
                .map_err(|_| Error::Deadline(self.deadline(priority)))??;
            let waited = ticket.waited;
            drop(ticket);
            let summary = self.finished(&finisher, tells.as_ref(), engine.as_ref(), report, waited);
            if let Some(moderation) = moderation {
                moderation.check(&told(&summary)).await?;
                fields(&summary).for_each(|event| run.emit(event));
            }
            Ok(summary)
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(engines::Error::Cancelled.into()),
            answer = work => answer,
        }
    }

    fn queue_of(&self, engine: &dyn Engine) -> Result<&Queue, Error> {
        self.queue_named(engine.name())
    }

    fn finished(
        &self,
        finisher: &Mutex<Finisher>,
        run: Option<&Run>,
        engine: &dyn Engine,
        report: Report,
        waited: Duration,
    ) -> Summary {
        let began = Instant::now();
        for (stage, millis) in [
            (Stage::Queue, report.queue_ms),
            (Stage::Prefill, report.prefill_ms),
            (Stage::Decode, report.decode_ms),
        ] {
            let took = Duration::from_millis(millis.into());
            self.metrics.stage(engine.name(), stage, took);
        }
        self.metrics.tokens(engine.name(), report.usage);
        let timings = Timings {
            queue: millis(waited).saturating_add(report.queue_ms),
            prefill: report.prefill_ms,
            decode: report.decode_ms,
            total: 0,
        };
        let mut finisher = finisher.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = finisher.finish(report.candidates, report.warnings);
        if let Some(run) = run {
            finished
                .events
                .into_iter()
                .for_each(|event| run.emit(event));
        }
        self.metrics
            .stage(engine.name(), Stage::Finish, began.elapsed());
        Summary {
            engine: engine.name(),
            model: engine.model().to_owned(),
            prompt_version: engine.prompt_version().to_owned(),
            usage: report.usage,
            timings,
            ..finished.summary
        }
    }
}

/// Every output goes through the finisher at once: what a caller sees field by field is what the answer will hold.
fn sink(finisher: &Arc<Mutex<Finisher>>, run: Option<Run>) -> Sink {
    let finisher = Arc::clone(finisher);
    Arc::new(move |output| {
        let events = finisher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(output);
        if let Some(run) = &run {
            events.into_iter().for_each(|event| run.emit(event));
        }
    })
}

/// The events of an answer that is known, up to its end: who fills a page by them need not know that it was known.
#[must_use]
pub fn retold(summary: &Summary) -> Vec<Event> {
    let started = Event::Started(Started {
        engine: summary.engine,
        model: summary.model.clone(),
    });
    [started].into_iter().chain(fields(summary)).collect()
}

/// The fields of an answer, as events.
fn fields(summary: &Summary) -> impl Iterator<Item = Event> {
    // These types always serialise.
    let values = serde_json::to_value(summary).unwrap_or_default();
    Field::ALL.into_iter().filter_map(move |name| {
        let key = serde_json::to_value(name).ok()?;
        let value = values.get(key.as_str()?)?.clone();
        Some(Event::Field(FieldValue { name, value }))
    })
}

/// All words of a request.
fn asked(intake: &Intake) -> String {
    let request = &intake.request;
    let mut words: Vec<&str> = Vec::new();
    if let Some(article) = &request.article {
        words.extend(article.title.as_deref());
        words.push(&article.content);
    }
    for picture in &intake.pictures {
        let texts = [&picture.filename, &picture.caption, &picture.link];
        words.extend(texts.into_iter().flatten().map(String::as_str));
    }
    let guidelines = &request.guidelines;
    let texts = [&guidelines.tone, &guidelines.audience, &guidelines.brand];
    words.extend(texts.into_iter().flatten().map(String::as_str));
    let lists = [&guidelines.must_include, &guidelines.avoid];
    words.extend(lists.into_iter().flatten().map(String::as_str));
    words.join("\n")
}

/// All words of an answer; what is derived from others says nothing more.
fn told(summary: &Summary) -> String {
    let texts = [
        &summary.title,
        &summary.meta_description,
        &summary.slug,
        &summary.summary,
    ];
    let mut told: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
    told.extend(summary.keywords.iter().flatten().map(String::as_str));
    told.extend(
        summary
            .alt_texts
            .iter()
            .flatten()
            .map(|alt| alt.text.as_str()),
    );
    for candidate in summary.candidates.iter().flatten() {
        told.extend([
            candidate.title.as_str(),
            candidate.meta_description.as_str(),
        ]);
    }
    told.join("\n")
}

/// The answer to this caller: its own id, and what this call cost.
fn answer(found: &Found, total: Duration, degraded: bool) -> Summary {
    let made = &found.summary;
    let cached = found.origin != Origin::Made;
    // A known answer costs no tokens and no engine time.
    let (usage, timings) = if cached {
        Default::default()
    } else {
        (made.usage, made.timings)
    };
    let mut summary = Summary {
        id: new_id(),
        cached,
        usage,
        timings: Timings {
            total: millis(total),
            ..timings
        },
        ..Summary::clone(made)
    };
    if degraded {
        summary.warnings.push(Warning {
            code: WarningCode::EngineDegraded,
            field: None,
            image: None,
            detail: "The engine that was asked for is overloaded; the embedded engine answered."
                .to_owned(),
        });
    }
    summary
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
