//! Who waits for a row: people before batches, and tenants in turn.

use std::collections::{HashMap, VecDeque};

use api::Priority;

/// Waiting jobs.
#[derive(Debug)]
pub(super) struct Line<T> {
    interactive: Class<T>,
    batch: Class<T>,
}

#[derive(Debug)]
struct Class<T> {
    /// Tenants with a job that waits, whose turn is next first.
    turns: VecDeque<String>,
    jobs: HashMap<String, VecDeque<T>>,
}

impl<T> Line<T> {
    /// Nobody waits.
    pub(super) fn new() -> Self {
        Self {
            interactive: Class::new(),
            batch: Class::new(),
        }
    }

    /// Jobs that wait.
    pub(super) fn len(&self, priority: Priority) -> usize {
        self.class(priority).jobs.values().map(VecDeque::len).sum()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.interactive.turns.is_empty() && self.batch.turns.is_empty()
    }

    /// Waits behind the tenant's own.
    pub(super) fn push(&mut self, tenant: &str, priority: Priority, job: T) {
        let class = self.class_mut(priority);
        let jobs = class.jobs.entry(tenant.to_owned()).or_default();
        if jobs.is_empty() {
            class.turns.push_back(tenant.to_owned());
        }
        jobs.push_back(job);
    }

    /// Whose turn it is in a class.
    pub(super) fn next(&self, priority: Priority) -> Option<&T> {
        let class = self.class(priority);
        class.jobs.get(class.turns.front()?)?.front()
    }

    /// Takes the job whose turn it is; its tenant's next one waits behind the other tenants.
    pub(super) fn pop(&mut self, priority: Priority) -> Option<T> {
        let class = self.class_mut(priority);
        let tenant = class.turns.pop_front()?;
        let jobs = class.jobs.get_mut(&tenant)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            class.jobs.remove(&tenant);
        } else {
            class.turns.push_back(tenant);
        }
        job
    }

    /// Takes out those that need not wait any more.
    pub(super) fn leave(&mut self, gone: impl Fn(&T) -> bool) -> Vec<T> {
        let mut left = self.interactive.leave(&gone);
        left.extend(self.batch.leave(&gone));
        left
    }

    fn class(&self, priority: Priority) -> &Class<T> {
        match priority {
            Priority::Interactive => &self.interactive,
            Priority::Batch => &self.batch,
        }
    }

    fn class_mut(&mut self, priority: Priority) -> &mut Class<T> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Batch => &mut self.batch,
        }
    }
}

impl<T> Class<T> {
    fn new() -> Self {
        Self {
            turns: VecDeque::new(),
            jobs: HashMap::new(),
        }
    }

    fn leave(&mut self, gone: impl Fn(&T) -> bool) -> Vec<T> {
        let mut left = Vec::new();
        for jobs in self.jobs.values_mut() {
            let (leaving, staying) = std::mem::take(jobs)
                .into_iter()
                .partition::<Vec<T>, _>(&gone);
            left.extend(leaving);
            *jobs = staying.into();
        }
        self.jobs.retain(|_, jobs| !jobs.is_empty());
        self.turns.retain(|tenant| self.jobs.contains_key(tenant));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: Priority = Priority::Interactive;

    fn order(line: &mut Line<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| line.pop(PERSON)).collect()
    }

    #[test]
    fn tenants_take_turns_however_many_jobs_they_have() {
        let mut line = Line::new();
        for job in ["a1", "a2", "a3"] {
            line.push("a", PERSON, job);
        }
        line.push("b", PERSON, "b1");
        assert_eq!(line.next(PERSON), Some(&"a1"));
        assert_eq!(order(&mut line), ["a1", "b1", "a2", "a3"]);
        assert!(line.is_empty());
    }

    #[test]
    fn who_leaves_holds_up_nobody() {
        let mut line = Line::new();
        line.push("a", PERSON, "a1");
        line.push("b", PERSON, "b1");
        line.push("b", Priority::Batch, "b2");
        assert_eq!(line.leave(|job| *job == "a1"), ["a1"]);
        assert_eq!((line.len(PERSON), line.len(Priority::Batch)), (1, 1));
        assert_eq!(line.next(PERSON), Some(&"b1"));
    }
}
