//! HTTP/1.1 as bare as it gets, so that the load generator leaves the machine to what it measures.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer heads of an answer are a mistake.
const MOST_HEAD_BYTES: usize = 16 * 1024;

/// A connection that is kept alive between requests.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    read: BytesMut,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) afterwards: Afterwards,
}

/// What may be done with the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    KeepAlive,
    Close,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    answer: Answer,
    head_bytes: usize,
    body_bytes: usize,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: BytesMut::with_capacity(1024) })
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let head = loop {
            if let Some(head) = parse(&self.read) {
                break head;
            }
            if self.read.len() > MOST_HEAD_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.read_more().await?;
        };
        while self.read.len() < head.head_bytes + head.body_bytes {
            self.read_more().await?;
        }
        Ok(head.answer)
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _some => Ok(()),
        }
    }
}

/// The head, once it is there as a whole. An answer without a length has no body.
fn parse(read: &[u8]) -> Option<Head> {
    let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let mut lines = read
        .get(..end)?
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line).to_lowercase());
    let status = lines.next()?.split_whitespace().nth(1)?.parse().ok()?;
    let (mut body_bytes, mut afterwards) = (0, Afterwards::KeepAlive);
    for line in lines {
        match line.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("content-length", value)) => body_bytes = value.parse().ok()?,
            Some(("connection", "close")) => afterwards = Afterwards::Close,
            Some(_) | None => {}
        }
    }
    Some(Head { answer: Answer { status, afterwards }, head_bytes: end + 4, body_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let whole =
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"code\"";
        let answer = Answer { status: 503, afterwards: Afterwards::Close };
        assert_eq!(parse(whole), Some(Head { answer, head_bytes: whole.len() - 7, body_bytes: 12 }));
        assert_eq!(parse(&whole[..40]), None);
    }

    #[test]
    fn an_answer_without_a_length_has_no_body_and_keeps_the_connection() {
        let head = parse(b"HTTP/1.1 202 Accepted\r\n\r\n").unwrap();
        assert_eq!(head.answer, Answer { status: 202, afterwards: Afterwards::KeepAlive });
        assert_eq!(head.body_bytes, 0);
    }
}
