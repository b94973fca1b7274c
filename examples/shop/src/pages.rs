//! The shop's few pages. Whatever is put into them is escaped; no inline style, no script.

use axum::http::StatusCode;
use axum::response::Html;
use ropeline_ticket::{Admission, PassClaims};

pub(crate) const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#fbf7f2;--card:#fff;--ink:#241a14;--soft:#6b5a4e;--line:#e6dbcf;--accent:#a3341b;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ground:#17110d;--card:#221a15;--ink:#f6eee7;--soft:#c0b0a3;--line:#3c3028;--accent:#ffb59f;--on:#3a0f04}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:min(100%,34rem);padding:clamp(1.25rem,5vw,2.25rem);background:var(--card);border:1px solid var(--line);border-radius:1.25rem;overflow-wrap:anywhere}
.brand{margin:0;color:var(--soft);font-size:.875rem;font-weight:600}
h1{margin:.25rem 0 .5rem;font-size:1.75rem;line-height:1.2}
p{margin:.5rem 0}.soft{color:var(--soft)}
.main{display:inline-block;min-height:2.75rem;margin-top:1rem;padding:.625rem 1.25rem;border:0;border-radius:.75rem;background:var(--accent);color:var(--on);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
.main:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
";

pub(crate) fn landing(event: &str, waiting_room: &str) -> Html<String> {
    let body = format!(
        "<p>The sale <strong>{}</strong> is on. Many want tickets, so there is a line.</p>\
         <a class=\"main\" href=\"{}\">Get in line</a>",
        escape(event),
        escape(waiting_room)
    );
    page("Tickets for tonight", &body)
}

pub(crate) fn tickets(claims: &PassClaims) -> Html<String> {
    let welcome = match claims.admission() {
        Some(Admission { num, seq }) => {
            format!("You were number <strong>{num}</strong> in line and are visitor {seq} of this sale.")
        }
        None => "There is no line at the moment.".to_owned(),
    };
    let body = format!(
        "<p>Welcome. {welcome}</p>\
         <p class=\"soft\">One seat, row 7, for 49.00. One order per visit.</p>\
         <form method=\"post\" action=\"/order\"><button class=\"main\">Order</button></form>"
    );
    page("Choose your tickets", &body)
}

pub(crate) fn ordered(order: u64) -> Html<String> {
    page(
        "Thank you",
        &format!("<p>Your order is <strong>{order}</strong>. Your place in the shop goes to the next in line.</p>"),
    )
}

pub(crate) fn already_ordered(order: u64, waiting_room: &str) -> Html<String> {
    let body = format!(
        "<p>Your order is <strong>{order}</strong>. With it your visit is over.</p>\
         <a class=\"main\" href=\"{}\">Back to the line</a>",
        escape(waiting_room)
    );
    page("You have already ordered", &body)
}

pub(crate) fn refused(status: StatusCode, waiting_room: &str) -> Html<String> {
    let words = if status == StatusCode::SERVICE_UNAVAILABLE {
        "Passes cannot be checked at the moment. Your place is safe; please try again in a few seconds."
    } else {
        "This pass does not open this shop."
    };
    let body = format!("<p>{words}</p><a class=\"main\" href=\"{}\">Back to the line</a>", escape(waiting_room));
    page("Not yet", &body)
}

pub(crate) fn plain(title: &str, words: &str) -> Html<String> {
    page(title, &format!("<p>{}</p>", escape(words)))
}

fn page(title: &str, body: &str) -> Html<String> {
    let title = escape(title);
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/style.css\"></head>\
         <body><main><p class=\"brand\">The example shop</p><h1>{title}</h1>{body}</main></body></html>"
    ))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_page_adds_no_markup() {
        let hostile = "\"><script>alert('1')</script>&";
        let Html(page) = landing(hostile, hostile);
        assert!(!page.contains("<script>"));
        assert!(page.contains("href=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;\""));
    }
}
