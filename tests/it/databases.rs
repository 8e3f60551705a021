//! A real PostgreSQL and a real Redis for a test: on loopback, on free ports, in temporary folders, ended by their pid.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::server::{Guard, eventually};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A process that ends with its owner, or with the test run.
struct Process {
    child: Child,
    guard: Guard,
}

impl Process {
    #[track_caller]
    fn start(mut command: Command, folder: &Path) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo xtask test` installs it"));
        let guard = Guard::of(&child, folder);
        Self { child, guard }
    }

    fn end(&mut self, signal: &str) {
        let _ = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
        self.guard.dismiss();
    }
}

/// A database cluster of its own.
pub(crate) struct Postgres {
    folder: TempDir,
    port: u16,
    process: Mutex<Option<Process>>,
}

/// Debian keeps them beside each other by version, the newest last.
fn postgres_tool(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|tool| tool.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

/// PostgreSQL refuses to run as root; then it runs as the user that its package made.
fn as_postgres(tool: &str) -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| {
        use std::os::unix::fs::MetadataExt as _;
        me.uid() == 0
    });
    if !is_root {
        return Command::new(postgres_tool(tool));
    }
    // It becomes that user and then the tool: its pid is the tool's.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    command.arg(postgres_tool(tool));
    command
}

#[track_caller]
fn run(mut command: Command) {
    let output = command
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo xtask test` installs it"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Postgres {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        if as_postgres("initdb").get_program() == "setpriv" {
            let mut chown = Command::new("chown");
            chown.arg("postgres").arg(folder.path());
            run(chown);
        }
        let mut initdb = as_postgres("initdb");
        initdb.args([
            "-U",
            "summaries",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
            "-D",
        ]);
        initdb.arg(folder.path().join("data"));
        run(initdb);
        let postgres = Self {
            folder,
            port: free_port(),
            process: Mutex::new(None),
        };
        postgres.resume();
        postgres
    }

    /// Starts it again where it was.
    #[track_caller]
    pub(crate) fn resume(&self) {
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(self.folder.path().join("data"));
        command.args([
            "-p",
            &self.port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]);
        command.arg("-k").arg(self.folder.path()).current_dir("/");
        *self.process.lock().unwrap() = Some(Process::start(command, self.folder.path()));
        eventually("PostgreSQL answers", || {
            let mut ready = Command::new(postgres_tool("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            ready.status().unwrap().success().then_some(())
        });
    }

    /// Ends it as a crash does.
    pub(crate) fn crash(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.end("-QUIT");
        }
    }

    /// Copies all of one database into a new one, as an operator's backup does; the new one as a TOML value.
    #[track_caller]
    pub(crate) fn restored(&self, from: &str, into: &str) -> String {
        let dump = self.folder.path().join(from);
        let port = self.port.to_string();
        let at = ["-h", "127.0.0.1", "-p", &port, "-U", "summaries"];
        let address = self.database(into);
        let mut pg_dump = Command::new(postgres_tool("pg_dump"));
        pg_dump.args(at).args(["--format=custom", "--file"]);
        pg_dump.arg(&dump).arg(from);
        run(pg_dump);
        let mut pg_restore = Command::new(postgres_tool("pg_restore"));
        pg_restore
            .args(at)
            .args(["--exit-on-error", "--dbname", into]);
        pg_restore.arg(&dump);
        run(pg_restore);
        address
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Runs statements in one of its databases, as whoever holds its password may.
    #[track_caller]
    pub(crate) fn sql(&self, database: &str, statements: &str) {
        let mut psql = Command::new(postgres_tool("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        psql.args(["-U", "summaries", "-v", "ON_ERROR_STOP=1", "-q", "-c"]);
        psql.args([statements, database]);
        run(psql);
    }

    /// Does something in a transaction that stays open until it is let go.
    #[track_caller]
    pub(crate) fn hold(&self, database: &str, statement: &str) -> Held {
        let mut psql = Command::new(postgres_tool("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        psql.args(["-U", "summaries", "-q", "-v", "ON_ERROR_STOP=1", database]);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut psql = psql.spawn().unwrap();
        let script = format!("BEGIN; {statement};\n\\echo held\n");
        let stdin = psql.stdin.as_mut().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        let mut told = [0; 4];
        let stdout = psql.stdout.as_mut().unwrap();
        stdout.read_exact(&mut told).unwrap();
        assert_eq!(&told, b"held");
        Held(psql)
    }

    /// What a statement gives, a row a line, columns separated by `|`.
    #[track_caller]
    pub(crate) fn rows(&self, database: &str, statement: &str) -> String {
        let mut psql = Command::new(postgres_tool("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        psql.args(["-U", "summaries", "-v", "ON_ERROR_STOP=1", "-A", "-t", "-c"]);
        let done = psql.args([statement, database]).output().unwrap();
        assert!(done.status.success(), "{statement}: {done:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// A new database, as a TOML value.
    #[track_caller]
    pub(crate) fn database(&self, name: &str) -> String {
        let mut create = Command::new(postgres_tool("createdb"));
        create.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            "summaries",
            name,
        ]);
        run(create);
        format!("\"postgres://summaries@127.0.0.1:{}/{name}\"", self.port)
    }
}

/// A line to a database that is cut, when it is armed, where a charge was committed and the word of it is on its way.
pub(crate) struct Cutter {
    target: SocketAddr,
    near: SocketAddr,
    armed: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    #[track_caller]
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = listener.local_addr().unwrap();
        let (armed, cuts) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (its_armed, its_cuts) = (Arc::clone(&armed), Arc::clone(&cuts));
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let Ok(database) = TcpStream::connect(target) else {
                    continue;
                };
                let committing = Arc::<AtomicBool>::default();
                let asks = (caller.try_clone().unwrap(), database.try_clone().unwrap());
                let (armed, told) = (Arc::clone(&its_armed), Arc::clone(&committing));
                std::thread::spawn(move || {
                    let mut charges = false;
                    carry(asks.0, asks.1, |words| {
                        charges |= has(words, b"INSERT INTO charges");
                        if charges && has(words, b"COMMIT") {
                            charges = false;
                            told.store(armed.swap(false, Ordering::SeqCst), Ordering::SeqCst);
                        }
                        true
                    });
                });
                let cuts = Arc::clone(&its_cuts);
                std::thread::spawn(move || {
                    carry(database, caller, |_| {
                        let cut = committing.load(Ordering::SeqCst);
                        cuts.fetch_add(usize::from(cut), Ordering::SeqCst);
                        !cut
                    });
                });
            }
        });
        Self {
            target,
            near,
            armed,
            cuts,
        }
    }

    /// A database's address, by way of this line.
    pub(crate) fn through(&self, database: &str) -> String {
        database.replace(&self.target.to_string(), &self.near.to_string())
    }

    /// The next charge's answer is lost.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

fn has(words: &[u8], wanted: &[u8]) -> bool {
    words.windows(wanted.len()).any(|word| word == wanted)
}

/// Carries what comes until an end comes, or something that does not pass.
fn carry(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 || !passes(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// An open transaction; dropped, it is rolled back.
pub(crate) struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // psql ends at the end of what it reads, and with it the transaction.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.crash();
    }
}

/// A Redis of its own that keeps nothing.
pub(crate) struct Redis {
    folder: TempDir,
    port: u16,
    process: Mutex<Option<Process>>,
}

impl Redis {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let redis = Self {
            folder: TempDir::new().unwrap(),
            port: free_port(),
            process: Mutex::new(None),
        };
        redis.resume();
        redis
    }

    /// Starts it again on its port.
    #[track_caller]
    pub(crate) fn resume(&self) {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.folder.path());
        *self.process.lock().unwrap() = Some(Process::start(command, self.folder.path()));
        eventually("Redis answers", || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Ends it as a crash does.
    pub(crate) fn crash(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.end("-KILL");
        }
    }

    /// Runs a command in it, as whoever holds its password may; what it prints.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let done = cli.args(["-p", &self.port.to_string()]).args(args);
        let done = done.output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Its address, as a TOML value.
    pub(crate) fn address(&self) -> String {
        format!("\"redis://127.0.0.1:{}\"", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.crash();
    }
}
