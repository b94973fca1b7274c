//! The page's languages: which one a visitor reads, and its texts, numbers and ranges.
//!
//! The texts are in `texts/*.json`: `page` stands in the document, `words` goes to the script, and says the same in the page that works
//! without it. All three files have the same keys.

use serde_json::Value;

/// A language the page speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English: for everybody else, too.
    En,
    /// Korean.
    Ko,
    /// Japanese.
    Ja,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::En, Self::Ko, Self::Ja];

    /// As HTML's `lang` has it (BCP 47).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
            Self::Ja => "ja",
        }
    }

    pub(super) const fn texts(self) -> &'static str {
        match self {
            Self::En => include_str!("texts/en.json"),
            Self::Ko => include_str!("texts/ko.json"),
            Self::Ja => include_str!("texts/ja.json"),
        }
    }

    /// The language with this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The one that `Accept-Language` likes best (RFC 9110 §12.5.4); of equals the first.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let mut best = (Self::En, "");
        for range in header.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            // Weights are written as 1, or 0 and up to three digits: without their zeros they compare as text.
            let weight = parameters.split_once('=').map_or("1", |(_, weight)| weight.trim());
            let weight = weight.trim_end_matches('0').trim_end_matches('.');
            if let Some(language) = Self::of_code(primary)
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }
}

/// The texts of one language.
pub struct Words(Value);

impl Words {
    /// Those of this language.
    #[must_use]
    pub fn of(language: Language) -> Self {
        Self(serde_json::from_str(language.texts()).unwrap_or_default())
    }

    /// A text that stands in the document.
    #[must_use]
    pub fn page(&self, key: &str) -> &str {
        self.text("page", key)
    }

    /// A text that the script has, too.
    #[must_use]
    pub fn word(&self, key: &str) -> &str {
        self.text("words", key)
    }

    fn text(&self, part: &str, key: &str) -> &str {
        self.0.get(part).and_then(|part| part.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    /// What goes to the script, as JSON.
    #[must_use]
    pub fn script(&self) -> String {
        self.0.get("words").map(Value::to_string).unwrap_or_default()
    }

    /// A wait, as `script/words.ts` says it.
    #[must_use]
    pub fn range(&self, low: u64, high: u64) -> String {
        if high <= 60 {
            return self.word("eta.soon").to_owned();
        }
        let (unit, per) = if high < 5_400 { ("minutes", 60) } else { ("hours", 1_800) };
        let (low, high) = (low / per, high.div_ceil(per));
        let kind = match low {
            0 => "upto",
            low if low == high => "about",
            _ => "range",
        };
        let count = |value: u64| match per {
            60 => value.to_string(),
            _ if value.is_multiple_of(2) => grouped(value / 2),
            _ => format!("{}.5", grouped(value / 2)),
        };
        let text = self.word(&format!("eta.{unit}.{kind}"));
        text.replace("{low}", &count(low)).replace("{high}", &count(high))
    }

    /// How long a visit lasts.
    #[must_use]
    pub fn stay(&self, seconds: u64) -> String {
        let (key, n) =
            if seconds.is_multiple_of(60) { ("stay_minutes", seconds / 60) } else { ("stay_seconds", seconds) };
        self.page(key).replace("{n}", &grouped(n))
    }
}

/// Digits in groups of three, as all three languages write them.
#[must_use]
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
