use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_keyring::ledger::{LedgerBytes, is_signed, row_hash};
use strongroom_model::{Ocid, Timestamp, rfc3339};

use super::Ledger;
use super::digest::Digest;
use super::entry::{Hashed, Head};

/// The name of the signer, in the form of C2SP's signed notes.
const NAME: &str = "strongroom";
const ORIGIN: &str = "strongroom/ledger";
/// Of what is at the end of an export: it names the end of every chain that there was, and a server's
/// own checkpoint only those that it knows.
pub(super) const EXPORT_ORIGIN: &str = "strongroom/export";

/// How lines begin.
const CHAIN: &str = "chain ";
const FOLDED: &str = "folded ";
const TENANCY: &str = "tenancy ";

/// The kind of the signature: Ed25519.
const ED25519: u8 = 1;

const ID_BYTES: usize = 4;

/// How far the ledger had come at some time, signed: a text to keep where nobody who can write to the
/// store can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// When it was made.
    pub time: Timestamp,
    /// Entries of all chains.
    pub entries: u64,
    pub(super) heads: Vec<Head>,
    /// In that of an export: the entries with which chains begin whose first ones are gone.
    pub(super) folded: Vec<Head>,
    /// In that of an export: the tenancy whose records they are, which the rows do not name.
    pub(super) tenancy: Option<Ocid>,
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is another text.
    #[error("it is no checkpoint")]
    Form,
    /// It was changed, or made by another installation.
    #[error("its signature is not by this installation's key")]
    Signature,
}

impl Ledger {
    /// Returns a signed checkpoint of what is in the store now, as far as this process knows.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        self.signed(self.heads())
    }

    pub(super) fn signed(&self, heads: Vec<Head>) -> String {
        self.signed_as(ORIGIN, &self.checkpoint_of(heads))
    }

    /// Returns how far the ledger has come if these are the ends of its chains.
    pub(super) fn checkpoint_of(&self, heads: Vec<Head>) -> Checkpoint {
        let named = heads.iter().fold(0_u64, |sum, head| sum.saturating_add(head.number));
        let entries = self.known().unnamed.saturating_add(named);
        let time = self.0.clock.now();
        Checkpoint { time, entries, heads, folded: Vec::new(), tenancy: None }
    }

    pub(super) fn signed_as(&self, origin: &str, checkpoint: &Checkpoint) -> String {
        let text = checkpoint.text(origin);
        let mut signature = id(&self.public_key()).to_vec();
        signature.extend(self.0.keys.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {NAME} {}\n", STANDARD.encode(signature))
    }

    /// Reads a checkpoint of this installation.
    ///
    /// # Errors
    /// A [`CheckpointError`].
    pub fn read_checkpoint(&self, note: &[u8]) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::read(note, &self.public_key())
    }
}

impl Checkpoint {
    /// Reads a checkpoint of the installation that a public key is of.
    ///
    /// # Errors
    /// A [`CheckpointError`].
    pub fn read(note: &[u8], public_key: &LedgerBytes) -> Result<Self, CheckpointError> {
        Self::read_as(ORIGIN, note, public_key)
    }

    /// Reads one that was signed for a purpose.
    pub(super) fn read_as(
        origin: &str,
        note: &[u8],
        public_key: &LedgerBytes,
    ) -> Result<Self, CheckpointError> {
        let note = std::str::from_utf8(note).map_err(|_error| CheckpointError::Form)?;
        let (text, signature) = note.rsplit_once("\n\u{2014} ").ok_or(CheckpointError::Form)?;
        let signed = signature.strip_suffix('\n').and_then(|line| line.split_once(' '));
        let (name, signature) = signed.ok_or(CheckpointError::Form)?;
        let signature = STANDARD.decode(signature).map_err(|_error| CheckpointError::Form)?;
        let (found, signature) =
            signature.split_at_checked(ID_BYTES).ok_or(CheckpointError::Form)?;
        let is_known = name == NAME && found == id(public_key);
        if !is_known || !is_signed(public_key, text.as_bytes(), signature) {
            return Err(CheckpointError::Signature);
        }
        let checkpoint = Self::parse(text).ok_or(CheckpointError::Form)?;
        if checkpoint.text(origin) == text { Ok(checkpoint) } else { Err(CheckpointError::Form) }
    }

