//! The Redis (or Valkey) that servers share: one connection, one word on whether it answers.
//!
//! Everything that is asked is a script, which runs there alone and whole. Who is told that Redis does not answer goes on
//! with what this server knows by itself. While it is lost nobody waits for it: one task asks every second.
//!
//! A Redis that takes no writes is lost as one that is silent: it is full, loads its file, follows another, or runs a
//! script without an end. It is back when it takes a write. An error about what lies under one name is the trouble of that
//! name alone, or whoever can put something there would end all sharing. A script that it does not know any more is sent
//! again.

mod lease;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, ScriptInvocation,
    ToRedisArgs,
};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub use self::lease::Lease;
use crate::config::Config;
use crate::telemetry::Metrics;

/// How long Redis may take.
const PATIENCE: Duration = Duration::from_millis(250);
/// The most bytes of a value; longer ones are neither written nor read.
pub const MAX_BYTES: usize = 1 << 20;
/// How long a lost Redis is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// What only a Redis answers that takes writes.
static PROBE: LazyLock<Script> =
    LazyLock::new(|| Script::new("redis.call('SET', KEYS[1], '', 'PX', 1000) return 1"));

/// Words of errors by which Redis refuses whatever is asked. Its sixth version wraps them when a script meets one.
const REFUSING: [&str; 11] = [
    "OOM",
    "READONLY",
    "LOADING",
    "BUSY",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOAUTH",
    "NOPERM",
    "UNKILLABLE",
];

/// What can be asked, in Lua.
pub struct Script(redis::Script);

impl Script {
    /// Sent whole once, and by its digest from then on.
    #[must_use]
    pub fn new(lua: &str) -> Self {
        Self(redis::Script::new(lua))
    }

    /// Asks it about one name, `KEYS[1]`.
    #[must_use]
    pub fn about(&'static self, name: &str) -> Question {
        Question(self.0.key(name))
    }
}

/// A script with its name and arguments.
pub struct Question(ScriptInvocation<'static>);

impl Question {
    /// The next of `ARGV`.
    #[must_use]
    pub fn with(mut self, argument: impl ToRedisArgs) -> Self {
        self.0.arg(argument);
        self
    }
}

/// The Redis of `store.redis`; a clone is the same.
#[derive(Clone)]
pub struct Redis {
    house: Arc<House>,
    runtime: Arc<Thread>,
}

struct House {
    client: Client,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    answering: AtomicBool,
    /// Whether somebody finds out at this moment if it still answers.
    doubted: AtomicBool,
    /// When an error about one name was last logged, in seconds since `began`.
    baffled: AtomicU64,
    began: Instant,
    /// This process, and how many unique bytes it has given.
    unique: ([u8; 16], AtomicU64),
    metrics: Arc<Metrics>,
}

/// A thread of its own, so that a call may block its caller wherever it comes from.
struct Thread(Option<Runtime>);

impl Drop for Thread {
    fn drop(&mut self) {
        // Waiting for its thread would block whoever drops it, perhaps inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address holds a password.
        formatter.write_str("Redis")
    }
}

impl Redis {
    /// The Redis at `redis://:password@host:port/database`, if the configuration names one. Nothing is asked yet: a server
    /// starts also without it.
    ///
    /// # Errors
    /// When the address cannot be read, or the system gives no random bytes.
    pub fn open(config: &Config, metrics: Arc<Metrics>) -> Result<Option<Self>, String> {
        let Some(address) = &config.store.redis else {
            return Ok(None);
        };
        let client =
            Client::open(address.expose()).map_err(|error| format!("store.redis: {error}"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("redis")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let mut process = [0; 16];
        getrandom::fill(&mut process).map_err(|error| error.to_string())?;
        metrics.set_redis(true);
        let house = House {
            client,
            connection: tokio::sync::Mutex::new(None),
            answering: AtomicBool::new(true),
            doubted: AtomicBool::new(false),
            baffled: AtomicU64::new(0),
            began: Instant::now(),
            unique: (process, AtomicU64::new(0)),
            metrics,
        };
        Ok(Some(Self {
            house: Arc::new(house),
            runtime: Arc::new(Thread(Some(runtime))),
        }))
    }

    /// Whether Redis answered the last time.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.house.answering.load(Ordering::SeqCst)
    }

    /// Bytes that no other call gives, here or on another server.
    #[must_use]
    pub fn unique(&self) -> [u8; 24] {
        let (process, count) = &self.house.unique;
        let mut bytes = [0; 24];
        let (head, tail) = bytes.split_at_mut(process.len());
        head.copy_from_slice(process);
        tail.copy_from_slice(&count.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        bytes
    }

    /// The answer; `None` when Redis does not give one in time.
    pub async fn ask<T: FromRedisValue + Send + 'static>(&self, question: Question) -> Option<T> {
        let (tell, told) = oneshot::channel();
        self.begin(question, |answer| drop(tell.send(answer)));
        told.await.ok().flatten()
    }

    /// [`Redis::ask`], blocking.
    #[must_use]
    pub fn ask_blocking<T: FromRedisValue + Send + 'static>(
        &self,
        question: Question,
    ) -> Option<T> {
        let (tell, told) = sync_channel(1);
        self.begin(question, move |answer| drop(tell.send(answer)));
        told.recv().ok().flatten()
    }

    /// `tell` is dropped unheard when Redis is lost.
    fn begin<T: FromRedisValue + Send + 'static>(
        &self,
        question: Question,
        tell: impl FnOnce(Option<T>) + Send + 'static,
    ) {
        if let Some(runtime) = self.runtime.0.as_ref().filter(|_| self.is_answering()) {
            let house = Arc::clone(&self.house);
            runtime.spawn(async move { tell(house.answer(&question).await) });
        }
    }
}

