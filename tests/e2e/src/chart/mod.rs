//! Panels as SVG.

pub(crate) mod words;

use words::{amount, clock, escaped};

/// Colours that can be told apart, also by those who see few.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#7a5195", "#555555"];
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:13px}.row{font-weight:700;font-size:16px}\
                     .axis{fill:#6e7781;font-size:10px}.large{font-size:26px;font-weight:600}.panel{fill:#fff;stroke:#d0d7de}.grid{stroke:#eaeef2}\
                     .line{fill:none;stroke-width:1.5}.band{fill:#fff1e5;stroke:#ffd8b5}";
/// Values further apart than this have a gap between them, seconds.
const GAP: f64 = 12.0;
const MARGIN: f64 = 6.0;

/// A line and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// (seconds since 1970, value), in order.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Named {
    /// The value at the end, if there is one.
    fn last(&self, end: f64) -> Option<f64> {
        self.points.last().filter(|(at, _)| end - at <= GAP).map(|(_, value)| *value)
    }
}

/// Where a panel is, and what all panels have.
pub(crate) struct Frame<'a> {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) title: &'a str,
    pub(crate) unit: &'a str,
    /// From when to when, seconds since 1970.
    pub(crate) time: (f64, f64),
    /// What is marked on the time axis.
    pub(crate) bands: &'a [Band],
}

/// A time that is marked: from when to when, seconds since 1970, and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) name: String,
}

/// The whole picture, and what it shows.
pub(crate) fn svg(width: f64, height: f64, label: &str, inner: &str) -> String {
    let label = escaped(label);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n\
         <style>{STYLE}</style>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#f6f8fa\"/>\n{inner}</svg>\n"
    )
}

fn text(class: &str, x: f64, y: f64, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\">{}</text>\n", escaped(text))
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

