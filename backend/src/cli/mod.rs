//! The command line: flags to one call.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use (flags, configuration). Results go to standard output, all else to
//! standard error.

mod audit;
mod batch;
pub mod doctor;
#[cfg(feature = "testing")]
pub mod doors;
mod evaluate;
pub mod keys;
mod local;
pub mod migrate;
mod remote;
mod serve;
mod site;
mod summarize;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use api::Code;
use clap::{Parser, Subcommand};

use crate::config::{self, Config, Flags};
use crate::http;

/// Wrong use, as clap exits with it.
const WRONG_USE: u8 = 2;

/// Titles, descriptions, keywords and alt texts for blog posts, from an HTTP server or right here
#[derive(Debug, Parser)]
#[command(
    name = "smart-summary",
    version,
    subcommand_required = false,
    after_help = "Examples:\n  smart-summary serve\n  smart-summary summarize post.md --image hero.jpg\n  \
                  smart-summary --print-config"
)]
struct Cli {
    /// Configuration file; without it `<data-dir>/smart-summary.toml` is read when it is there
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where keys and usage are kept
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print the effective configuration and stop
    #[arg(long, global = true)]
    print_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The model in this process, or on other machines.
#[derive(Debug, clap::Args)]
struct ModelArgs {
    /// The model of `--engine glm4v`: a directory, or OWNER/NAME[@REVISION] on the hub
    #[arg(long, value_name = "DIR|HUB-ID")]
    model: Option<String>,
    /// How the model computes: auto, f32, bf16 or f16
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<String>,
    /// Quantise the model while loading: q8_0, q6k, q5k or q4k
    #[arg(long, value_name = "SCHEME")]
    quantize: Option<String>,
    /// The servers of `--engine upstream`: addresses with OpenAI's API, separated by commas
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The model that they are asked for; without it the first that they list
    #[arg(long, value_name = "NAME")]
    upstream_model: Option<String>,
}

impl ModelArgs {
    /// Lays the flags over the configuration.
    fn add_to(&self, flags: &mut Flags) {
        flags.set("glm4v.model", "--model", self.model.as_ref());
        flags.set("glm4v.dtype", "--dtype", self.dtype.as_ref());
        flags.set("glm4v.quantize", "--quantize", self.quantize.as_ref());
        flags.set("upstream.servers", "--upstream", self.upstream.as_ref());
        flags.set(
            "upstream.model",
            "--upstream-model",
            self.upstream_model.as_ref(),
        );
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests over HTTP
    Serve(serve::ServeArgs),
    /// Make, show, rotate and revoke API keys
    Keys(keys::KeysArgs),
    /// Show what was done to keys, and whether that record is whole
    Audit(audit::AuditArgs),
    /// Summarise files here, without a server
    Summarize(summarize::SummarizeArgs),
    /// Summarise many files by a server, and wait for the results
    Batch(batch::BatchArgs),
    /// Check and fill the descriptions and alt texts of a whole static site
    Site(site::SiteArgs),
    /// Summarise a corpus and write predictions to be scored
    Evaluate(evaluate::EvaluateArgs),
    /// Tell what works on this machine, and what to do about what does not
    Doctor(doctor::DoctorArgs),
    /// Bring the data directory to this version's form
    Migrate(migrate::MigrateArgs),
    /// Print the OpenAPI document
    #[command(hide = true)]
    Openapi,
    /// Print the table of settings as Markdown
    #[command(hide = true)]
    ConfigTable,
    /// Print the table of problem codes as Markdown
    #[command(hide = true)]
    ErrorTable,
}

/// Runs the process's command line.
#[must_use]
pub fn main() -> ExitCode {
    // clap prints help and faults itself and exits with 0 or 2.
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        // Whoever reads our output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let wrong_use = error.is::<config::Error>() || error.is::<WrongUse>();
            say(&format!("smart-summary: {error:#}"));
            ExitCode::from(if wrong_use { WRONG_USE } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A fault of the command line that only shows once the configuration is known.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUse(String);

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut flags = Flags {
        config: cli.config,
        data_dir: cli.data_dir,
        ..Flags::default()
    };
    match &cli.command {
        Some(Command::Serve(args)) => args.add_to(&mut flags),
        Some(Command::Summarize(args)) => args.model.add_to(&mut flags),
        Some(Command::Evaluate(args)) => args.add_to(&mut flags),
        Some(Command::Doctor(args)) => args.model.add_to(&mut flags),
        _ => {}
    }
    match &cli.command {
        Some(Command::Openapi) => return print(http::document()),
        Some(Command::ConfigTable) => return print(&settings_page()),
        Some(Command::ErrorTable) => return print(&errors_page()),
        _ => {}
    }
    let config = Config::load(&flags)?;
    if cli.print_config {
        return print(&config.print());
    }
    match cli.command {
        Some(Command::Serve(args)) => serve::run(&args, &config),
        Some(Command::Keys(args)) => keys::run(args, &config),
        Some(Command::Audit(args)) => audit::run(args, &config),
        Some(Command::Summarize(args)) => summarize::run(&args, &config),
        Some(Command::Batch(args)) => batch::run(&args),
        Some(Command::Site(args)) => site::run(args, &config),
        Some(Command::Evaluate(args)) => evaluate::run(&args, &config),
        Some(Command::Doctor(args)) => doctor::run(&args, &config),
        Some(Command::Migrate(args)) => migrate::run(&args, &config),
        Some(Command::Openapi | Command::ConfigTable | Command::ErrorTable) => {
            Ok(ExitCode::SUCCESS)
        }
        None => Err(WrongUse("no command; `smart-summary --help` lists them".to_owned()).into()),
    }
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// One line to the person at the terminal.
fn say(line: &str) {
    // There is nobody to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `docs/configuration.md`.
fn settings_page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         A later source wins: built-in value, file, environment, flags.\n\
         The file is `smart-summary.toml` in the data directory, or the one that `--config` names.\n\
         `smart-summary --print-config` prints the effective configuration.\n\
         This page is made by `smart-summary config-table`.\n\n\
         | setting | kind | built-in | environment | what it does |\n|---|---|---|---|---|\n",
    );
    for row in Config::table() {
        let cell = |text: &str| text.replace('|', "\\|");
        let _ = writeln!(
            page,
            "| `{}` | {} | `{}` | `{}` | {} |",
            row.key,
            cell(&row.kind),
            cell(&row.default),
            row.environment,
            cell(row.meaning)
        );
    }
    page
}

/// `docs/errors.md`.
fn errors_page() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Every refusal is `application/problem+json` (RFC 9457) with one of these codes, in `code`.\n\
         A code never changes its meaning; `detail` says what happened this time and what to do.\n\
         `type` is `/docs/errors#<code>`, where a running server shows the same.\n\
         This page is made by `smart-summary error-table`.\n",
    );
    for code in Code::ALL {
        let _ = write!(
            page,
            "\n## <a id=\"{code}\"></a>`{code}`\n\n{} **{}.**\n{}\n",
            code.status(),
            code.title(),
            code.explanation().trim()
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let help = command.clone().render_long_help().to_string();
            let nested = command.get_subcommands().all(|nested| {
                nested
                    .clone()
                    .render_long_help()
                    .to_string()
                    .contains("Example")
            });
            assert!(
                help.contains("Example") || (command.has_subcommands() && nested),
                "{}",
                command.get_name()
            );
        }
    }

    #[test]
    fn the_errors_page_has_an_anchor_for_each_code() {
        let page = errors_page();
        for code in Code::ALL {
            assert!(page.contains(&format!("<a id=\"{code}\"></a>")), "{code}");
        }
    }

    #[test]
    fn the_settings_page_has_a_row_for_each_setting() {
        let page = settings_page();
        assert!(page.contains("| `server.bind` |"));
        assert_eq!(
            page.lines().filter(|line| line.starts_with("| `")).count(),
            Config::table().len()
        );
    }
}
