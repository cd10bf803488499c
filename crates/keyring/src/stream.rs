//! Streams that are sealed in chunks, so that neither side holds the whole: the STREAM construction
//! (Hoang, Reyhanitabar, Rogaway, Vizár 2015) with AES-256-GCM, as age has it. The nonce is the
//! number of the chunk and whether it is the last; so none can be left out, moved or added.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use aws_lc_rs::{constant_time, digest, hmac};

use crate::gcm::{self, NONCE_BYTES, TAG_BYTES};
use crate::locked::LockedBytes;
use crate::seal::{OpenError, SealError, SealingKey};

/// Plaintext of every chunk but the last.
const CHUNK_BYTES: usize = 64 << 10;
const KEY_BYTES: usize = 32;
const LABEL: &[u8] = b"strongroom/1/store-backup";

/// Bytes of the salt that a stream's key is derived from: fresh for each stream.
pub const STREAM_SALT_BYTES: usize = 32;

/// Bytes of the tag of a stream's header.
pub const HEADER_TAG_BYTES: usize = 32;

/// The key of one stream and its header.
pub struct StreamKey {
    chunks: LockedBytes,
    header: LockedBytes,
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(..)")
    }
}

impl StreamKey {
    pub(crate) fn derive(
        key: &SealingKey,
        salt: &[u8; STREAM_SALT_BYTES],
    ) -> Result<Self, SealError> {
        let derived = key.derive(LABEL, salt, 2 * KEY_BYTES).ok_or(SealError)?;
        let (chunks, rest) = derived.split_at_checked(KEY_BYTES).ok_or(SealError)?;
        let (header, _) = rest.split_at_checked(KEY_BYTES).ok_or(SealError)?;
        let locked =
            |part: &[u8]| LockedBytes::with(KEY_BYTES, |bytes| bytes.copy_from_slice(part));
        Ok(Self { chunks: locked(chunks), header: locked(header) })
    }

    /// Computes the tag of a header.
    #[must_use]
    pub fn header_tag(&self, header: &[u8]) -> [u8; HEADER_TAG_BYTES] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.header.expose());
        let mut tag = [0; HEADER_TAG_BYTES];
        for (to, from) in tag.iter_mut().zip(hmac::sign(&key, header).as_ref()) {
            *to = *from;
        }
        tag
    }

    /// Checks the tag of a header.
    ///
    /// # Errors
    /// [`OpenError`] if key, header or tag are not those of the stream.
    pub fn check_header(&self, header: &[u8], tag: &[u8]) -> Result<(), OpenError> {
        constant_time::verify_slices_are_equal(&self.header_tag(header), tag)
            .map_err(|_unequal| OpenError)
    }

    fn open(&self, number: u64, is_last: bool, chunk: &[u8]) -> Option<Vec<u8>> {
        let mut body = chunk.to_vec();
        let nonce = nonce(number, is_last);
        let length = gcm::open(self.chunks.expose(), &nonce, LABEL, &mut body)?;
        body.truncate(length);
        Some(body)
    }
}

/// Three zero bytes, the chunk's number (u64 big-endian), and 1 if it is the last.
fn nonce(number: u64, is_last: bool) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    let rest = number.to_be_bytes().into_iter().chain([u8::from(is_last)]);
    for (to, from) in nonce.iter_mut().skip(3).zip(rest) {
        *to = from;
    }
    nonce
}

/// Seals what is written to it.
pub struct StreamSealer<W> {
    key: StreamKey,
    to: W,
    number: u64,
    chunk: Vec<u8>,
}

impl<W> fmt::Debug for StreamSealer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSealer").field("number", &self.number).finish_non_exhaustive()
    }
}

impl<W: Write> StreamSealer<W> {
    /// Begins a stream.
    pub fn new(key: StreamKey, to: W) -> Self {
        Self { key, to, number: 0, chunk: Vec::with_capacity(CHUNK_BYTES + TAG_BYTES) }
    }

    /// Writes the last chunk: without it the stream does not open.
    ///
    /// # Errors
    /// The error of what is written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.to)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = nonce(self.number, is_last);
        let tag = gcm::seal(self.key.chunks.expose(), &nonce, LABEL, &mut self.chunk);
        self.to.write_all(&self.chunk)?;
        self.to.write_all(&tag.ok_or_else(|| io::Error::other(SealError))?)?;
        self.chunk.clear();
        self.number = self.number.saturating_add(1);
        Ok(())
    }
}

impl<W: Write> Write for StreamSealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK_BYTES {
            self.seal(false)?;
        }
        let room = CHUNK_BYTES.saturating_sub(self.chunk.len()).min(bytes.len());
        self.chunk.extend(bytes.iter().take(room));
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Why a stream does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The end is missing.
    #[error("its end is missing: it was cut off after chunk {0}")]
    Truncated(u64),
    /// There is something behind the end.
    #[error("something stands behind its end, which is chunk {0}")]
    Continued(u64),
    /// A chunk is not what was written there.
    #[error("chunk {0} is not what was written there")]
    Damaged(u64),
}

/// Opens what [`StreamSealer`] wrote. What it reads has been authenticated; that nothing is missing
/// is known when the end is read.
pub struct StreamOpener<R> {
    key: StreamKey,
    from: R,
    number: u64,
    /// The sealed chunk that comes next, empty at the end.
    ahead: Vec<u8>,
    open: Vec<u8>,
    position: usize,
}

impl<R> fmt::Debug for StreamOpener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamOpener").field("number", &self.number).finish_non_exhaustive()
    }
}