impl Frame<'_> {
    pub(crate) fn heading(&self) -> String {
        text("row", self.x + MARGIN, self.y + 22.0, self.title)
    }

    fn panel(&self) -> String {
        let Self { x, y, width, height, title, .. } = self;
        format!(
            "<rect class=\"panel\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>\n{}",
            x + 2.0,
            y + 2.0,
            width - 4.0,
            height - 4.0,
            text("title", x + MARGIN * 2.0, y + 20.0, title)
        )
    }

    /// The last values, large.
    pub(crate) fn numbers(&self, all: &[Named]) -> String {
        let mut out = self.panel();
        let shown: Vec<_> = all.iter().filter_map(|named| Some((&named.name, named.last(self.time.1)?))).collect();
        let wide = (self.width - MARGIN * 4.0) / shown.len().max(1) as f64;
        for (index, (name, value)) in (0_u32..).zip(&shown) {
            let x = self.x + MARGIN * 2.0 + wide * f64::from(index);
            out += &text("large", x, self.y + 62.0, &amount(*value, self.unit));
            out += &text("axis", x, self.y + 82.0, name);
        }
        if shown.is_empty() { out + &self.nothing() } else { out }
    }

    fn nothing(&self) -> String {
        text("axis", self.x + MARGIN * 2.0, self.y + self.height / 2.0 + 8.0, "nothing to show")
    }

    fn at(&self, time: f64, left: f64, right: f64) -> f64 {
        left + (time - self.time.0) / (self.time.1 - self.time.0) * (right - left)
    }

    /// Curves over time.
    pub(crate) fn lines(&self, all: &[Named]) -> String {
        let mut out = self.panel();
        let values = all.iter().flat_map(|named| named.points.iter().map(|(_, value)| *value));
        let Some(most) = values.reduce(f64::max) else { return out + &self.nothing() };
        let most = if most > 0.0 { most * 1.05 } else { 1.0 };
        let legend = 15.0 * all.len().min(4) as f64;
        let (left, right) = (self.x + 58.0, self.x + self.width - MARGIN * 2.0);
        let (top, bottom) = (self.y + 32.0, self.y + self.height - 26.0 - legend);
        let height = |value: f64| bottom - value / most * (bottom - top);
        for Band { from, to, name } in self.bands {
            let (from, to) = (self.at(*from, left, right), self.at(*to, left, right));
            let (wide, tall) = ((to - from).max(2.0), bottom - top);
            out += &format!(
                "<rect class=\"band\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\"/>\n"
            );
            out += &text("axis", from + 3.0, top + 10.0, name);
        }
        for share in [0.0, 0.5, 1.0] {
            let y = height(most * share);
            out += &format!("<path class=\"grid\" d=\"M{left:.0} {y:.1}H{right:.0}\"/>\n");
            out += &text("axis", self.x + MARGIN * 2.0, y + 3.0, &amount(most * share, self.unit));
        }
        out += &text("axis", left, bottom + 13.0, &clock(self.time.0));
        out += &text("axis", right - 44.0, bottom + 13.0, &clock(self.time.1));
        for (index, named) in all.iter().enumerate() {
            let mut path = String::new();
            let mut before = f64::NEG_INFINITY;
            for (at, value) in &named.points {
                let pen = if at - before > GAP { 'M' } else { 'L' };
                path += &format!("{pen}{:.1} {:.1}", self.at(*at, left, right), height(*value));
                before = *at;
            }
            out += &format!("<path class=\"line\" stroke=\"{}\" d=\"{path}\"/>\n", colour(index));
        }
        for (index, named) in all.iter().enumerate() {
            // Columns of four, where there are many.
            let x = self.x + MARGIN * 2.0 + (index / 4) as f64 * 130.0;
            let y = bottom + 28.0 + (index % 4) as f64 * 15.0;
            out += &format!(
                "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"10\" height=\"3\" fill=\"{}\"/>\n",
                y - 5.0,
                colour(index)
            );
            let last = named.last(self.time.1).map_or_else(|| "–".to_owned(), |value| amount(value, self.unit));
            out += &text("axis", x + 14.0, y, &format!("{}  {last}", named.name));
        }
        out
    }

    /// What was the case, and what was not: 1 and 0.
    pub(crate) fn states(&self, all: &[Named]) -> String {
        let mut out = self.panel();
        if all.is_empty() {
            return out + &self.nothing();
        }
        let (left, right) = (self.x + 150.0, self.x + self.width - MARGIN * 2.0);
        let tall = ((self.height - 60.0) / all.len() as f64).min(34.0);
        for (index, named) in (0_u32..).zip(all) {
            let y = self.y + 34.0 + tall * f64::from(index);
            out += &text("axis", self.x + MARGIN * 2.0, y + tall / 2.0 + 3.0, &named.name);
            for (at, value) in &named.points {
                let fill = if *value > 0.0 { "#009e73" } else { "#d55e00" };
                let (from, to) = (self.at(*at, left, right), self.at((at + 5.0).min(self.time.1), left, right));
                out += &format!(
                    "<rect x=\"{from:.1}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"{:.0}\" fill=\"{fill}\"/>\n",
                    to - from + 0.3,
                    tall - 4.0
                );
            }
        }
        out += &text("axis", left, self.y + self.height - 10.0, &clock(self.time.0));
        out + &text("axis", right - 44.0, self.y + self.height - 10.0, &clock(self.time.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame<'_> = Frame {
        x: 0.0,
        y: 0.0,
        width: 400.0,
        height: 210.0,
        title: "A & B",
        unit: "short",
        time: (0.0, 100.0),
        bands: &[],
    };

    fn named(points: &[(f64, f64)]) -> Named {
        Named { name: "<demo>".to_owned(), points: points.to_vec() }
    }

    #[test]
    fn a_curve_has_gaps_where_nothing_was_measured_and_its_texts_are_escaped() {
        let drawn = FRAME.lines(&[named(&[(0.0, 1.0), (5.0, 2.0), (60.0, 3.0), (65.0, 4.0)])]);
        let path = drawn.lines().find(|line| line.contains("class=\"line\"")).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 2), "{path}");
        assert!(
            drawn.contains("A &amp; B") && drawn.contains("&lt;demo&gt;  –"),
            "what ended long ago has no value now: {drawn}"
        );
    }

    #[test]
    fn what_there_is_nothing_of_is_said() {
        assert!(FRAME.lines(&[]).contains("nothing to show"));
        assert!(FRAME.numbers(&[named(&[(10.0, 7.0)])]).contains("nothing to show"), "it is of long ago");
        assert!(FRAME.states(&[]).contains("nothing to show"));
    }
}
