//! Raw keep-alive HTTP/1.1: requests made before they are sent, answers read no further than needed.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens it.
    ///
    /// # Errors
    /// When the server does not accept it.
    pub async fn open(server: &str) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096) })
    }

    /// Sends a request and reads its whole answer: status and all of it, head and body.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no HTTP.
    pub async fn ask(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some((status, length)) = parse(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok((status, &self.buffer));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
}

/// Status and whole length of an answer; `None` while that is not known yet.
fn parse(bytes: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(bytes.get(..head_end).unwrap_or_default())?;
    let status = head.get(9..12).and_then(|code| code.parse().ok()).context("no status line")?;
    let body = head_end + 4;
    for line in head.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Some((status, body + value.trim().parse::<usize>()?)));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            let rest = bytes.get(body..).unwrap_or_default();
            // Our answers are JSON: this cannot stand inside one.
            let end =
                if rest.starts_with(b"0\r\n\r\n") { Some(0) } else { find(rest, b"\r\n0\r\n\r\n").map(|at| at + 2) };
            return Ok(end.map(|end| (status, body + end + 5)));
        }
    }
    Ok(Some((status, body)))
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_whole_body_is_there() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(parse(whole).unwrap(), Some((201, whole.len())));
        assert_eq!(parse(&whole[..20]).unwrap(), None);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap(), Some((200, chunked.len())));
        assert_eq!(parse(&chunked[..chunked.len() - 3]).unwrap(), None);
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parse(empty).unwrap(), Some((204, empty.len())));
    }
}
