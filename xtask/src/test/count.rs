//! Counts tests from what test programs print.

use std::ops::Add;

/// How many tests passed and failed, and what was said of those that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) why: Vec<String>,
}

impl Add for Count {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.why.extend(other.why);
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed, why: self.why }
    }
}

impl Count {
    /// So many passed.
    pub(super) fn passed(passed: u64) -> Self {
        Self { passed, ..Self::default() }
    }

    /// One failed, for this reason.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self { failed: 1, why: vec![why.into()], ..Self::default() }
    }

    /// `test result: ok. 12 passed; 0 failed; …`, as libtest and the runner of
    /// wasm tests print it, and `# pass 12` and `# fail 0` of Node's; other lines count nothing.
    pub(super) fn of_line(line: &str) -> Self {
        let of = |passed, failed| Self { passed, failed, why: Vec::new() };
        let of_node = |head: &str| line.strip_prefix(head).and_then(|count| count.trim().parse().ok());
        if let Some(passed) = of_node("# pass ") {
            return of(passed, 0);
        }
        if let Some(failed) = of_node("# fail ") {
            return of(0, failed);
        }
        let Some((_, rest)) = line.split_once("test result: ") else {
            return Self::default();
        };
        let before = |word: &str| {
            let (head, _) = rest.split_once(word)?;
            head.rsplit([' ', ';']).find(|part| !part.is_empty())?.parse().ok()
        };
        of(before(" passed").unwrap_or(0), before(" failed").unwrap_or(0))
    }

    /// The whole program `name` ended. One that failed without a failed test (it did
    /// not compile, it crashed) is a failure, and so is one that ran no test.
    pub(super) fn and_ended(self, name: &str, success: bool) -> Self {
        match (success, self.failed, self.passed) {
            (false, 0, _) => {
                self + Self::failed(format!("{name} failed, and none of its tests did: see its output above"))
            }
            (true, 0, 0) => self + Self::failed(format!("{name} ran no test")),
            _ => self,
        }
    }
}

/// Most lines kept of one failed test.
const MOST_LINES: usize = 25;

/// Keeps what a test program says of the tests that failed, to be said again at the end, where it is looked for.
#[derive(Debug, Default)]
pub(super) struct Why {
    kept: Vec<String>,
    /// Lines of the failed test that is being told of; `None` between them.
    lines: Option<Vec<String>>,
}

impl Why {
    /// One line of the program's output: libtest tells of a failed test below `---- its name stdout ----`, Node below `not ok 3 - its name`.
    pub(super) fn line(&mut self, line: &str) {
        let of_libtest = line.starts_with("---- ") && line.ends_with(" stdout ----");
        if of_libtest || line.trim_start().starts_with("not ok ") {
            self.end();
            self.lines = Some(vec![line.to_owned()]);
        } else if line == "failures:" || line.trim_start().starts_with("ok ") || line.trim() == "..." {
            self.end();
        } else if let Some(lines) = self.lines.as_mut().filter(|lines| lines.len() < MOST_LINES && !line.is_empty()) {
            lines.push(line.to_owned());
        }
    }

    fn end(&mut self) {
        self.kept.extend(self.lines.take().map(|lines| lines.join("\n")));
    }

    /// What was kept, a text for each failed test.
    pub(super) fn kept(mut self) -> Vec<String> {
        self.end();
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64) -> Count {
        Count { passed, failed, why: Vec::new() }
    }

    #[test]
    fn the_summary_of_libtest_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.02s";
        assert_eq!(Count::of_line(line), count(12, 3));
        assert_eq!(Count::of_line("test result: ok. 1 passed; 0 failed; 0 ignored"), count(1, 0));
        assert_eq!(Count::of_line("test the_test_result ... ok"), count(0, 0));
    }

    #[test]
    fn the_summary_of_node_is_counted() {
        let lines = ["# tests 34", "# pass 32", "# fail 2", "# cancelled 0", "ok 3 - # pass 7", "# passing 9"];
        let all = lines.into_iter().map(Count::of_line).fold(count(0, 0), |a, b| a + b);
        assert_eq!(all, count(32, 2));
    }

    #[test]
    fn a_program_that_ends_badly_or_tests_nothing_is_a_failure() {
        let ended = |count: Count, success| {
            let count = count.and_ended("a program", success);
            (count.passed, count.failed, count.why.len())
        };
        assert_eq!(ended(count(5, 0), true), (5, 0, 0));
        assert_eq!(ended(count(5, 0), false), (5, 1, 1));
        assert_eq!(ended(count(5, 2), false), (5, 2, 0));
        assert_eq!(ended(count(0, 0), true), (0, 1, 1));
    }

    #[test]
    fn what_is_said_of_failed_tests_is_kept() {
        let mut why = Why::default();
        let output = concat!(
            "..F\n\nfailures:\n\n---- line::holds stdout ----\n\nthread panicked\nleft: 1\n\n---- line::goes stdout ----\ngone\n\n",
            "failures:\n    line::goes\n\ntest result: FAILED. 1 passed; 2 failed\n",
            "ok 1 - fine\nnot ok 2 - the page\n  ---\n  error: 'no'\n  ...\n# fail 1\n    not ok 1 - inside\n    ...",
        );
        output.lines().for_each(|line| why.line(line));
        assert_eq!(
            why.kept(),
            [
                "---- line::holds stdout ----\nthread panicked\nleft: 1",
                "---- line::goes stdout ----\ngone",
                "not ok 2 - the page\n  ---\n  error: 'no'",
                "    not ok 1 - inside",
            ]
        );
        let mut long = Why::default();
        long.line("not ok 1 - long");
        (0..100).for_each(|line| long.line(&format!("line {line}")));
        assert_eq!(long.kept()[0].lines().count(), MOST_LINES);
    }
}
