//! `ropeline-draw`: recomputes every position of a draw from its published proof.
//!
//! Standard output is CSV (`number,position`), standard error says whether the proof holds. The exit status is
//!
//! | status | means |
//! |---|---|
//! | 0 | the proof holds |
//! | 1 | it does not: the seed is not the one committed to, or the ticket says otherwise |
//! | 2 | the command line is wrong |
//! | 3 | proof or ticket cannot be read |

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Parser};
use ropeline_draw::{Proof, ProofError};
use ropeline_queue::{Number, Position};

/// Recomputes the draw of an event from its published proof (GET /queue/events/{event}/draw).
///
/// Whatever is asked, first the seed is checked against the commitment that was published before the draw.
/// Exit status: 0 the proof holds, 1 it does not, 2 wrong command line, 3 proof or ticket cannot be read.
#[derive(Parser)]
#[command(version, group(ArgGroup::new("what").required(true).multiple(true)))]
struct Options {
    /// The proof, JSON; '-' is standard input
    #[arg(default_value = "-")]
    proof: PathBuf,
    /// Only check the commitment
    #[arg(long, group = "what", conflicts_with_all = ["all", "number", "position"])]
    check: bool,
    /// The position of this number; may be repeated
    #[arg(long, group = "what", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    number: Vec<u64>,
    /// The number at this position; may be repeated
    #[arg(long, group = "what", value_name = "P", value_parser = clap::value_parser!(u64).range(1..))]
    position: Vec<u64>,
    /// Everybody who took part in the draw, by number
    #[arg(long, group = "what", conflicts_with_all = ["number", "position"])]
    all: bool,
    /// A ticket, or a file with one: was it given under this commitment, and which position has it?
    #[arg(long, group = "what", value_name = "JWT|FILE")]
    ticket: Option<String>,
}

/// What went wrong, with the exit status it has.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough: `ropeline-draw --all | head`.
        Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ropeline-draw: {failure}");
            ExitCode::from(match failure {
                Failure::Proof(error) if error.is_untrue() => 1,
                _ => 3,
            })
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let proof = Proof::read(&read(&options.proof)?)?;
    let draw = &proof.draw;
    eprintln!("'{}': the seed is the one committed to, {}; {} drawn", proof.event, proof.commitment, draw.count());
    let mut rows = Vec::new();
    if let Some(ticket) = &options.ticket {
        rows.push(proof.of_ticket(&ticket_text(ticket)?)?);
        eprintln!("the ticket was given under this commitment, or after the draw");
    }
    let numbers = options.number.iter().map(|number| Number(*number));
    rows.extend(numbers.map(|number| (number, draw.position(number))));
    let positions = options.position.iter().map(|position| Position(*position));
    rows.extend(positions.map(|position| (draw.number(position), position)));
    if rows.is_empty() && !options.all {
        return Ok(());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    writeln!(out, "number,position")?;
    for (number, position) in rows {
        writeln!(out, "{number},{position}")?;
    }
    if options.all {
        for number in (1..=draw.count()).map(Number) {
            writeln!(out, "{number},{}", draw.position(number))?;
        }
    }
    Ok(out.flush()?)
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|source| Failure::Read { path: path.to_owned(), source })
}

/// A compact JWS has two dots and only characters of base64url: anything else is the name of a file.
fn ticket_text(ticket: &str) -> Result<String, Failure> {
    let looks_like_one = ticket.matches('.').count() == 2
        && ticket.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && !Path::new(ticket).exists();
    if looks_like_one { Ok(ticket.to_owned()) } else { read(Path::new(ticket)) }
}
