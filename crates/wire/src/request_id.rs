use std::fmt;

use strongroom_model::Random;

const SEGMENTS_MAX: usize = 3;
const LENGTH_MAX: usize = 98;

/// The `opc-request-id` of an answer: `<client>/<stack>/<individual>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Composes the identifier: the client's part is echoed if it was sent and is printable, the
    /// other two are 32 upper-case hex digits each. A value that is too long or has other
    /// characters is replaced, never echoed.
    #[must_use]
    pub fn compose(sent: Option<&str>, random: &dyn Random) -> Self {
        let mut bytes = [0_u8; 48];
        random.fill(&mut bytes);
        let mut id = String::with_capacity(98);
        let (client, own) = bytes.split_at(16);
        match sent.filter(|sent| echoable(sent)) {
            Some(sent) => id.push_str(sent.split('/').next().unwrap_or(sent)),
            None => push_hex(&mut id, client),
        }
        for part in own.chunks(16) {
            id.push('/');
            push_hex(&mut id, part);
        }
        Self(id)
    }

    /// Returns the identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn echoable(sent: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/');
    let segments = sent.split('/').count();
    sent.bytes().all(legal)
        && (1..=LENGTH_MAX).contains(&sent.len())
        && segments <= SEGMENTS_MAX
        && !sent.starts_with('/')
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            let digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            text.push(char::from(digit));
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fives;

    impl Random for Fives {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0x5a);
        }
    }

    #[test]
    fn echoes_the_clients_part_only() {
        let own = "5A".repeat(16);
        for (sent, first) in [
            (Some("ABC123"), "ABC123"),
            (Some("ABC/def/1"), "ABC"),
            (Some("a b"), own.as_str()),
            (Some("/x"), own.as_str()),
            (Some("a/b/c/d"), own.as_str()),
            (None, own.as_str()),
        ] {
            let id = RequestId::compose(sent, &Fives);
            assert_eq!(id.as_str(), format!("{first}/{own}/{own}"));
        }
    }
}
