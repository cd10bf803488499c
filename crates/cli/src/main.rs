//! The one binary: arguments, environment, configuration and rendering.

mod admin;
mod advice;
mod configuration_file;
mod duration;
mod environment;
mod failure;
mod hand;
mod logging;
mod proxies;
mod serving;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::clear_ambient_capability_set;

use crate::environment::Environment;
use crate::failure::{Exit, Failure, report, warn};

/// Secrets manager for Oracle Cloud: a vault that speaks OCI's protocol, and the hand that takes
/// secrets to applications
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole vault for development: tenancy, administrator, key and a sample secret
    Dev(serving::dev::DevArguments),
    /// Run the server
    Serve(serving::serve::ServeArguments),
    /// Answer this machine's processes out of a cache of secrets
    Agent(serving::agent::AgentArguments),
    /// Serve a machine's metadata to its processes, so that they act as the machine
    Imds(serving::imds::ImdsArguments),
    /// Create the tenancy of a server and print its administrator's key, once
    Init(serving::init::InitArguments),
    /// Check and export the audit log
    Audit(serving::audit::AuditArguments),
    /// Print a secret's value
    Get(hand::get::GetArguments),
    /// Run a command with secrets in its environment, in place of the references that stand there
    Run(hand::run::RunArguments),
    /// Make a file of a template with secrets, private from birth and whole at any instant
    Render(hand::render::RenderArguments),
    /// Become the command of `run`, and end when it ends
    #[command(hide = true)]
    Launch(hand::run::LaunchArguments),
    /// Store a value as a secret's new version, read from standard input or a file
    Put(hand::put::PutArguments),
    /// List the secrets of a vault
    Ls(hand::ls::LsArguments),
    /// List the versions of a secret
    Versions(hand::versions::VersionsArguments),
    /// Make a secret whose content the vault generates
    Generate(hand::generate::GenerateArguments),
    /// Rotate a secret by its target system, or by generating content
    Rotate(hand::life::RotateArguments),
    /// Make the pending version of a secret the current one, or the version that is named
    Promote(hand::life::PromoteArguments),
    /// Make the previous version of a secret the current one again
    Rollback(hand::life::RollbackArguments),
    /// Schedule the deletion of a secret, or of the version that is named
    ///
    /// OCI deletes no secret at once: it waits 1 to 30 days, and the secret cannot be read meanwhile.
    /// To replace a value, do not delete the secret: applications would fail until it is made anew,
    /// under another OCID. Store a new version instead (`strongroom put`, or `strongroom put
    /// --stage pending` and `strongroom promote`): the OCID stays, the old version is kept, and
    /// `strongroom rollback` returns to it. To retire a secret without downtime, stop its readers first;
    /// `strongroom restore` takes the deletion back until its time has come.
    Rm(hand::life::RmArguments),
    /// Take back the scheduled deletion of a secret, or of the version that is named
    Restore(hand::life::RestoreArguments),
    /// Say whether rotations retire a secret's previous version when its consumers have moved on
    Retire(hand::retire::RetireArguments),
    /// Explain why a request was refused, and which statement would allow it
    Why(hand::why::WhyArguments),
    /// Find out why a secret cannot be read
    ///
    /// Walks the tree of causes, cheapest first: what lies on this machine, the way to the service,
    /// who asks, the secret, the rights, the key. Reads the content only to see whether it can be read,
    /// and never shows it. Prints what was checked, the fault with its certainty, and what repairs it.
    /// Ends with 5 if there is a fault.
    Doctor(advice::doctor::DoctorArguments),
    /// Check policies, and what they decide
    Policy(advice::policy::PolicyArguments),
    /// Plan how long to cache secrets: requests, price and age of values for each TTL
    ///
    /// Replays reads through the cache that applications use: an even rate, a trace, or an audit log.
    /// Ends with 5 if the TTL is not below the interval in which the secrets rotate.
    Plan(Box<advice::plan::PlanArguments>),
    /// Find in code and policies what should not be there
    Lint(advice::lint::LintArguments),
    /// Explain a finding of `lint`, or a fault of `doctor`
    Explain(advice::explain::ExplainArguments),
    /// Turn a development server's clock, look at a token
    Admin(admin::AdminArguments),
    /// Show whom the other commands would call, as whom, and what says so
    Config(hand::config::ConfigArguments),
    /// Print the environment that points a client at the development server
    Env(hand::env::EnvArguments),
}

