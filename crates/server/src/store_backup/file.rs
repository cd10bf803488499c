use std::fmt;
use std::io::{ErrorKind, Read, Write};

use strongroom_keyring::{
    HEADER_TAG_BYTES, RootKey, STREAM_SALT_BYTES, StreamKey, StreamOpener, StreamSealer,
};
use strongroom_model::{Random, Timestamp};
use strongroom_store::{Revision, Snapshot, Versioned};

use super::{END, ROW, ROWS_AT_ONCE, StoreBackupError, Summary, Tally, encode, is_content};
use crate::rows;

const NAME: &[u8] = b"strongroom store backup ";
const FORMAT: &[u8] = b"1";
const LINE_BYTES_MAX: usize = 40;
const HEADER_BYTES_MAX: u32 = 64 << 10;
const KEY_BYTES_MAX: u32 = 64 << 10;
const VALUE_BYTES_MAX: u32 = 256 << 20;

/// What is in front of a backup's rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// When the backup was taken.
    pub time: Timestamp,
    /// The highest number that a commit had then.
    pub last: Revision,
    /// What stood in `root.key`: the root key, sealed.
    pub root_file: Vec<u8>,
    salt: [u8; STREAM_SALT_BYTES],
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("time", &self.time)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Header {
    /// Tells this backup from every other.
    pub(super) fn id(&self) -> String {
        self.salt.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// First line, length (u32), then time in microseconds (i64), last number (u64), salt, and the
    /// content of `root.key`; numbers are big-endian. There is one spelling.
    fn encode(&self) -> Result<Vec<u8>, StoreBackupError> {
        let mut body = self.time.as_microsecond().to_be_bytes().to_vec();
        body.extend_from_slice(&self.last.0.to_be_bytes());
        body.extend_from_slice(&self.salt);
        body.extend_from_slice(&self.root_file);
        let length = u32::try_from(body.len()).map_err(|_error| StoreBackupError::Header)?;
        Ok([NAME, FORMAT, b"\n", &length.to_be_bytes(), &body].concat())
    }

    /// Reads a header, and its tag, which is not checked yet: the key stands in the header.
    fn read(from: &mut impl Read) -> Result<(Self, [u8; HEADER_TAG_BYTES]), StoreBackupError> {
        read_first_line(from)?;
        let length = u32::from_be_bytes(array(from).map_err(cut_off)?);
        if length > HEADER_BYTES_MAX {
            return Err(StoreBackupError::Header);
        }
        let mut body = from.take(u64::from(length));
        let time = i64::from_be_bytes(array(&mut body).map_err(cut_off)?);
        let time = Timestamp::from_microsecond(time).map_err(|_error| StoreBackupError::Header)?;
        let last = Revision(u64::from_be_bytes(array(&mut body).map_err(cut_off)?));
        let salt = array(&mut body).map_err(cut_off)?;
        let mut root_file = Vec::new();
        body.read_to_end(&mut root_file)?;
        let tag = array(from).map_err(cut_off)?;
        Ok((Self { time, last, root_file, salt }, tag))
    }
}

fn cut_off(error: std::io::Error) -> StoreBackupError {
    if error.kind() == ErrorKind::UnexpectedEof { StoreBackupError::Header } else { error.into() }
}

fn array<const N: usize>(from: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_first_line(from: &mut impl Read) -> Result<(), StoreBackupError> {
    let mut line = Vec::new();
    while line.len() < LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        match array::<1>(from) {
            Ok(byte) => line.extend_from_slice(&byte),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error.into()),
        }
    }
    let format = line.strip_prefix(NAME).and_then(|rest| rest.strip_suffix(b"\n"));
    match format {
        Some(FORMAT) => Ok(()),
        Some(other) if !other.is_empty() && other.iter().all(u8::is_ascii_digit) => {
            Err(StoreBackupError::Newer(String::from_utf8_lossy(other).into_owned()))
        }
        _ => Err(StoreBackupError::Foreign),
    }
}

/// A backup to be written.
#[derive(Debug)]
pub struct NewBackup<'a> {
    /// The root key of the store.
    pub root_key: &'a RootKey,
    /// What stands in `root.key`.
    pub root_file: &'a [u8],
    /// The time.
    pub now: Timestamp,
    /// Randomness.
    pub random: &'a dyn Random,
}

/// Writes all rows of a snapshot, sealed, a few at a time. Nothing but the last byte makes the backup
/// whole.
///
/// # Errors
/// A [`StoreBackupError`]; what was written is of no use then.
pub async fn back_up<W: Write>(
    snapshot: &mut dyn Snapshot,
    new: &NewBackup<'_>,
    mut to: W,
) -> Result<(Summary, W), StoreBackupError> {
    let mut salt = [0; STREAM_SALT_BYTES];
    new.random.fill(&mut salt);
    let root_file = new.root_file.to_vec();
    let header = Header { time: new.now, last: snapshot.last(), root_file, salt };
    let key = new.root_key.stream_key(&salt)?;
    let encoded = header.encode()?;
    to.write_all(&encoded)?;
    to.write_all(&key.header_tag(&encoded))?;
    let mut sealer = StreamSealer::new(key, to);
    let mut tally = Tally::default();
    let mut is_founded = false;
    loop {
        let rows = snapshot.next(ROWS_AT_ONCE).await?;
        if rows.is_empty() {
            break;
        }
        for (key, row) in rows {
            check(&key, &row, new.root_key)?;
            is_founded |= key == rows::FOUNDED;
            if is_content(&key) {
                let encoded = encode(&key, &row)?;
                tally.take(&encoded);
                sealer.write_all(&encoded)?;
            }
        }
    }
    if !is_founded {
        return Err(StoreBackupError::Unfounded);
    }
    sealer.write_all(&[END])?;
    sealer.write_all(&tally.rows.to_be_bytes())?;
    Ok((tally.summary(), sealer.finish()?))
}

