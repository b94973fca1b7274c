//! The calibration as a table, and its place in `docs/estimates.md`.

use std::fmt::Write;

use crate::judge::Score;
use crate::shapes::SHAPES;

const BEGIN: &str = "<!-- cargo xtask calibrate --write -->\n";
const END: &str = "<!-- end -->\n";

/// The table of all shapes' scores, in Markdown.
#[must_use]
pub fn table(scores: &[Score]) -> String {
    let mut text = String::from(
        "| the sale | answers | without | inside | sooner | likely off by (median) | (nine in ten) | high / low |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (shape, score) in SHAPES.iter().zip(scores) {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let cells = [
            shape.name.to_owned(),
            score.judged.to_string(),
            percent(score.silent),
            percent(score.inside),
            percent(score.early),
            percent(score.error),
            percent(score.error_90),
            format!("{:.2}", score.width),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        let (apart, inside) = score.apart;
        if apart > 0 {
            let _ = writeln!(
                text,
                "| … answers before it for waits that hold it | {apart} | | {} | | | | |",
                percent(inside)
            );
        }
    }
    text
}

/// The page with this table in the place of its old one; none when the page has no such place.
#[must_use]
pub fn put_into(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_everything_but_its_table() {
        let page = format!("one\n{BEGIN}old\n{END}two\n");
        assert_eq!(put_into(&page, "new\n"), Some(format!("one\n{BEGIN}new\n{END}two\n")));
        assert_eq!(put_into("one\n", "new\n"), None);
    }
}
