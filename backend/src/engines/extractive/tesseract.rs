//! What is written on a picture, read by Tesseract where it is installed.
//!
//! A program of its own in a process of its own: a picture on which it stumbles costs that picture's words and nothing
//! else. Command line and table are those of Tesseract's manual, section "TSV".

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use extractive::is_han;
use tokio_util::sync::CancellationToken;

/// Tesseract's names of the languages that are read.
const ENGLISH: &str = "eng";
const CHINESE: &str = "chi_sim";
/// How sure the program has to be of a word, in percent: below, it sees letters in leaves and shadows.
const SURE: f32 = 70.0;
/// Its output is read so far; a page of dense print has a tenth of it.
const MOST_BYTES: u64 = 1 << 20;
/// How often a reading that lasts is asked whether somebody still waits for it.
const LOOK: Duration = Duration::from_millis(50);
/// A program that does not even list its languages in this time is none.
const LIST_TIME: Duration = Duration::from_secs(10);

/// The program, as it was found at the start.
#[derive(Debug, Clone)]
pub(crate) struct Tesseract {
    program: String,
    chinese: bool,
}

impl Tesseract {
    /// The program of this name or path, when it is there and reads English.
    pub(crate) fn find(program: &str) -> Option<Self> {
        let mut command = Command::new(program);
        command.arg("--list-langs");
        let until = Instant::now() + LIST_TIME;
        let output = ask(command, &[], until, &CancellationToken::new()).ok()?;
        let listed = |language: &str| output.lines().any(|line| line.trim() == language);
        listed(ENGLISH).then(|| Self {
            program: program.to_owned(),
            chinese: listed(CHINESE),
        })
    }

    /// The lines that are written on `picture` (a whole file in a format of the intake), from above; empty when there are
    /// none, and when nobody waits any longer (`until`, `cancel`) or the program cannot read the file.
    pub(crate) fn read(
        &self,
        picture: &[u8],
        language: &str,
        until: Instant,
        cancel: &CancellationToken,
    ) -> String {
        let mut command = Command::new(&self.program);
        let chinese = self.chinese && language.starts_with("zh");
        let languages = if chinese {
            [ENGLISH, CHINESE].join("+")
        } else {
            ENGLISH.to_owned()
        };
        // Mode 11 finds words wherever they stand, as in charts and on signs.
        command
            .args(["stdin", "stdout", "-l", &languages, "--psm", "11", "tsv"])
            // One thread: the places of the engine are threads.
            .env("OMP_THREAD_LIMIT", "1");
        match ask(command, picture, until, cancel) {
            Ok(table) => lines(&table),
            Err(cause) => {
                tracing::debug!(%cause, "Tesseract read nothing");
                String::new()
            }
        }
    }
}

/// What the command writes when it is given `input`. It is ended at `until`, by `cancel`, and behind [`MOST_BYTES`].
fn ask(
    mut command: Command,
    input: &[u8],
    until: Instant,
    cancel: &CancellationToken,
) -> io::Result<String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut running = Running(command.spawn()?);
    let (stdin, stdout) = (running.0.stdin.take(), running.0.stdout.take());
    let (done, output) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A program that has seen enough closes its end; what it says then still counts.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input);
            }
        });
        scope.spawn(move || {
            let mut text = Vec::new();
            let read = stdout.map_or(Ok(0), |stdout| {
                stdout.take(MOST_BYTES).read_to_end(&mut text)
            });
            let _ = done.send(read.map(|_| text));
        });
        let text = running.wait_for(&output, until, cancel);
        // Whatever it still does, it does in vain; and both threads end with it.
        running.end();
        Ok(String::from_utf8_lossy(&text?).into_owned())
    })
}

/// A process that does not outlive whoever started it.
struct Running(Child);

