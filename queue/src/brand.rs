//! How an event's waiting page looks: the setting `brand`.
//!
//! Colours are not taken on trust. An accent is a button's ground, a link and the ring around what has the focus; WCAG 2.2 AA wants
//! 4.5:1 for texts, so that is what an accent must have against the page's [`CARD`] and the [`TEXT`] of its buttons. Invariant:
//! `contrast(accent, x) >= 4.5` for both, in the light look and in the dark one.

use core::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::from_json;
use crate::json::{FromJson, Misread};
use crate::settings::is_return_url;

const LONGEST_LOGO: usize = 8 * 1_024;
const LONGEST_TEXT: usize = 200;
const LEAST_CONTRAST: f64 = 4.5;

/// A colour as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// What texts and links stand on: in the light look, and in the dark one.
pub const CARD: [Colour; 2] = [Colour([0xff; 3]), Colour([0x16, 0x1e, 0x2a])];
/// What stands on an accent: in the light look, and in the dark one.
pub const TEXT: [Colour; 2] = [Colour([0xff; 3]), Colour([0x0b, 0x17, 0x30])];

impl Colour {
    /// Reads `#rrggbb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self([part(0)?, part(2)?, part(4)?])).filter(|_| plain)
    }

    /// WCAG 2.2's relative luminance.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG 2.2's contrast ratio, 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// What it has too little contrast with in this look, if there is such a thing.
    fn too_close(self, look: usize) -> Option<Self> {
        let others = CARD.get(look).into_iter().chain(TEXT.get(look)).copied();
        others.into_iter().find(|other| self.contrast(*other) < LEAST_CONTRAST)
    }

    /// The same colour, lighter until it can be read in the dark look.
    fn lightened(self) -> Self {
        const STEPS: u16 = 16;
        let mix = |step: u16| {
            let part = |part: u8| ((u16::from(part) * (STEPS - step) + 0xff * step) / STEPS) as u8;
            Self(self.0.map(part))
        };
        (0..STEPS).map(mix).find(|colour| colour.too_close(1).is_none()).unwrap_or(Self([0xff; 3]))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromJson for Colour {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        value.as_str().and_then(Self::parse).ok_or(Misread::expected("a colour such as \"#2350d8\""))
    }
}

/// Somewhere to go from the page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    /// An `https://` address.
    pub url: String,
    /// What it is called.
    pub text: String,
}

from_json! { struct Link { url, text } }

/// The setting `brand`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Brand {
    /// Buttons, links and progress; null: ours.
    pub accent: Option<Colour>,
    /// The same in the dark look; null: the accent, lightened until it can be read.
    pub accent_dark: Option<Colour>,
    /// A picture as `data:` address.
    pub logo: Option<String>,
    /// What the picture says, for those who do not see it; empty: nothing that the name does not say.
    pub logo_alt: String,
    /// Somewhere to go.
    pub link: Option<Link>,
}

from_json! { struct Brand { accent, accent_dark, logo, logo_alt = default, link } }

impl Brand {
    pub(crate) const PARTS: &str = "accent, accent_dark, logo, logo_alt and link";

    /// The accents of the light and of the dark look, where they are not ours.
    #[must_use]
    pub fn accents(&self) -> [Option<Colour>; 2] {
        [self.accent, self.accent_dark.or_else(|| self.accent.map(Colour::lightened))]
    }

    /// This brand with what `body` says; `null` gives a part its default back.
    ///
    /// # Errors
    /// The part that is wrong, and what would fit.
    pub(crate) fn with(mut self, body: &Map<String, Value>) -> Result<Self, (String, String)> {
        for (part, value) in body {
            let at = |expected: String| (format!("brand.{part}"), expected);
            match part.as_str() {
                "accent" => self.accent = colour(value, 0).map_err(at)?,
                "accent_dark" => self.accent_dark = colour(value, 1).map_err(at)?,
                "logo" => self.logo = logo(value).map_err(at)?,
                "logo_alt" => {
                    let said = if value.is_null() { Some("") } else { said(value, 0) };
                    let expected = || at(format!("a text of at most {LONGEST_TEXT} characters in one line"));
                    self.logo_alt = said.ok_or_else(expected)?.to_owned();
                }
                "link" => self.link = link(value, self.link.take())?,
                _ => {
                    return Err(at(format!("left out: 'brand' has {}", Self::PARTS)));
                }
            }
        }
        Ok(self)
    }
}

/// `look`: 0 light, 1 dark.
fn colour(value: &Value, look: usize) -> Result<Option<Colour>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let colour = value.as_str().and_then(Colour::parse).ok_or("null or a colour such as \"#2350d8\"")?;
    match colour.too_close(look) {
        None => Ok(Some(colour)),
        Some(other) => {
            let (name, hint) = if look == 0 { ("light", "darker") } else { ("dark", "lighter") };
            // Rounded down: 4.49 is not enough, and must not look so.
            let ratio = (colour.contrast(other) * 100.0).floor() / 100.0;
            Err(format!(
                "a colour that can be read: {colour} has a contrast of {ratio}:1 with the {name} look's {other}, and needs \
                 {LEAST_CONTRAST}:1; take a {hint} one"
            ))
        }
    }
}

/// Kinds of pictures, and how their base64 begins: so a slip is found here, and not by those who wait.
const PICTURES: [(&str, &str); 4] =
    [("image/png", "iVBORw0KGgo"), ("image/webp", "UklGR"), ("image/svg+xml", "PHN2Zy"), ("image/svg+xml", "PD94bW")];

fn logo(value: &Value) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.len() > LONGEST_LOGO => {
            return Err(format!("at most {LONGEST_LOGO} characters; it has {}: make the picture smaller", text.len()));
        }
        Value::String(text) => text,
        _ => "",
    };
    let parts = text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    let is_picture = parts.is_some_and(|(kind, data)| {
        let digits = data.trim_end_matches('=');
        data.len().is_multiple_of(4)
            && data.len() - digits.len() <= 2
            && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
            && PICTURES.iter().any(|(known, begin)| kind == *known && data.starts_with(begin))
    });
    is_picture.then(|| Some(text.to_owned())).ok_or_else(|| {
        "null or a picture as \"data:image/png;base64,…\"; image/webp and image/svg+xml (beginning with <svg or <?xml) will do, too".to_owned()
    })
}

fn link(value: &Value, before: Option<Link>) -> Result<Option<Link>, (String, String)> {
    let at = |part: &str, expected: &str| (format!("brand.link{part}"), expected.to_owned());
    let body = match value {
        Value::Null => return Ok(None),
        Value::Object(body) => body,
        _ => return Err(at("", "null or an object with url and text")),
    };
    let mut link = before.unwrap_or_default();
    for (part, value) in body {
        match part.as_str() {
            "url" => link.url = value.as_str().unwrap_or_default().to_owned(),
            "text" => link.text = said(value, 1).unwrap_or_default().to_owned(),
            _ => return Err(at(&format!(".{part}"), "left out: 'link' has url and text")),
        }
    }
    if !(link.url.starts_with("https://") && is_return_url(&link.url)) {
        return Err(at(".url", "an absolute https:// address without a fragment, at most 2000 characters"));
    }
    if link.text.is_empty() {
        return Err(at(".text", &format!("a text of 1 to {LONGEST_TEXT} characters in one line")));
    }
    Ok(Some(link))
}

/// A text in one line.
fn said(value: &Value, least: usize) -> Option<&str> {
    let fits =
        |text: &&str| (least..=LONGEST_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    value.as_str().filter(fits)
}

#[cfg(test)]
mod tests;
