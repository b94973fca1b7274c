//! The report: on the terminal, and as one page that needs nothing else, in English and Korean.

use std::fmt::{self, Write};
use std::process::Command;
use std::time::Duration;

use xtask::paths;
use xtask::tools::{Tools, k6, monitoring};
use xtask::ui::Ui;

use super::verdicts::seconds;
use super::{Episode, Record};
use crate::chart::words::escaped;
use crate::rfc3339;
use crate::soak::check::Verdict;

const STYLE: &str = include_str!("report.css");

/// What it ran on: name and value.
#[derive(Debug, Clone)]
pub struct Machine(pub Vec<(&'static str, String)>);

impl Machine {
    pub(super) fn look() -> Self {
        let tools = Tools::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"));
        let fact = |file, name| line_of(file, name).unwrap_or_else(|| "unknown".to_owned());
        Self(vec![
            ("cores", std::thread::available_parallelism().map_or(0, usize::from).to_string()),
            ("processor", fact("/proc/cpuinfo", "model name")),
            ("memory", fact("/proc/meminfo", "MemTotal")),
            ("system", said("uname", &["-sr"])),
            ("Ropeline", said("git", &["describe", "--always", "--dirty"])),
            ("rustc", said("rustc", &["--version"])),
            ("workerd", said(&tools.workerd.display().to_string(), &["--version"])),
            ("Kafka", kafka_version()),
            ("Prometheus", format!("module {}", monitoring::PROMETHEUS)),
            ("k6", k6::K6.to_owned()),
        ])
    }
}

/// The value of the first line `name: value` of a file of the kernel's.
fn line_of(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The first line of what a program says.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(paths::root()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn kafka_version() -> String {
    let jars = std::fs::read_dir(paths::tools().join("kafka/lib")).into_iter().flatten().flatten();
    let names = jars.map(|jar| jar.file_name().to_string_lossy().into_owned());
    let version = |name: String| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned());
    names.filter_map(version).next().unwrap_or_else(|| "unknown".to_owned())
}

/// One line about an episode, for the terminal.
pub(super) fn line(episode: &Episode) -> String {
    let told = episode
        .told
        .as_ref()
        .map_or_else(String::new, |(after, text)| format!(", told after {}: {text}", seconds(Some(*after))));
    format!("seen after {}, normal {} after its end{told}", seconds(episode.seen), seconds(episode.normal))
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.verdicts {
            writeln!(f, "{verdict}")?;
        }
        writeln!(f)?;
        for bound in &self.bounds {
            writeln!(f, "{} {}: {}", if bound.holds { "holds " } else { "MISSED" }, bound.what.0, bound.measured)?;
        }
        if !self.holds() {
            writeln!(f, "\nstate and logs are in {}", self.dir.display())?;
        }
        Ok(())
    }
}

/// A text in both languages; the page shows one of them.
fn both(english: &str, korean: &str) -> String {
    format!("<span lang=\"en\">{}</span><span lang=\"ko\">{}</span>", escaped(english), escaped(korean))
}

/// A table: its head, and rows of cells that are HTML.
fn table(head: &[(&str, &str)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = "<table><thead><tr>".to_owned();
    for (english, korean) in head {
        let _ = write!(out, "<th>{}</th>", both(english, korean));
    }
    out += "</tr></thead><tbody>\n";
    for row in rows {
        out += "<tr>";
        for cell in row {
            let _ = write!(out, "<td>{cell}</td>");
        }
        out += "</tr>\n";
    }
    out + "</tbody></table>\n"
}

fn verdict(holds: bool) -> String {
    let class = if holds { "good" } else { "bad" };
    format!("<b class=\"{class}\">{}</b>", if holds { both("holds", "지켜짐") } else { both("BROKEN", "깨짐") })
}

impl Record {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let sections = [
            (("Then and now", "그때와 지금"), self.then_and_now()),
            (("The promises", "약속"), self.promises()),
            (("What else is asked", "그 밖의 요구"), self.asked()),
            (("What went wrong, and how it was seen", "무엇이 잘못되었고 어떻게 보였는가"), self.troubles()),
            (("Over time", "시간에 따라"), self.charts.concat()),
            (("Machine and versions", "장비와 버전"), self.machine()),
        ];
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>The incident, replayed · 장애 재현</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<nav>\
             <input type=\"radio\" name=\"language\" id=\"en\" checked><label for=\"en\">English</label>\
             <input type=\"radio\" name=\"language\" id=\"ko\"><label for=\"ko\">한국어</label></nav>\n<h1>{}</h1>\n<p>{}</p>\n<p>{} · {}</p>\n",
            both("The incident, replayed", "장애 재현"),
            self.summary(),
            verdict(self.holds()),
            escaped(&rfc3339(self.time.0)),
        );
        for ((english, korean), inner) in sections {
            let _ = write!(out, "<section>\n<h2>{}</h2>\n{inner}</section>\n", both(english, korean));
        }
        out + "</body>\n</html>\n"
    }

    fn summary(&self) -> String {
        let (visitors, waves, apart) = (self.visitors, self.waves, self.episodes.len());
        both(
            &format!(
                "{visitors} visitors entered at the same moment, {waves} times, and {apart} things went wrong meanwhile, one after the other, each while a wave was entering. Visitors by k6, on the real runtime, with a real Kafka and the real Prometheus, all on one machine."
            ),
            &format!(
                "{visitors}명이 같은 순간에 {waves}번 입장했고, 그동안 {apart}가지가 차례로, 매번 한 무리가 입장하는 중에 잘못되었습니다. 방문자는 k6이며, 실제 런타임, 실제 Kafka, 실제 Prometheus가 모두 한 장비에서 실행되었습니다."
            ),
        )
    }

    fn then_and_now(&self) -> String {
        let sums = &self.sums;
        let slowest = |time: fn(&Episode) -> Option<Duration>| {
            // One that never was is worse than all others.
            let all: Option<Vec<Duration>> = self.episodes.iter().map(time).collect();
            all.map_or_else(|| "never".to_owned(), |all| seconds(all.into_iter().max()))
        };
        let without = sums.visitors.saturating_sub(sums.places);
        let share = 100.0 * without as f64 / sums.visitors.max(1) as f64;
        let row = |what: String, then: String, now: String| vec![what, then, now];
        table(
            &[("", ""), ("2025-06-03", "2025-06-03"), ("here", "여기서는")],
            [
                row(
                    both("at once", "동시 입장"),
                    "7,600".to_owned(),
                    both(
                        &format!("{}, {} times", self.visitors, self.waves),
                        &format!("{}, {}번", self.visitors, self.waves),
                    ),
                ),
                row(
                    both("entries that failed", "실패한 입장"),
                    "0.03 %".to_owned(),
                    both(
                        &format!("{without} of {}: {share:.2} %", sums.visitors),
                        &format!("{} 중 {without}: {share:.2} %", sums.visitors),
                    ),
                ),
                row(
                    both("broken connections", "끊긴 연결"),
                    both("i/o timeout, EOF", "i/o timeout, EOF"),
                    both(
                        &format!(
                            "{}, and {} across the kill of the runtime; all asked again",
                            sums.broken.0, sums.broken.1
                        ),
                        &format!("{}, 런타임 강제 종료 중 {}; 모두 다시 요청", sums.broken.0, sums.broken.1),
                    ),
                ),
                row(
                    both("put off, and told when to come again", "나중에 다시 오라고 안내"),
                    "–".to_owned(),
                    both(
                        &format!("{} of {} requests", sums.put_off, sums.requests),
                        &format!("요청 {}건 중 {}건", sums.requests, sums.put_off),
                    ),
                ),
                row(
                    both("time to detect", "감지까지"),
                    both("1 min, by luck", "1분, 우연히"),
                    both(
                        &format!("{} at most", slowest(|episode| episode.seen)),
                        &format!("최대 {}", slowest(|episode| episode.seen)),
                    ),
                ),
                row(
                    both("time to recover", "복구까지"),
                    both("29 min, by hand", "29분, 수동"),
                    both(
                        &format!("{} at most", slowest(|episode| episode.normal)),
                        &format!("최대 {}", slowest(|episode| episode.normal)),
                    ),
                ),
                row(
                    both("Kafka", "Kafka"),
                    both(
                        "the producer fell behind; its buffer was changed by hand",
                        "프로듀서가 밀려 버퍼를 손으로 바꿈",
                    ),
                    both(
                        &format!("{} admissions, in order, none missing, {} repeated", sums.admitted, sums.repeats),
                        &format!("입장 {}건, 순서대로, 누락 없음, 반복 {}건", sums.admitted, sums.repeats),
                    ),
                ),
            ],
        )
    }

    fn promises(&self) -> String {
        let rows = self
            .verdicts
            .iter()
            .map(|found| vec![both(found.promise, korean(found.promise)), verdict(found.holds()), looked_at(found)]);
        table(&[("promise", "약속"), ("verdict", "판정"), ("looked at", "확인한 것")], rows)
    }

    fn asked(&self) -> String {
        let rows = self
            .bounds
            .iter()
            .map(|bound| vec![both(bound.what.0, bound.what.1), verdict(bound.holds), escaped(&bound.measured)]);
        table(&[("asked", "요구"), ("verdict", "판정"), ("measured", "측정값")], rows)
    }

    fn troubles(&self) -> String {
        let rows = (1..).zip(&self.episodes).map(|(turn, episode)| {
            let (english, korean) = episode.trouble.name();
            let told =
                episode.told.as_ref().map(|(after, text)| format!("{}: {}", seconds(Some(*after)), escaped(text)));
            vec![
                format!("{turn} {}", both(english, korean)),
                seconds(episode.seen),
                format!("<code>{}</code>", escaped(episode.trouble.sign())),
                told.unwrap_or_else(|| both("nobody", "없음")),
                seconds(episode.normal),
            ]
        });
        table(
            &[
                ("what", "무엇"),
                ("seen after", "보이기까지"),
                ("by", "무엇으로"),
                ("somebody was told", "알림"),
                ("normal after its end", "끝난 뒤 정상까지"),
            ],
            rows,
        )
    }

    fn machine(&self) -> String {
        let rows = self.machine.0.iter().map(|(name, value)| vec![both(name, korean(name)), escaped(value)]);
        table(&[("", ""), ("", "")], rows)
    }
}

/// What a verdict is about, and what breaks it.
fn looked_at(verdict: &Verdict) -> String {
    let words = |word: fn(&'static str) -> &'static str| {
        let words: Vec<String> =
            verdict.looked_at.iter().map(|(count, what)| format!("{count} {}", word(what))).collect();
        words.join(", ")
    };
    let mut out = both(&words(|what| what), &words(korean));
    for broken in verdict.broken.iter().take(10) {
        let _ = write!(out, "<br><code>{}</code>", escaped(broken));
    }
    out
}

/// In Korean.
fn korean(text: &'static str) -> &'static str {
    match text {
        "1 one true line" => "1 하나의 줄",
        "2 never backwards" => "2 뒤로 가지 않음",
        "3 same visitor, same place" => "3 같은 방문자, 같은 순번",
        "4 exact limits" => "4 정확한 한도",
        "5 answered means durable" => "5 응답한 것은 남는다",
        "6 only the admitted get in" => "6 입장한 사람만 들어감",
        "7 every admission reaches Kafka" => "7 모든 입장은 Kafka에 도달",
        "8 bounded everywhere" => "8 모든 것에 한계가 있음",
        "places" => "순번",
        "numbers voided by a crash" => "충돌로 무효가 된 번호",
        "requests" => "요청",
        "came back by their key alone" => "키만으로 돌아온 방문",
        "admissions" => "입장",
        "of them at most in a minute" => "1분 안의 최대 입장",
        "sessions at most" => "최대 동시 세션",
        "places told before a kill and asked for after it" => "강제 종료 전에 받고 그 뒤에 다시 물은 순번",
        "without a good pass were refused" => "유효한 패스 없이 거절됨",
        "records repeated" => "반복된 레코드",
        "lives of the relay" => "릴레이 실행 횟수",
        "put off" => "나중으로 미룸",
        "connections broken by a kill" => "강제 종료로 끊긴 연결",
        "cores" => "코어",
        "processor" => "프로세서",
        "memory" => "메모리",
        "system" => "시스템",
        other => other,
    }
}
