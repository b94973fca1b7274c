//! `docs/cli.md` and the program know the same commands, options and exit codes.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};
use ropeline::event_file::EventFile;
use ropeline::failure::EXIT_CODES;
use ropeline::options::Cli;

const DOCUMENT: &str = include_str!("../../docs/cli.md");

/// Every command that does something, with its whole name.
fn leaves(command: &Command, name: &str) -> Vec<(String, Command)> {
    let inner: Vec<&Command> = command.get_subcommands().filter(|command| command.get_name() != "help").collect();
    if inner.is_empty() {
        return vec![(name.to_owned(), command.clone())];
    }
    inner.into_iter().flat_map(|inner| leaves(inner, &format!("{name} {}", inner.get_name()))).collect()
}

/// What stands under the heading of a command.
fn section(command: &str) -> &'static str {
    let heading = format!("### `{command}`\n");
    let (_, rest) = DOCUMENT.split_once(&heading).unwrap_or_else(|| panic!("docs/cli.md has no {heading}"));
    rest.split("\n### ").next().unwrap_or_default()
}

#[test]
fn every_command_is_documented_with_an_example_and_no_other_is() {
    let commands = leaves(&Cli::command(), "ropeline");
    let known: BTreeSet<&str> = commands.iter().map(|(name, _)| name.as_str()).collect();
    let headings = DOCUMENT.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    assert_eq!(headings.collect::<BTreeSet<_>>(), known);
    for name in known {
        // What takes nothing is its own example.
        let takes_nothing = ["ropeline events list", "ropeline keys new"].contains(&name);
        assert!(takes_nothing || section(name).contains(&format!("{name} ")), "no example of {name}");
    }
}

#[test]
fn every_option_is_documented() {
    let mut options = 0;
    for (name, command) in leaves(&Cli::command(), "ropeline") {
        let of_all = ["help", "version"];
        for option in command.get_arguments().filter_map(clap::Arg::get_long).filter(|long| !of_all.contains(long)) {
            options += 1;
            assert!(
                section(&name).contains(&format!("--{option}")) || option == "file",
                "{name} --{option} is not documented"
            );
        }
    }
    for option in Cli::command().get_arguments().filter_map(clap::Arg::get_long) {
        options += 1;
        assert!(DOCUMENT.contains(&format!("| `--{option}")), "--{option} is not documented");
    }
    assert!(options > 15, "only {options} options were found");
}

#[test]
fn the_exit_codes_are_the_documented_ones() {
    let (_, table) = DOCUMENT.split_once("### Exit codes").expect("exit codes");
    let rows: Vec<&str> =
        table.lines().skip_while(|line| !line.starts_with("| 0")).take_while(|line| line.starts_with("| ")).collect();
    let known = EXIT_CODES.map(|(code, means)| format!("| {code} | {means} |"));
    assert_eq!(rows, known);
}

#[test]
fn the_event_file_that_is_shown_can_be_applied() {
    let (_, rest) = DOCUMENT.split_once("```toml\n").expect("an event file");
    let text = rest.split("```").next().unwrap_or_default();
    let file = EventFile::read("cli.md", text).expect("an event file");
    assert_eq!((file.event.as_str(), file.settings.len()), ("spring-sale", 8));
}

#[test]
fn the_workflow_for_ones_own_ci_calls_what_there_is() {
    use clap::Parser as _;
    let workflow = include_str!("../../ops/ci/load.yml");
    let calls: Vec<&str> = workflow
        .lines()
        .map(|line| line.trim().trim_start_matches("run: "))
        .filter(|line| line.starts_with("ropeline "))
        .map(|line| line.split(['|', '#']).next().unwrap_or_default())
        .collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    for call in calls {
        let call = call.replace("\"$EVENT\"", "ci-1-1");
        Cli::try_parse_from(call.split_whitespace()).unwrap_or_else(|error| panic!("{call}: {error}"));
    }
    // `bash` fails a pipe of which the first part failed; the shell that is the default does not.
    assert!(workflow.contains("| tee") && workflow.contains("shell: bash"));
}
