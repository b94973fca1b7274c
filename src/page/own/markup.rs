//! Tags and texts of a page, each with where it begins. A strict reader: what browsers would mend is refused.

use super::Wrong;

/// One part of the text.
pub enum Token<'t> {
    /// `<!doctype html>`
    Doctype(&'t str),
    /// `<!-- … -->`
    Comment,
    /// `<name …>`
    Open(Tag<'t>),
    /// `</name>`: the name, and as it was written.
    Close(String, &'t str),
    /// What is between tags.
    Text(&'t str),
}

/// A tag that opens an element.
pub struct Tag<'t> {
    /// Its name, in lower case.
    pub name: String,
    /// As it was written.
    pub raw: &'t str,
    /// In order.
    pub attributes: Vec<Attribute<'t>>,
}

/// One attribute.
pub struct Attribute<'t> {
    /// Where its name begins.
    pub at: usize,
    /// Its name, in lower case.
    pub name: String,
    /// As it was written between the quotes; none without `=`.
    pub value: Option<&'t str>,
}

/// Goes over a text.
pub struct Markup<'t> {
    text: &'t str,
    at: usize,
}

fn wrong<T>(at: usize, what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong(at, what.into()))
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

impl<'t> Markup<'t> {
    pub const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> &'t str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'t str {
        let length = self.rest().bytes().take_while(|byte| fits(*byte)).count();
        self.take(length)
    }

    /// The next part, and where it begins.
    pub fn next(&mut self) -> Result<Option<(usize, Token<'t>)>, Wrong> {
        let (at, rest) = (self.at, self.rest());
        if rest.is_empty() {
            return Ok(None);
        }
        if !rest.starts_with('<') {
            let text = self.take(rest.find('<').unwrap_or(rest.len()));
            return Ok(Some((at, Token::Text(text))));
        }
        let token = if let Some(comment) = rest.strip_prefix("<!--") {
            match comment.find("-->") {
                // Browsers see the end of a comment in these, too.
                Some(end)
                    if !comment.starts_with(['>', '-'])
                        && !comment.get(..end).is_some_and(|text| text.contains("--")) =>
                {
                    self.take("<!--".len() + end + "-->".len());
                    Token::Comment
                }
                Some(_) => {
                    return wrong(at, "a comment with '--' in it, or beginning with '>' or '-'; write it without");
                }
                None => return wrong(at, "a comment that is never closed; end it with -->"),
            }
        } else if rest.starts_with("<!") {
            const DOCTYPE: &str = "<!doctype html>";
            if !rest.get(..DOCTYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(DOCTYPE)) {
                return wrong(at, "'<!' begins a comment or <!doctype html>, nothing else");
            }
            Token::Doctype(self.take(DOCTYPE.len()))
        } else if rest.starts_with("</") {
            self.take("</".len());
            let name = self.take_while(is_name).to_ascii_lowercase();
            self.space();
            if name.is_empty() || !self.rest().starts_with('>') {
                return wrong(at, "'</' without a name and '>'; write </name>");
            }
            self.take(1);
            Token::Close(name, self.text.get(at..self.at).unwrap_or_default())
        } else {
            Token::Open(self.open(at)?)
        };
        Ok(Some((at, token)))
    }

    /// All up to the end tag of an element that has no markup in it, which began at `open`.
    pub fn raw_text(&mut self, name: &str, open: usize) -> Result<(usize, &'t str), Wrong> {
        let (at, rest) = (self.at, self.rest());
        let end = rest
            .match_indices("</")
            .map(|(end, _)| end)
            .find(|end| rest.get(end + 2..end + 2 + name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)));
        match end {
            Some(end) => Ok((at, self.take(end))),
            None => wrong(open, format!("<{name}> is never closed; write </{name}>")),
        }
    }

    fn space(&mut self) -> bool {
        !self.take_while(|byte| byte.is_ascii_whitespace()).is_empty()
    }

    fn open(&mut self, at: usize) -> Result<Tag<'t>, Wrong> {
        self.take("<".len());
        let name = self.take_while(is_name).to_ascii_lowercase();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return wrong(at, "'<' without a name behind it; write &lt; for the sign itself");
        }
        let unclosed = || Wrong(at, format!("the tag <{name} is never closed; end it with '>'"));
        let mut attributes: Vec<Attribute<'t>> = Vec::new();
        loop {
            let spaced = self.space();
            let rest = self.rest();
            if rest.starts_with('>') || rest.starts_with("/>") {
                self.take(if rest.starts_with('>') { 1 } else { 2 });
                let raw = self.text.get(at..self.at).unwrap_or_default();
                return Ok(Tag { name, raw, attributes });
            }
            let begin = self.at;
            let attribute = self.take_while(|byte| is_name(byte) || matches!(byte, b':' | b'_')).to_ascii_lowercase();
            if rest.is_empty() {
                return Err(unclosed());
            }
            if attribute.is_empty() {
                return wrong(begin, format!("something in <{name}> that is no attribute; write name=\"value\""));
            }
            if !spaced {
                return wrong(begin, format!("a space is missing before '{attribute}'"));
            }
            if attributes.iter().any(|known| known.name == attribute) {
                return wrong(begin, format!("'{attribute}' is there twice; leave one of them out"));
            }
            let value = self.value(begin, &attribute)?;
            attributes.push(Attribute { at: begin, name: attribute, value });
        }
    }

    fn value(&mut self, at: usize, name: &str) -> Result<Option<&'t str>, Wrong> {
        let before = self.at;
        self.space();
        if !self.rest().starts_with('=') {
            self.at = before;
            return Ok(None);
        }
        self.take(1);
        self.space();
        let quote = self.take(1);
        if !matches!(quote, "\"" | "'") {
            return wrong(at, format!("the value of '{name}' is not quoted; write {name}=\"…\""));
        }
        let Some(end) = self.rest().find(quote) else {
            return wrong(at, format!("the value of '{name}' is never closed; end it with {quote}"));
        };
        let value = self.take(end);
        self.take(1);
        Ok(Some(value))
    }
}