impl House {
    async fn answer<T: FromRedisValue>(self: &Arc<Self>, question: &Question) -> Option<T> {
        match tokio::time::timeout(PATIENCE, self.try_answer(question)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) if is_about_one_name(&error) => self.baffled(&error),
            Ok(Err(error)) => self.lost(word(&error)).await,
            Err(_) => self.doubt(),
        }
        None
    }

    async fn try_answer<T: FromRedisValue>(&self, question: &Question) -> Result<T, RedisError> {
        let mut connection = self.connected().await?;
        question.0.invoke_async(&mut connection).await
    }

    async fn connected(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref() {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(None);
        let client = &self.client;
        let made = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(kept.insert(made).clone())
    }

    /// One answer was late. Others may have come over the same connection, and it is given up only when nothing does.
    fn doubt(self: &Arc<Self>) {
        if self.doubted.swap(true, Ordering::SeqCst) {
            return;
        }
        let house = Arc::clone(self);
        tokio::spawn(async move {
            if !house.is_there().await {
                house.lost("no answer in time").await;
            }
            house.doubted.store(false, Ordering::SeqCst);
        });
    }

    /// Says at most once a second that what lies under a name is not ours.
    fn baffled(&self, error: &RedisError) {
        let now = self.began.elapsed().as_secs() + 1;
        if self.baffled.swap(now, Ordering::Relaxed) != now {
            tracing::warn!(
                error = word(error),
                "what lies in Redis under one name is not ours; this server goes on by itself there"
            );
        }
    }

    async fn is_there(&self) -> bool {
        let probe = PROBE.about("smart-summary:probe");
        let answer = tokio::time::timeout(PATIENCE, self.try_answer::<i64>(&probe)).await;
        matches!(answer, Ok(Ok(_)))
    }

    /// Gives the connection up, and looks every second whether there is another.
    async fn lost(self: &Arc<Self>, cause: &str) {
        if !self.answering.swap(false, Ordering::SeqCst) {
            return;
        }
        self.metrics.set_redis(false);
        tracing::error!(
            error = cause,
            "Redis does not answer: this server gives out its part of each quota, and shares nothing"
        );
        let house = Arc::clone(self);
        *house.connection.lock().await = None;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                if house.is_there().await {
                    break;
                }
                *house.connection.lock().await = None;
            }
            house.answering.store(true, Ordering::SeqCst);
            house.metrics.set_redis(true);
            tracing::info!("Redis answers again: what servers share is shared again");
        });
    }
}

/// What Redis calls the error, or what kind it is. The rest of its text may name keys.
fn word(error: &RedisError) -> &str {
    error.code().unwrap_or_else(|| error.category())
}

