//! Counts tests from what test programs print.

use std::ops::Add;

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl Count {
    /// `test result: ok. 12 passed; 0 failed; …`, as libtest and the runner of
    /// wasm tests print it, and `# pass 12` and `# fail 0` of Node's; other lines count nothing.
    pub(super) fn of_line(line: &str) -> Self {
        let of_node = |head: &str| line.strip_prefix(head).and_then(|count| count.trim().parse().ok());
        if let Some(passed) = of_node("# pass ") {
            return Self { passed, failed: 0 };
        }
        if let Some(failed) = of_node("# fail ") {
            return Self { passed: 0, failed };
        }
        let Some((_, rest)) = line.split_once("test result: ") else {
            return Self::default();
        };
        let before = |word: &str| {
            let (head, _) = rest.split_once(word)?;
            head.rsplit([' ', ';']).find(|part| !part.is_empty())?.parse().ok()
        };
        Self { passed: before(" passed").unwrap_or(0), failed: before(" failed").unwrap_or(0) }
    }

    /// The whole program ended. One that failed without a failed test (it did
    /// not compile, it crashed) is a failure, and so is one that ran no test.
    pub(super) fn and_ended(self, success: bool) -> Self {
        let unseen = self.failed == 0 && (!success || self.passed == 0);
        self + Self { passed: 0, failed: u64::from(unseen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64) -> Count {
        Count { passed, failed }
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
        assert_eq!(count(5, 0).and_ended(true), count(5, 0));
        assert_eq!(count(5, 0).and_ended(false), count(5, 1));
        assert_eq!(count(5, 2).and_ended(false), count(5, 2));
        assert_eq!(count(0, 0).and_ended(true), count(0, 1));
    }
}