/// Refuses to back up what would not be whole.
fn check(key: &[u8], row: &Versioned, root_key: &RootKey) -> Result<(), StoreBackupError> {
    if key == rows::restoring() {
        return Err(rows::incomplete().into());
    }
    if key == rows::root_key_id() {
        let id: String = rows::decode(key, &row.value)?;
        if root_key.id()? != id {
            return Err(StoreBackupError::OtherRootKey);
        }
    }
    Ok(())
}

/// A backup that is being read.
pub struct Backup<R> {
    header: Header,
    rows: Opening<R>,
    tally: Tally,
}

enum Opening<R> {
    Closed(R, [u8; HEADER_TAG_BYTES]),
    Open(StreamOpener<R>),
    Ended,
}

impl<R> fmt::Debug for Backup<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<R: Read> Backup<R> {
    /// Reads what is in front of the rows: whose backup it is cannot be told before it is unlocked.
    ///
    /// # Errors
    /// [`StoreBackupError::Foreign`] and [`StoreBackupError::Newer`] by the first line;
    /// [`StoreBackupError::Header`] if the file ends too soon.
    pub fn begin(mut from: R) -> Result<Self, StoreBackupError> {
        let (header, tag) = Header::read(&mut from)?;
        Ok(Self { header, rows: Opening::Closed(from, tag), tally: Tally::default() })
    }

    /// Returns what is in front of the rows.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Checks the header, so that rows can be read.
    ///
    /// # Errors
    /// [`StoreBackupError::Header`] if it is not what was written under this key.
    pub fn unlock(&mut self, root_key: &RootKey) -> Result<(), StoreBackupError> {
        let Opening::Closed(from, tag) = std::mem::replace(&mut self.rows, Opening::Ended) else {
            return Err(StoreBackupError::Header);
        };
        let key: StreamKey = root_key.stream_key(&self.header.salt)?;
        let encoded = self.header.encode()?;
        key.check_header(&encoded, &tag).map_err(|_error| StoreBackupError::Header)?;
        self.rows = Opening::Open(StreamOpener::new(key, from)?);
        Ok(())
    }

    /// Reads the next row; none is left at the end, which was checked then.
    ///
    /// # Errors
    /// A [`StoreBackupError`] if the rest is not what was written.
    pub(super) fn next(&mut self) -> Result<Option<(Vec<u8>, Versioned)>, StoreBackupError> {
        let Opening::Open(opener) = &mut self.rows else { return Ok(None) };
        let row = match array::<1>(opener).map_err(ended)? {
            [ROW] => {
                let key = text(opener, KEY_BYTES_MAX)?;
                let revision = Revision(u64::from_be_bytes(array(opener).map_err(ended)?));
                let value = text(opener, VALUE_BYTES_MAX)?;
                (key, Versioned { value, revision })
            }
            [END] => {
                let rows = u64::from_be_bytes(array(opener).map_err(ended)?);
                let more = opener.read(&mut [0])?;
                if rows != self.tally.rows || more != 0 {
                    return Err(StoreBackupError::Rows);
                }
                self.rows = Opening::Ended;
                return Ok(None);
            }
            _ => return Err(StoreBackupError::Rows),
        };
        self.tally.take(&encode(&row.0, &row.1)?);
        Ok(Some(row))
    }

    /// Reads what is left, and sums all up.
    ///
    /// # Errors
    /// As [`Backup::next`].
    pub fn verify(mut self) -> Result<Summary, StoreBackupError> {
        while self.next()?.is_some() {}
        Ok(self.summary())
    }

    pub(super) fn summary(&self) -> Summary {
        self.tally.summary()
    }
}

/// An end within a row: the stream was closed, but not by this program's writer.
fn ended(error: std::io::Error) -> StoreBackupError {
    if error.kind() == ErrorKind::UnexpectedEof { StoreBackupError::Rows } else { error.into() }
}

fn text(from: &mut impl Read, bytes_max: u32) -> Result<Vec<u8>, StoreBackupError> {
    let length = u32::from_be_bytes(array(from).map_err(ended)?);
    if length > bytes_max {
        return Err(StoreBackupError::Rows);
    }
    let mut bytes = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() == usize::try_from(length).unwrap_or(usize::MAX) {
        Ok(bytes)
    } else {
        Err(StoreBackupError::Rows)
    }
}