    /// Origin, number of entries, hash of the lines of chains and the tenancy; these lines; the time.
    fn text(&self, origin: &str) -> String {
        let mut lines = String::new();
        for (word, heads) in [(CHAIN, &self.heads), (FOLDED, &self.folded)] {
            for Head { chain, number, hash } in heads {
                let written = writeln!(lines, "{word}{chain} {number} {}", hash.0.text());
                debug_assert!(written.is_ok(), "a String takes everything");
            }
        }
        if let Some(tenancy) = &self.tenancy {
            let written = writeln!(lines, "{TENANCY}{tenancy}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        let root = Digest(row_hash(b"", lines.as_bytes())).text();
        format!("{origin}\n{}\n{root}\n{lines}time {}\n", self.entries, rfc3339(self.time))
    }

    fn parse(text: &str) -> Option<Self> {
        let entries = text.lines().nth(1)?.parse().ok()?;
        let mut lines = text.lines().skip(3).peekable();
        let mut named = |word: &str| {
            let mut heads = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with(word)) {
                let mut words = line.split(' ').skip(1);
                let chain = words.next()?.to_owned();
                let number = words.next()?.parse().ok()?;
                heads.push(Head { chain, number, hash: Hashed(Digest::parse(words.next()?)?) });
            }
            Some(heads)
        };
        let (heads, folded) = (named(CHAIN)?, named(FOLDED)?);
        let tenancy = lines.next_if(|line| line.starts_with(TENANCY));
        let tenancy = tenancy.map(|line| line.trim_start_matches(TENANCY).parse());
        let time = lines.next()?.strip_prefix("time ")?.parse().ok()?;
        Some(Self { time, entries, heads, folded, tenancy: tenancy.transpose().ok()? })
    }
}

/// The identifier of a key: the beginning of the hash of name, newline, kind and key.
fn id(public_key: &LedgerBytes) -> [u8; ID_BYTES] {
    let bytes = [NAME.as_bytes(), b"\n", &[ED25519], public_key].concat();
    let hash = strongroom_keyring::digest(strongroom_model::Hash::Sha256, &bytes);
    let mut id = [0; ID_BYTES];
    for (to, from) in id.iter_mut().zip(hash) {
        *to = from;
    }
    id
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use strongroom_keyring::{RootKey, SystemRandom};
    use strongroom_model::SystemClock;

    use super::*;

    fn ledger() -> Ledger {
        let root_key = RootKey::generate(&SystemRandom);
        Ledger::new(&root_key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
    }

    fn head(number: u64) -> Head {
        let hash = Hashed(Digest([u8::try_from(number).unwrap(); 32]));
        Head { chain: format!("{number:024x}"), number, hash }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed_and_by_its_own_installation() {
        let (one, other) = (ledger(), ledger());
        for heads in [vec![], vec![head(1)], vec![head(2), head(7)]] {
            let note = one.signed(heads.clone());
            assert!(note.starts_with("strongroom/ledger\n") && note.ends_with('\n'), "{note}");
            assert_eq!(one.read_checkpoint(note.as_bytes()).unwrap().heads, heads);
            assert_eq!(other.read_checkpoint(note.as_bytes()), Err(CheckpointError::Signature));
        }
    }

    #[test]
    fn no_byte_of_a_checkpoint_can_be_changed_or_left_out() {
        let ledger = ledger();
        let note = ledger.signed(vec![head(1), head(2)]).into_bytes();
        for place in 0..note.len() {
            let mut bent = note.clone();
            bent[place] ^= 1;
            assert!(ledger.read_checkpoint(&bent).is_err(), "byte {place}");
            assert!(ledger.read_checkpoint(&note[..place]).is_err(), "{place} bytes");
        }
        assert!(ledger.read_checkpoint(&[note.as_slice(), b"x"].concat()).is_err());
    }
}