/// How long is waited for what is being written when all else is done.
const LAST_WRITES_TIME: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    shut_out_core_files();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse_usage(&error),
    };
    logging::hide_panic_messages();
    if let Command::Launch(launch) = &arguments.command {
        return conclude(Err(hand::run::launch(launch)));
    }
    if matches!(arguments.command, Command::Agent(_)) {
        keep_capabilities();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let environment = Environment::read();
            // Behind a pointer that hides its type: for each way to drive a future, the program would
            // hold all commands once more.
            let command: Pin<Box<dyn Future<Output = _>>> =
                Box::pin(run(arguments.command, &environment));
            let outcome = runtime.block_on(command);
            // What is being written to a pipe that nobody reads would be waited for without end.
            runtime.shutdown_timeout(LAST_WRITES_TIME);
            outcome
        }
        Err(error) => Err(Failure::new(Exit::Defect, "no-runtime", "cannot start the runtime")
            .because(error.to_string())),
    };
    conclude(outcome)
}

/// Any command may hold a value. The command of `run` is as its user has it: exec takes this back, and
/// the limit on core files stays as it is.
fn shut_out_core_files() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn("core-files", "core files and debuggers are not shut out", &error.to_string());
    }
}

/// What a unit gives the agent beyond its user's rights is not for the commands that it runs. The threads
/// that begin later do without as well.
fn keep_capabilities() {
    if let Err(error) = clear_ambient_capability_set() {
        warn("capabilities", "commands have the capabilities of the agent", &error.to_string());
    }
}

fn conclude(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_told {
                report(&failure);
            }
            failure.exit.code()
        }
    }
}

#[expect(clippy::cognitive_complexity, reason = "one arm for each command")]
async fn run(command: Command, environment: &Environment) -> Result<(), Failure> {
    match command {
        Command::Dev(arguments) => serving::dev::run(arguments, environment).await,
        Command::Serve(arguments) => serving::serve::run(&arguments, environment).await,
        Command::Audit(arguments) => serving::audit::run(&arguments, environment).await,
        Command::Init(arguments) => serving::init::run(&arguments, environment).await,
        Command::Get(arguments) => hand::get::run(&arguments, environment).await,
        Command::Run(arguments) => hand::run::run(&arguments, environment).await,
        Command::Render(arguments) => hand::render::run(&arguments, environment).await,
        Command::Launch(arguments) => Err(hand::run::launch(&arguments)),
        Command::Put(arguments) => hand::put::run(&arguments, environment).await,
        Command::Ls(arguments) => hand::ls::run(&arguments, environment).await,
        Command::Versions(arguments) => hand::versions::run(&arguments, environment).await,
        Command::Generate(arguments) => hand::generate::run(&arguments, environment).await,
        Command::Rotate(arguments) => hand::life::rotate(&arguments, environment).await,
        Command::Promote(arguments) => hand::life::promote(&arguments, environment).await,
        Command::Rollback(arguments) => hand::life::rollback(&arguments, environment).await,
        Command::Rm(arguments) => hand::life::rm(&arguments, environment).await,
        Command::Restore(arguments) => hand::life::restore(&arguments, environment).await,
        Command::Retire(arguments) => hand::retire::run(&arguments, environment).await,
        Command::Why(arguments) => hand::why::run(&arguments, environment).await,
        Command::Doctor(arguments) => advice::doctor::run(&arguments, environment).await,
        Command::Policy(arguments) => advice::policy::run(&arguments, environment).await,
        Command::Plan(arguments) => advice::plan::run(&arguments, environment).await,
        Command::Lint(arguments) => advice::lint::run(&arguments, environment).await,
        Command::Agent(arguments) => serving::agent::run(arguments, environment).await,
        Command::Imds(arguments) => serving::imds::run(arguments, environment).await,
        Command::Admin(arguments) => admin::run(arguments, environment).await,
        Command::Config(arguments) => hand::config::run(&arguments, environment).await,
        Command::Explain(arguments) => advice::explain::run(&arguments),
        Command::Env(arguments) => hand::env::run(&arguments, environment),
    }
}

/// Help and version are no failures, and go to standard output.
fn refuse_usage(error: &clap::Error) -> ExitCode {
    drop(error.print());
    if error.use_stderr() { Exit::Usage.code() } else { ExitCode::SUCCESS }
}
