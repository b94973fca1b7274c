//! Plans side by side, in Markdown, with how each line is reckoned.

use super::plan::{Plan, Sale};

type Line = (&'static str, &'static str, fn(&Plan) -> String);

const LINES: [Line; 27] = [
    ("come within", "", |plan| format!("{} s", count(plan.sale.rush_seconds))),
    ("`new_users_per_minute`", "what the shop takes", |plan| count(plan.sale.per_minute)),
    ("enters a second at the opening", "2 × people / rush", |plan| whole(plan.peak)),
    ("`lanes`", "the power of two from that / 320 on, 256 at most", |plan| match plan.wanted_lanes {
        wanted if wanted > plan.lanes => format!("**{}**, of {}", plan.lanes, count(wanted)),
        _ => plan.lanes.to_string(),
    }),
    ("enters and claims a second, a lane", "(enters + 3.5 × admissions) / lanes", |plan| whole(plan.lane_requests)),
    ("isolates", "polls when nobody knows how long / 500, assumed", |plan| whole(plan.isolates)),
    ("board reads a second, each of up to 16 lanes", "an isolate asks once a second", |plan| whole(plan.reads[0])),
    ("reads a second, registry", "an isolate asks each 4 s", |plan| whole(plan.reads[1])),
    ("requests a second, line", "250 exchanges + boards + drains", |plan| whole(plan.line_requests)),
    ("places in an exchange", "enters / 250; 2,000 at most", |plan| whole(plan.batch.max(1.0))),
    ("an enter waits for its batch up to", "lanes / 250 s", |plan| format!("{:.0} ms", plan.pause_seconds * 1_000.0)),
    ("all are in after", "people / minute", |plan| format!("{:.1} h", plan.drain_seconds / 3_600.0)),
    ("polls of all, millions", "a tenth of the wait, 2 … 60 s", |plan| millions(plan.polls)),
    ("polls a second, all wait", "", |plan| whole(plan.polls_per_second)),
    ("polls a second, nobody knows how long", "people / 5 s", |plan| whole(plan.polls_unknown)),
    ("rows, millions", "1.03 an enter, 3 an admission", |plan| millions(plan.rows)),
    ("storage of a lane", "60 B a place", |plan| megabytes(plan.lane_bytes)),
    ("storage of the line", "390 B an admission; 10 GB at most", |plan| megabytes(plan.line_bytes)),
    ("dollars: enters", "", |plan| dollars(plan.dollars[0])),
    ("dollars: polls", "", |plan| dollars(plan.dollars[1])),
    ("dollars: admissions", "", |plan| dollars(plan.dollars[2])),
    ("dollars: objects in memory", "(lanes + 1) × 128 MB", |plan| dollars(plan.dollars[3])),
    ("`total_active_users`, at least", "minute × 5.5 (sessions of 300 + 30 s)", |plan| whole(plan.active)),
    ("`max_line_length`", "2 × people, 10 million at most", |plan| whole(plan.line_length)),
    ("`max_unacked`", "ten minutes without Kafka", |plan| whole(plan.unacked)),
    ("`RopelineEnterRateHigh`, enters a second", "320 × lanes", |plan| whole(plan.alarm_enters())),
    ("`RopelineEnterSlow`, s", "0.5 + lanes / 250", |plan| format!("{:.2}", plan.alarm_seconds())),
];

/// The table, and what does not fit.
#[must_use]
pub fn table(sales: &[Sale]) -> String {
    let plans: Vec<Plan> = sales.iter().map(|sale| sale.plan()).collect();
    let people: Vec<_> = sales.iter().map(|sale| format!("**{}**", count(sale.people))).collect();
    let mut text = format!("| people | | {} |\n|---|---|{}\n", people.join(" | "), "---|".repeat(plans.len()));
    for (what, how, cell) in LINES {
        let cells: Vec<_> = plans.iter().map(cell).collect();
        text += &format!("| {what} | {how} | {} |\n", cells.join(" | "));
    }
    let totals: Vec<_> = plans.iter().map(|plan| format!("**{}**", dollars(plan.total()))).collect();
    text += &format!("| dollars | | {} |\n", totals.join(" | "));
    for plan in &plans {
        for misfit in plan.misfits() {
            text += &format!("\n* {} people within {} s: {misfit}.", count(plan.sale.people), plan.sale.rush_seconds);
        }
    }
    text
}

/// With commas.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The same of what was reckoned.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn whole(number: f64) -> String {
    count(number.round() as u64)
}

fn millions(number: f64) -> String {
    format!("{:.2}", number / 1e6)
}

fn megabytes(bytes: f64) -> String {
    if bytes < 1e7 { format!("{:.1} MB", bytes / 1e6) } else { format!("{} MB", whole(bytes / 1e6)) }
}

fn dollars(amount: f64) -> String {
    format!("{amount:.2}")
}
