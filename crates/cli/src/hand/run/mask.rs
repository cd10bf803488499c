use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use strongroom_model::Sensitive;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::sleep;

/// Values shorter than this are everywhere by chance.
const VALUE_BYTES_MIN: usize = 4;
const MASK: &[u8] = b"***";
/// How long output is waited for that a child of the command keeps open, when the command has ended.
pub(super) const DRAIN_TIME: Duration = Duration::from_secs(2);
const CHUNK_BYTES: usize = 16 * 1024;

/// The byte strings that must not pass.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// By first byte, the longest first.
    by_first: Vec<Vec<Sensitive>>,
    longest: usize,
}

impl Patterns {
    /// Takes values and their forms in base64.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a Sensitive>) -> Self {
        let forms: BTreeSet<Vec<u8>> =
            values.filter(|value| can_mask(value)).flat_map(forms).collect();
        let mut patterns = Self { by_first: vec![Vec::new(); 256], longest: 0 };
        for form in forms {
            patterns.longest = patterns.longest.max(form.len());
            let first = form.first().copied().map(usize::from);
            if let Some(bucket) = first.and_then(|first| patterns.by_first.get_mut(first)) {
                bucket.push(Sensitive::new(form));
            }
        }
        for bucket in &mut patterns.by_first {
            bucket.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
        }
        patterns
    }

    fn beginning_as(&self, text: &[u8]) -> impl Iterator<Item = &[u8]> {
        let bucket = text.first().and_then(|first| self.by_first.get(usize::from(*first)));
        bucket.into_iter().flatten().map(Sensitive::expose)
    }

    /// Returns the length of the longest pattern that `text` begins with.
    fn matched(&self, text: &[u8]) -> Option<usize> {
        self.beginning_as(text).find(|form| text.starts_with(form)).map(<[u8]>::len)
    }

    /// Returns whether `text` is the beginning of a pattern, and not all of it.
    fn begun(&self, text: &[u8]) -> bool {
        self.beginning_as(text).any(|form| form.len() > text.len() && form.starts_with(text))
    }
}

/// Returns whether a value is long enough to be replaced.
pub(super) fn can_mask(value: &Sensitive) -> bool {
    value.expose().len() >= VALUE_BYTES_MIN
}

/// A value, the value without white space at its end, as a shell prints it, and base64 of both.
fn forms(value: &Sensitive) -> Vec<Vec<u8>> {
    let whole = value.expose();
    let trimmed = whole.trim_ascii_end();
    let plain = [whole, trimmed].into_iter().filter(|form| form.len() >= VALUE_BYTES_MIN);
    plain
        .flat_map(|form| {
            let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
            let encoded = engines.map(|engine| engine.encode(form).into_bytes());
            encoded.into_iter().chain([form.to_vec()])
        })
        .collect()
}

/// Replaces patterns in a stream that comes in chunks. Holds back the end of what came only as long
/// as it may be the beginning of a pattern.
#[derive(Debug)]
pub(super) struct Masker {
    patterns: Arc<Patterns>,
    held: Sensitive,
    /// How much of the beginning of what is held has been replaced already.
    covered: usize,
}

impl Masker {
    pub(super) fn new(patterns: Arc<Patterns>) -> Self {
        Self { patterns, held: Sensitive::new(Vec::new()), covered: 0 }
    }

    /// Goes by other patterns from now on, for what is held back too.
    pub(super) fn go_by(&mut self, patterns: Arc<Patterns>) {
        self.patterns = patterns;
    }

    /// Takes a chunk and returns what may pass.
    pub(super) fn pass(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.append(chunk);
        let held = self.held.expose();
        let first = (held.len() + 1).saturating_sub(self.patterns.longest);
        let begun = |start: &usize| held.get(*start..).is_some_and(|end| self.patterns.begun(end));
        let keep = (first..held.len()).find(begun).unwrap_or(held.len());
        self.release(keep)
    }

    /// Returns what was held back. What may have been most of a pattern does not pass.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let rest = self.held.expose().len();
        match self.covered {
            0 if rest >= VALUE_BYTES_MIN => MASK.to_vec(),
            _ if rest >= VALUE_BYTES_MIN => Vec::new(),
            _ => self.release(rest),
        }
    }

    fn release(&mut self, keep: usize) -> Vec<u8> {
        let held = self.held.expose();
        let mut out = Vec::with_capacity(keep);
        let mut until = self.covered;
        for (start, byte) in held.iter().enumerate().take(keep) {
            let matched = held.get(start..).and_then(|rest| self.patterns.matched(rest));
            if let Some(length) = matched {
                if start >= until {
                    out.extend_from_slice(MASK);
                }
                until = until.max(start + length);
            }
            if start >= until {
                out.push(*byte);
            }
        }
        self.covered = until.saturating_sub(keep);
        self.held.expose_mut().drain(..keep);
        out
    }
}

