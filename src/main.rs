//! Arguments to plan to pipeline to exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use viewmart::cli::plan::{Messages, ResultForm};
use viewmart::cli::{self, Cli};
use viewmart::cli::{Resolved, Variables};
use viewmart::error::{Advice as _, Error};
use viewmart::pipeline;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A panic is a bug. It has printed its place; the exit code says that it was none of the documented failures.
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            complain(&error);
            error.exit_code()
        }
        Err(_) => {
            let _ = writeln!(io::stderr(), "viewmart: this is a bug worth reporting, with the lines above");
            ExitCode::from(1)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Error> {
    let today = jiff::ZonedDateTime::now().date();
    let Resolved { plan, warnings } = cli::resolve(cli, &Variables::of_process(), today)?;
    for warning in warnings {
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
    let outcome = pipeline::carry_out(&plan)?;
    let text = match (plan.console.results, plan.console.messages) {
        (ResultForm::Json, _) => outcome.to_json(),
        (ResultForm::Table, Messages::Shown) => outcome.to_string(),
        (ResultForm::Table, Messages::Quiet) => String::new(),
    };
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        // Whoever reads stdout has read enough; the work is done.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Output { path: "/dev/stdout".into(), doing: "writing the results", source: error })
        }
        _ => Ok(ExitCode::from(outcome.exit_code())),
    }
}

/// What failed and what to do next. A stderr that is gone is no reason to fail.
fn complain(error: &Error) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "viewmart: {error}");
    if let Some(advice) = error.advice() {
        let _ = writeln!(stderr, "  next: {advice}");
    }
}
