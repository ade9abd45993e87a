//! Arguments to plan to pipeline to exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use viewmart::cli::plan::{Messages, Plan, ResultForm};
use viewmart::cli::{self, Cli, Failure, Request, Resolved, Variables};
use viewmart::error::Error;
use viewmart::fs::error::OutputError;
use viewmart::interrupt::{self, Telling};
use viewmart::timing::today;
use viewmart::{console, pipeline};

/// That of musl lets one thread in at a time.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let variables = Variables::of_process();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_arguments_error(&error, &variables),
    };
    let Resolved { request, warnings } = match cli::resolve(cli, &variables, today()) {
        Ok(resolved) => resolved,
        Err(refused) => return print_failure(&Failure::from(&refused.error), refused.results),
    };
    for warning in warnings {
        console::say(format_args!("warning: {warning}"));
    }
    let form = match &request {
        Request::Execute(plan) => plan.console.results,
        Request::Print(_) | Request::WriteCompletions(..) => ResultForm::Table,
    };
    // A panic is a bug. It has printed its place; the exit code says that it was none of the documented failures.
    match std::panic::catch_unwind(|| carry_out(request)) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(error)) => print_failure(&Failure::from(&error), form),
        Err(_) => print_failure(&Failure::panic(), form),
    }
}

fn carry_out(request: Request) -> Result<u8, Error> {
    match request {
        Request::Execute(plan) => execute(&plan),
        Request::Print(text) => print(&console::escaped(&text)).map(|()| 0),
        Request::WriteCompletions(shell, folder) => {
            let files = cli::write_completions(shell, &folder)?;
            let lines: String = files.iter().map(|path| format!("{}\n", path.display())).collect();
            print(&console::escaped(&lines)).map(|()| 0)
        }
    }
}

fn execute(plan: &Plan) -> Result<u8, Error> {
    interrupt::begin(match plan.console.results {
        ResultForm::Json => Telling::Json,
        ResultForm::Table => Telling::Stderr,
    });
    let outcome = pipeline::carry_out(plan)?;
    match (plan.console.results, plan.console.messages) {
        _ if outcome.is_data() => write(&console::escaped_json(&outcome.to_json())).map_err(unwritten)?,
        (ResultForm::Json, _) => print(&console::escaped_json(&outcome.to_json()))?,
        (ResultForm::Table, Messages::Shown | Messages::Brief) => print(&console::escaped(&outcome.to_string()))?,
        (ResultForm::Table, Messages::Quiet) => {}
    }
    Ok(outcome.exit_code())
}

fn print(text: &str) -> Result<(), Error> {
    match write(text) {
        // Whoever reads stdout has read enough; the work is done.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(unwritten),
    }
}

fn write(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush())
}

fn unwritten(error: io::Error) -> Error {
    OutputError::io("/dev/stdout", "writing the results", error).into()
}

/// Words that are no command, or help.
fn print_arguments_error(error: &clap::Error, variables: &Variables) -> ExitCode {
    match Failure::of_arguments(error) {
        Some(failure) if cli::json_is_asked(std::env::args_os().skip(1), variables) => {
            print_failure(&failure, ResultForm::Json)
        }
        // The parser's own words, with its hints, in colour on a terminal.
        failure => {
            let _ = match cli::made_safe(error) {
                Some(text) => write!(io::stderr(), "{text}"),
                None => error.print(),
            };
            ExitCode::from(failure.map_or(0, |failure| failure.exit))
        }
    }
}

/// What failed and what to do next. A stderr that is gone is no reason to fail otherwise.
fn print_failure(failure: &Failure, form: ResultForm) -> ExitCode {
    let _ = write!(io::stderr(), "{failure}");
    if form == ResultForm::Json {
        let _ = io::stdout().write_all(console::escaped_json(&failure.to_json()).as_bytes());
    }
    ExitCode::from(failure.exit)
}