impl Running {
    fn wait_for(
        &mut self,
        output: &mpsc::Receiver<io::Result<Vec<u8>>>,
        until: Instant,
        cancel: &CancellationToken,
    ) -> io::Result<Vec<u8>> {
        loop {
            match output.recv_timeout(LOOK) {
                Ok(text) => {
                    let text = text?;
                    // Its output has ended, so it has, or it is about to.
                    return if text.len() as u64 == MOST_BYTES || self.0.wait()?.success() {
                        Ok(text)
                    } else {
                        Err(io::Error::other("the program failed"))
                    };
                }
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => {
                    return Err(io::Error::other("nobody waits"));
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// The words of a table that are sure enough, joined to the lines in which they stand.
fn lines(table: &str) -> String {
    let mut text = String::new();
    let mut last = None;
    for row in table.lines() {
        let cells: Vec<&str> = row.split('\t').collect();
        // level, page, block, paragraph, line, word, left, top, width, height, confidence, text
        let ["5", page, block, paragraph, line, _, _, _, _, _, sure, word] = cells[..] else {
            continue;
        };
        let word = word.trim();
        if !word.contains(char::is_alphanumeric) || sure.parse().is_ok_and(|sure: f32| sure < SURE)
        {
            continue;
        }
        let place = Some((page, block, paragraph, line));
        if last.is_some() {
            let between = if last != place {
                "\n"
            } else if text.ends_with(is_han) && word.starts_with(is_han) {
                ""
            } else {
                " "
            };
            text += between;
        }
        text += word;
        last = place;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";

    fn row(line: &str, sure: &str, word: &str) -> String {
        format!("5\t1\t1\t1\t{line}\t1\t0\t0\t9\t9\t{sure}\t{word}\n")
    }

    #[test]
    fn words_that_are_sure_stand_in_their_lines() {
        let table = [
            HEAD.to_owned(),
            "4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t\n".to_owned(),
            row("1", "96.1", "Bread"),
            row("1", "91", "sales"),
            row("1", "12.5", "~fog"),
            row("1", "95", "|"),
            row("2", "88", "2025"),
        ]
        .concat();
        assert_eq!(lines(&table), "Bread sales\n2025");
    }

    #[test]
    fn no_space_stands_between_chinese_characters() {
        let table = [
            row("1", "90", "面包"),
            row("1", "90", "销量"),
            row("1", "90", "K8s"),
        ]
        .concat();
        assert_eq!(lines(&table), "面包销量 K8s");
    }

    #[test]
    fn what_is_no_table_has_no_words() {
        for other in ["", "\n\t\t", "Segmentation fault", "5\t1\t1"] {
            assert_eq!(lines(other), "", "{other}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_or_is_another_is_not_found() {
        assert!(Tesseract::find("/nowhere/tesseract").is_none());
        assert!(Tesseract::find("true").is_none());
    }

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("600");
        command
    }

    #[test]
    fn a_program_that_lasts_is_ended_at_its_time() {
        let until = Instant::now() + LOOK;
        let kind = ask(sleeper(), b"x", until, &CancellationToken::new())
            .unwrap_err()
            .kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_program_is_ended_when_nobody_waits() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let until = Instant::now() + Duration::from_secs(600);
        let cause = ask(sleeper(), b"x", until, &cancel).unwrap_err();
        assert_eq!(cause.to_string(), "nobody waits");
    }

    #[test]
    fn more_than_a_pipe_holds_goes_in_and_comes_out() {
        let input = vec![b'a'; 300_000];
        let until = Instant::now() + Duration::from_secs(600);
        let output = ask(
            Command::new("cat"),
            &input,
            until,
            &CancellationToken::new(),
        )
        .unwrap();
        assert_eq!(output.len(), input.len());
    }

    #[test]
    fn output_without_end_is_cut() {
        let until = Instant::now() + Duration::from_secs(600);
        let output = ask(Command::new("yes"), &[], until, &CancellationToken::new()).unwrap();
        assert_eq!(output.len() as u64, MOST_BYTES);
    }
}
