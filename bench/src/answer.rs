//! As much of HTTP/1.1 as a load generator needs to read: status line, `content-length`, body.

use crate::Outcome;

const BLANK_LINE: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"content-length:";

/// Where the parts of an answer are in the bytes that were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes up to the body.
    pub(crate) head: usize,
    /// Bytes of head and body.
    pub(crate) whole: usize,
}

impl Answer {
    /// Reads an answer, or `None` as long as it is not all there.
    ///
    /// # Errors
    /// For anything without a status and a `content-length`.
    pub(crate) fn read(received: &[u8]) -> Outcome<Option<Self>> {
        let Some(end) = received.windows(BLANK_LINE.len()).position(|bytes| bytes == BLANK_LINE)
        else {
            return Ok(None);
        };
        let head = end + BLANK_LINE.len();
        let lines = received.get(..end).unwrap_or_default();
        let status = lines.get(9..12).ok_or("no status line")?;
        let status = std::str::from_utf8(status)?.parse()?;
        let whole = head + length(lines)?;
        Ok((received.len() >= whole).then_some(Self { status, head, whole }))
    }
}

fn length(lines: &[u8]) -> Outcome<usize> {
    let value = lines.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(LENGTH.len())?;
        name.eq_ignore_ascii_case(LENGTH).then_some(value)
    });
    Ok(std::str::from_utf8(value.ok_or("no content-length")?)?.trim().parse()?)
}

/// An answer that a floor repeats: all headers but those that belong to one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Recorded {
    /// Takes an answer apart that was received with status 200.
    pub(crate) fn read(received: &[u8]) -> Outcome<Self> {
        let answer = Answer::read(received)?.ok_or("the recorded answer is not whole")?;
        if answer.status != 200 {
            return Err(format!("the recorded answer has status {}", answer.status).into());
        }
        let head = std::str::from_utf8(received.get(..answer.head).unwrap_or_default())?;
        let of_one_message = ["date", "content-length", "connection"];
        let headers = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .filter(|(name, _)| !of_one_message.contains(&name.as_str()))
            .collect();
        let body = received.get(answer.head..answer.whole).unwrap_or_default().to_vec();
        Ok(Self { headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"HTTP/1.1 200 OK\r\nEtag: 7\r\nContent-Length: 3\r\ndate: x\r\n\r\nabc";

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        for end in 0..TEXT.len() {
            assert_eq!(Answer::read(&TEXT[..end]).unwrap(), None, "{end}");
        }
        let whole = Answer { status: 200, head: TEXT.len() - 3, whole: TEXT.len() };
        assert_eq!(Answer::read(TEXT).unwrap(), Some(whole));
        assert_eq!(Answer::read(&[TEXT, b"HTTP/1.1 4"].concat()).unwrap(), Some(whole));
    }

    #[test]
    fn an_answer_of_unknown_length_is_an_error() {
        assert!(Answer::read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(Answer::read(b"\r\n\r\n").is_err());
    }

    #[test]
    fn a_floor_repeats_body_and_lasting_headers() {
        let recorded = Recorded::read(TEXT).unwrap();
        assert_eq!(recorded.headers, [("etag".to_owned(), "7".to_owned())]);
        assert_eq!(recorded.body, b"abc");
        assert!(Recorded::read(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
