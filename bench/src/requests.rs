//! Requests that are signed and rendered before the clock runs: a signature costs ten times what
//! verifying it does.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::{Clock, SystemClock, Timestamp};
use strongroom_signing::{Outgoing, PrivateKey, sign};

use crate::Outcome;

/// Requests that a round of reads repeats, each with a date and so a signature of its own.
///
/// Dates lie up to 256 s before and after now; OCI takes 300 s (protocol: clock skew).
pub(crate) const READS: usize = 512;
/// Requests that a round of writes has for all of its clients together.
const UPDATES: usize = 1024;
/// Length of the values that are stored, in bytes.
pub(crate) const VALUE_BYTES: usize = 1024;

/// Rendered requests that one connection sends again and again.
pub(crate) type Requests = Arc<Vec<Vec<u8>>>;

/// Who signs.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) key_id: String,
    pub(crate) key: PrivateKey,
}

impl Identity {
    /// Makes a user that only a floor knows, which looks at nothing but the form of the name.
    pub(crate) fn generate() -> Outcome<Arc<Self>> {
        let key = PrivateKey::generate()?;
        let names = ["ocid1.tenancy.oc1..floor", "ocid1.user.oc1..floor"].join("/");
        let key_id = format!("{names}/{}", key.public()?.fingerprint());
        Ok(Arc::new(Self { key_id, key }))
    }

    /// Signs a request now and renders it.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        port: u16,
        body: Option<&[u8]>,
    ) -> Outcome<Vec<u8>> {
        let host = format!("127.0.0.1:{port}");
        let body = body.map(|body| ("application/json", body));
        self.render(&Outgoing { method, target, host: &host, body }, SystemClock.now())
    }

    fn render(&self, outgoing: &Outgoing<'_>, at: Timestamp) -> Outcome<Vec<u8>> {
        let headers = sign(outgoing, &self.key_id, &self.key, at)?;
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (method, target) = (outgoing.method, outgoing.target);
        let head = format!("{method} {target} HTTP/1.1\r\n{}\r\n", lines.concat());
        Ok([head.as_bytes(), outgoing.body.map_or(&[][..], |(_, body)| body)].concat())
    }
}

/// Signs the reads of a round. RSA signatures are deterministic, so each has its own date.
pub(crate) async fn reads(identity: &Arc<Identity>, target: &str, port: u16) -> Outcome<Requests> {
    repeated(identity, "GET", (target, None), port).await
}

/// Signs a request again and again for a round, each with its own date.
pub(crate) async fn repeated(
    identity: &Arc<Identity>,
    method: &'static str,
    (target, body): (&str, Option<&str>),
    port: u16,
) -> Outcome<Requests> {
    let (identity, target) = (Arc::clone(identity), target.to_owned());
    let body = body.map(str::to_owned);
    let (host, now) = (format!("127.0.0.1:{port}"), SystemClock.now());
    let signed = on_all_cores(READS, move |number| {
        let body = body.as_ref().map(|body| ("application/json", body.as_bytes()));
        let outgoing = Outgoing { method, target: &target, host: &host, body };
        let since = Duration::from_secs(number as u64);
        let first = now.checked_sub(Duration::from_secs(READS as u64 / 2))?;
        identity.render(&outgoing, first.checked_add(since)?)
    });
    Ok(Arc::new(signed.await?))
}

/// Signs one read of each target.
pub(crate) async fn signed_for(
    identity: &Arc<Identity>,
    targets: Vec<String>,
    port: u16,
) -> Outcome<Vec<Vec<u8>>> {
    let identity = Arc::clone(identity);
    on_all_cores(targets.len(), move |number| {
        identity.request("GET", targets.get(number).ok_or("no target")?, port, None)
    })
    .await
}

/// Signs the updates of a round, a list for each target; every one stores another value.
pub(crate) async fn updates(
    identity: &Arc<Identity>,
    targets: &[String],
    port: u16,
    round: usize,
) -> Outcome<Vec<Requests>> {
    let each = UPDATES / targets.len().max(1);
    let (identity, all) = (Arc::clone(identity), targets.to_vec());
    let signed = on_all_cores(each * targets.len(), move |number| {
        let content = value((round * UPDATES + number) as u64);
        let body = format!(
            "{{\"secretContent\":{{\"contentType\":\"BASE64\",\"content\":\"{content}\"}}}}"
        );
        let target = all.get(number / each).ok_or("no target")?;
        identity.request("PUT", target, port, Some(body.as_bytes()))
    });
    let signed = signed.await?;
    Ok(signed.chunks(each).map(|list| Arc::new(list.to_vec())).collect())
}

/// Makes values `0..count` with every core, in order.
async fn on_all_cores<F>(count: usize, make: F) -> Outcome<Vec<Vec<u8>>>
where
    F: Fn(usize) -> Outcome<Vec<u8>> + Send + Sync + 'static,
{
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (make, share) = (Arc::new(make), count.div_ceil(cores).max(1));
    let parts: Vec<_> = (0..count)
        .step_by(share)
        .map(|first| {
            let make = Arc::clone(&make);
            let numbers = first..count.min(first + share);
            tokio::task::spawn_blocking(move || numbers.map(|n| make(n)).collect::<Outcome<_>>())
        })
        .collect();
    let mut whole: Vec<Vec<u8>> = Vec::with_capacity(count);
    for part in parts {
        let part: Vec<Vec<u8>> = part.await??;
        whole.extend(part);
    }
    Ok(whole)
}

/// Pseudo-random bytes in BASE64, the same for the same seed (splitmix64).
pub(crate) fn value(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x2545_F491_4F6C_DD1D);
    let words = (0..VALUE_BYTES / 8).map(|_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    });
    STANDARD.encode(words.flatten().collect::<Vec<u8>>())
}

/// The request with one bit of its signature turned: a server that verifies refuses it.
pub(crate) fn bent(request: &[u8]) -> Outcome<Vec<u8>> {
    let start = b"signature=\"";
    let at = request.windows(start.len()).position(|bytes| bytes == start);
    let mut request = request.to_vec();
    let byte = request.get_mut(at.ok_or("no signature")? + start.len());
    let byte = byte.ok_or("no signature")?;
    *byte = if *byte == b'A' { b'B' } else { b'A' };
    Ok(request)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn no_two_reads_are_the_same_bytes() {
        let signed = reads(&Identity::generate().unwrap(), "/a", 1).await.unwrap();
        assert_eq!(signed.iter().collect::<BTreeSet<_>>().len(), READS);
        assert!(signed.iter().all(|request| request.starts_with(b"GET /a HTTP/1.1\r\ndate: ")));
    }

    #[tokio::test]
    async fn every_client_updates_its_own_secret_with_other_values() {
        let targets: Vec<String> = (0..16).map(|n| format!("/s/{n}")).collect();
        let (identity, mut bodies) = (Identity::generate().unwrap(), BTreeSet::new());
        for round in 0..2 {
            let lists = updates(&identity, &targets, 1, round).await.unwrap();
            assert_eq!(lists.len(), targets.len());
            for (list, target) in lists.iter().zip(&targets) {
                let start = format!("PUT {target} HTTP/1.1\r\n");
                assert!(list.iter().all(|request| request.starts_with(start.as_bytes())));
                bodies.extend(list.iter().map(|text| text[text.len() - 1400..].to_vec()));
            }
        }
        assert_eq!(bodies.len(), 2 * UPDATES);
    }

    #[test]
    fn a_value_is_as_long_as_it_says() {
        assert_eq!(STANDARD.decode(value(1)).unwrap().len(), VALUE_BYTES);
    }
}