/// Whether the error comes of what lies under the name that was asked about, and another name may be answered.
fn is_about_one_name(error: &RedisError) -> bool {
    let Some(code) = error.code() else {
        return matches!(
            error.kind(),
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse
        );
    };
    let detail = error.detail().unwrap_or_default();
    let mut words = detail.split(|letter: char| !letter.is_ascii_uppercase());
    match code {
        "WRONGTYPE" => true,
        // Whatever else goes wrong while a script runs.
        "ERR" => detail.contains("user_script") && !words.any(|word| REFUSING.contains(&word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags};
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    /// The next command's words; `None` when the caller is gone.
    fn command(from: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
        let mut number = |kind: char| {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let number: usize = line.strip_prefix(kind)?.trim_end().parse().ok()?;
            if kind == '*' {
                return Some((number, String::new()));
            }
            let mut word = vec![0; number + 2];
            from.read_exact(&mut word).ok()?;
            Some((
                number,
                String::from_utf8_lossy(&word[..number]).into_owned(),
            ))
        };
        let (words, _) = number('*')?;
        (0..words)
            .map(|_| number('$').map(|(_, word)| word))
            .collect()
    }

    /// A Redis that answers every script the same.
    fn fake_saying(answer: &'static str) -> (Redis, Arc<Metrics>) {
        fake(move |_, _| answer)
    }

    /// A Redis that answers its scripts by what `answers` gives for the connection's and the script's number.
    fn fake(
        answers: impl Fn(usize, usize) -> &'static str + Copy + Send + 'static,
    ) -> (Redis, Arc<Metrics>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut scripts = 0;
                    while let Some(words) = command(&mut reader) {
                        let answer = if words[0] == "EVALSHA" {
                            scripts += 1;
                            answers(connection, scripts)
                        } else {
                            "+OK\r\n"
                        };
                        if stream.write_all(answer.as_bytes()).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        let mut flags = Flags::default();
        let address = format!("redis://{address}");
        flags.set("store.redis", "--test", Some(address));
        let config = Config::load_from(&flags, &Environment::new()).unwrap();
        let metrics = Arc::<Metrics>::default();
        let redis = Redis::open(&config, metrics.clone()).unwrap().unwrap();
        (redis, metrics)
    }

    fn ask(redis: &Redis) -> Option<i64> {
        redis.ask_blocking(PROBE.about("name"))
    }

    #[test]
    fn one_late_answer_does_not_lose_a_redis_that_is_there() {
        // The first script is answered together with the second, which asks whether anybody is there.
        let (redis, _) = fake(|connection, script| match (connection, script) {
            (0, 1) => "",
            (0, 2) => ":7\r\n:1\r\n",
            (0, _) => ":2\r\n",
            _ => ":-1\r\n",
        });
        assert_eq!(ask(&redis), None, "it is late");
        while redis.house.doubted.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert!(redis.is_answering());
        assert_eq!(ask(&redis), Some(2), "over the same connection");
    }

    #[test]
    fn an_error_about_one_name_loses_no_redis() {
        let (redis, _) = fake(|_, script| match script {
            1 => {
                "-WRONGTYPE Operation against a key holding the wrong kind of value script: 0, on @user_script:5.\r\n"
            }
            2 => {
                "-ERR user_script:8: attempt to compare nil with number script: 0, on @user_script:8.\r\n"
            }
            3 => {
                "-ERR Error running script (call to f_0): @user_script:5: WRONGTYPE Operation against a key\r\n"
            }
            4 => "+what no script of ours says\r\n",
            _ => ":5\r\n",
        });
        for _ in 1..=4 {
            assert_eq!(ask(&redis), None);
            assert!(redis.is_answering());
        }
        assert_eq!(ask(&redis), Some(5), "over the same connection");
    }

    #[test]
    fn a_redis_that_refuses_everybody_is_lost() {
        // In the words of the seventh version, and as the sixth wraps what a script meets.
        for answer in [
            "-LOADING Redis is loading the dataset in memory\r\n",
            "-BUSY Redis is busy running a script.\r\n",
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            "-READONLY You can't write against a read only replica.\r\n",
            "-MISCONF Redis is configured to save RDB snapshots\r\n",
            "-NOAUTH Authentication required.\r\n",
            "-ERR Error running script (call to f_0): @user_script:5: -OOM command not allowed\r\n",
            "-ERR unknown command 'EVALSHA'\r\n",
        ] {
            let (redis, _) = fake_saying(answer);
            assert_eq!(ask(&redis), None, "{answer}");
            assert!(!redis.is_answering(), "{answer}");
        }
    }

    #[test]
    fn a_redis_that_is_silent_is_lost_until_it_answers_over_another_connection() {
        let (redis, metrics) = fake(|connection, _| if connection == 0 { "" } else { ":3\r\n" });
        let answering = || metrics.render().contains("smart_summary_redis_answering 1");
        assert!(answering());
        assert_eq!(ask(&redis), None);
        while redis.is_answering() {
            std::thread::yield_now();
        }
        assert!(!answering());
        assert_eq!(ask(&redis), None, "nobody waits for it");
        while !redis.is_answering() {
            std::thread::yield_now();
        }
        assert_eq!(ask(&redis), Some(3));
    }
}