/// Copies a stream to its end, masked by the patterns that are in force when something comes. Ends
/// early if nobody reads any more.
pub(super) async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    patterns: watch::Receiver<Arc<Patterns>>,
    mut has_ended: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let over = async {
        drop(has_ended.wait_for(|ended| *ended).await);
        sleep(DRAIN_TIME).await;
    };
    tokio::pin!(over);
    let mut masker = Masker::new(Arc::clone(&patterns.borrow()));
    let mut chunk = Sensitive::new(vec![0; CHUNK_BYTES]);
    loop {
        let count = tokio::select! {
            biased;
            count = from.read(chunk.expose_mut()) => count?,
            () = &mut over => 0,
        };
        masker.go_by(Arc::clone(&patterns.borrow()));
        let out = match chunk.expose().get(..count) {
            Some([]) | None => masker.finish(),
            Some(bytes) => masker.pass(bytes),
        };
        to.write_all(&out).await?;
        to.flush().await?;
        if count == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(values: &[&str]) -> Arc<Patterns> {
        let values: Vec<Sensitive> =
            values.iter().map(|value| Sensitive::new(value.as_bytes().to_vec())).collect();
        Arc::new(Patterns::of(values.iter()))
    }

    fn masked(values: &[&str], chunks: &[&[u8]]) -> String {
        let mut masker = Masker::new(patterns(values));
        let mut out: Vec<u8> = chunks.iter().flat_map(|chunk| masker.pass(chunk)).collect();
        out.extend(masker.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_and_their_base64_are_replaced() {
        assert_eq!(masked(&["hunter2"], &[b"a hunter2 b\n"]), "a *** b\n");
        assert_eq!(masked(&["hunter2"], &[b"aHVudGVyMg== aHVudGVyMg.\n"]), "*** ***.\n");
        assert_eq!(masked(&[">>>???"], &[b"Pj4+Pz8/ Pj4-Pz8_"]), "*** ***");
        assert_eq!(masked(&["line\n"], &[b"[line]\n[line\n]"]), "[***]\n[***]");
    }

    #[test]
    fn overlapping_values_leave_nothing_of_either() {
        assert_eq!(masked(&["abcd", "cdef"], &[b"xabcdefy"]), "x***y");
        assert_eq!(masked(&["abcd", "abcdefgh"], &[b"xabcdefgh-abcdefgx"]), "x***-***efgx");
        assert_eq!(masked(&["aaaa"], &[b"aaa", b"aaaaa", b"b"]), "***b");
        assert_eq!(masked(&["bcde", "abcdefgh"], &[b"abcdef!"]), "a***f!");
    }

    /// Every way to cut a text in three comes to the same.
    #[test]
    fn chunks_do_not_matter() {
        let text = b"-hunter2hunter2-hunhunter2-aHVudGVyMg==-unte--battery staple--hunter-";
        let values = ["hunter2", "battery staple", "unter2h", "staple--"];
        let whole = masked(&values, &[text]);
        assert!(!whole.contains("hunter2") && whole.contains("-unte-"), "{whole}");
        for one in 0..text.len() {
            for two in one..text.len() {
                let chunks = [&text[..one], &text[one..two], &text[two..]];
                assert_eq!(masked(&values, &chunks), whole);
            }
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(masked(&values, &bytes), whole);
    }

    #[test]
    fn nothing_waits_that_cannot_become_a_value() {
        let mut masker = Masker::new(patterns(&["hunter2"]));
        assert_eq!(masker.pass(b"name? "), b"name? ");
        assert_eq!(masker.pass(b"the hun"), b"the ");
        assert_eq!(masker.pass(b"gry"), b"hungry");
        assert_eq!(masker.pass(b"hunter"), b"");
        assert_eq!(masker.finish(), MASK);
    }

    #[test]
    fn patterns_that_come_later_hold_for_what_comes_then() {
        let mut masker = Masker::new(patterns(&["hunter2"]));
        assert_eq!(masker.pass(b"correct horse hunt"), b"correct horse ");
        masker.go_by(patterns(&["hunter2", "correct horse"]));
        assert_eq!(masker.pass(b"er2 correct"), b"*** ");
        assert_eq!(masker.pass(b" horse "), b"*** ");
    }

    #[test]
    fn short_values_are_not_replaced() {
        assert_eq!(masked(&["abc", ""], &[b"abc"]), "abc");
    }
}