impl<R: Read> StreamOpener<R> {
    /// Begins to open a stream.
    ///
    /// # Errors
    /// The error of what is read from; a [`StreamError`] within one if there is no chunk.
    pub fn new(key: StreamKey, mut from: R) -> io::Result<Self> {
        let ahead = chunk_of(&mut from)?;
        if ahead.is_empty() {
            return Err(wrong(StreamError::Truncated(0)));
        }
        Ok(Self { key, from, number: 0, ahead, open: Vec::new(), position: 0 })
    }

    fn refill(&mut self) -> io::Result<()> {
        let sealed = std::mem::replace(&mut self.ahead, chunk_of(&mut self.from)?);
        let (number, is_last) = (self.number, self.ahead.is_empty());
        self.number = number.saturating_add(1);
        self.position = 0;
        match self.key.open(number, is_last, &sealed) {
            Some(open) => self.open = open,
            None if self.key.open(number, !is_last, &sealed).is_none() => {
                return Err(wrong(StreamError::Damaged(number)));
            }
            None if is_last => return Err(wrong(StreamError::Truncated(number))),
            None => return Err(wrong(StreamError::Continued(number))),
        }
        Ok(())
    }
}

fn wrong(error: StreamError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Reads a sealed chunk, which only at the end is a short one.
fn chunk_of(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
    let limit = u64::try_from(CHUNK_BYTES + TAG_BYTES).map_err(io::Error::other)?;
    from.take(limit).read_to_end(&mut chunk)?;
    Ok(chunk)
}

impl<R: Read> Read for StreamOpener<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.position == self.open.len() && !self.ahead.is_empty() {
            self.refill()?;
        }
        let left = self.open.get(self.position..).unwrap_or_default();
        let count = left.len().min(to.len());
        for (to, from) in to.iter_mut().zip(left) {
            *to = *from;
        }
        self.position = self.position.saturating_add(count);
        Ok(count)
    }
}

/// SHA-256 of what comes in parts.
#[derive(Clone)]
pub struct RunningDigest(digest::Context);

impl fmt::Debug for RunningDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningDigest(..)")
    }
}

impl Default for RunningDigest {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl RunningDigest {
    /// Takes the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// Returns the digest, in hexadecimal.
    #[must_use]
    pub fn finish(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEALED_CHUNK: usize = CHUNK_BYTES + TAG_BYTES;

    fn key(material: u8) -> StreamKey {
        StreamKey::derive(&SealingKey::new(&[material; 32]), &[3; STREAM_SALT_BYTES]).unwrap()
    }

    fn seal(content: &[u8]) -> Vec<u8> {
        let mut sealer = StreamSealer::new(key(1), Vec::new());
        sealer.write_all(content).unwrap();
        sealer.finish().unwrap()
    }

    fn open(sealed: &[u8], key: StreamKey) -> Result<Vec<u8>, StreamError> {
        let mut content = Vec::new();
        StreamOpener::new(key, sealed)
            .and_then(|mut opener| opener.read_to_end(&mut content))
            .map(|_count| content)
            .map_err(|error| *error.get_ref().unwrap().downcast_ref().unwrap())
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|number| u8::try_from(number * 7 % 251).unwrap()).collect()
    }

    #[test]
    fn streams_of_all_lengths_come_back() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let sealed = seal(&content(length));
            assert_eq!(sealed.len(), length + TAG_BYTES * length.div_ceil(CHUNK_BYTES).max(1));
            assert_eq!(open(&sealed, key(1)), Ok(content(length)));
            assert_eq!(open(&sealed, key(2)), Err(StreamError::Damaged(0)));
        }
    }

    #[test]
    fn what_is_cut_off_added_or_moved_is_told() {
        let sealed = seal(&content(3 * CHUNK_BYTES + 5));
        let chunks: Vec<&[u8]> = sealed.chunks(SEALED_CHUNK).collect();
        let &[a, b, c, d] = chunks.as_slice() else { panic!("{}", chunks.len()) };
        for (parts, error) in [
            (vec![], StreamError::Truncated(0)),
            (vec![a], StreamError::Truncated(0)),
            (vec![a, b, c], StreamError::Truncated(2)),
            (vec![a, b, &c[..9]], StreamError::Damaged(2)),
            (vec![a, b, c, d, a], StreamError::Damaged(3)),
            (vec![b, a, c, d], StreamError::Damaged(0)),
            (vec![a, b, b, c, d], StreamError::Damaged(2)),
            (vec![a, b, d], StreamError::Damaged(2)),
            (vec![a, b, c, &d[..d.len() - 1]], StreamError::Damaged(3)),
        ] {
            assert_eq!(open(&parts.concat(), key(1)), Err(error));
        }
        let whole = seal(&content(CHUNK_BYTES));
        assert_eq!(
            open(&[&whole, b"x".as_slice()].concat(), key(1)),
            Err(StreamError::Continued(0))
        );
    }

    proptest! {
        #[test]
        fn no_flipped_bit_goes_unseen(position in 0..2 * SEALED_CHUNK + 1000, bit in 0..8_u8) {
            let mut sealed = seal(&content(2 * CHUNK_BYTES + 1000));
            sealed[position] ^= 1 << bit;
            let chunk = u64::try_from(position / SEALED_CHUNK).unwrap();
            prop_assert_eq!(open(&sealed, key(1)), Err(StreamError::Damaged(chunk)));
        }
    }

    #[test]
    fn a_header_is_bound_to_its_key() {
        let tag = key(1).header_tag(b"header");
        assert_eq!(key(1).check_header(b"header", &tag), Ok(()));
        assert!(key(2).check_header(b"header", &tag).is_err());
        assert!(key(1).check_header(b"headex", &tag).is_err());
        assert!(key(1).check_header(b"header", &tag[..31]).is_err());
        assert_eq!(format!("{:?}", key(1)), "StreamKey(..)");
    }
}
