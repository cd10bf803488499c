//! Bends what comes in before anybody is known, for so many seconds: authorization headers, tokens,
//! certificates. Nothing panics, and nothing that was bent holds.
//!
//! usage: `fuzz_signing SECONDS [SEED]`

#![expect(clippy::print_stdout, reason = "a program that tells what it did")]
#![expect(clippy::disallowed_types, reason = "it runs for a time")]

use std::time::{Duration, Instant};

use strongroom_model::Timestamp;
use strongroom_signing::{
    Certificate, Claim, Claims, HeaderSource, HeaderValue, KeyId, NameField, NewCertificate,
    NewToken, Outgoing, PrivateKey, PublicKey, Request, Role, Scope, SignedToken, sign,
};
use strongroom_testkit::Dice;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const NOW: i64 = 1_800_000_000;
const TARGET: &str = "/20180608/secrets?compartmentId=ocid1.compartment.oc1..c";
const BODY: &[u8] = br#"{"secretName":"s"}"#;
const KEY_ID: &str = "ocid1.tenancy.oc1..t/ocid1.user.oc1..u/aa:bb";

/// What stands between the values of a header.
const PIECES: [&str; 16] = [
    "\"",
    ",",
    "=",
    " ",
    "  ",
    "\t",
    "keyId=\"",
    "headers=\"",
    "(request-target)",
    "date",
    "ST$",
    "/",
    "signature=\"\"",
    "algorithm=\"none\"",
    "version=\"2\"",
    "ä",
];

struct Headers(Vec<(String, String)>);

impl HeaderSource for Headers {
    fn header(&self, lower_case_name: &str) -> HeaderValue<'_> {
        let mut found = self.0.iter().filter(|(name, _)| name == lower_case_name);
        match (found.next(), found.next()) {
            (None, _) => HeaderValue::Absent,
            (Some((_, value)), None) => HeaderValue::One(value),
            _ => HeaderValue::Many,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    headers: u64,
    alike: u64,
    tokens: u64,
    certificates: u64,
    leaves_read: u64,
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let secs: u64 = arguments.next().ok_or("usage: fuzz_signing SECONDS [SEED]")?.parse()?;
    let mut dice = Dice::new(arguments.next().map(|seed| seed.parse()).transpose()?);
    println!("seed {}", dice.seed());
    let now = Timestamp::from_second(NOW)?;
    let key = PrivateKey::generate()?;
    let public = key.public()?;
    let signed = signed_request(&key, now)?;
    let token = token(&key, now)?;
    let chain = Chain::make(&key, now)?;
    let mut counts = Counts::default();
    let until = Instant::now() + Duration::from_secs(secs);
    while Instant::now() < until {
        for _ in 0..200 {
            header(&mut dice, &signed, (&public, now), &mut counts)?;
            bent_token(&mut dice, &token, (&public, now), &mut counts)?;
            bent_certificate(&mut dice, &chain, now, &mut counts)?;
        }
    }
    println!("{counts:?}: none held but headers that say the same");
    Ok(())
}

fn signed_request(key: &PrivateKey, now: Timestamp) -> Result<Headers, Box<dyn std::error::Error>> {
    let body = Some(("application/json", BODY));
    let outgoing = Outgoing { method: "POST", target: TARGET, host: "h", body };
    let headers = sign(&outgoing, KEY_ID, key, now)?;
    Ok(Headers(headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// Bends characters of a text.
fn bend(dice: &mut Dice, text: &str) -> String {
    let mut bent: Vec<char> = text.chars().collect();
    for _ in 0..=dice.roll(3) {
        let (at, length) = (dice.roll(bent.len() + 1), dice.roll(9));
        let end = (at + length).min(bent.len());
        match dice.roll(4) {
            0 => drop(bent.drain(at..end)),
            1 => {
                let part: Vec<char> = bent.iter().copied().skip(at).take(length).collect();
                let to = dice.roll(bent.len() + 1);
                bent.splice(to..to, part);
            }
            2 => drop(bent.splice(at..end, dice.pick(&PIECES).chars())),
            _ => drop(bent.splice(at..at, dice.pick(&PIECES).chars())),
        }
    }
    bent.into_iter().collect()
}

/// A bent header may say the same as before, in another spelling. Anything else does not hold.
fn header(
    dice: &mut Dice,
    signed: &Headers,
    (key, now): (&PublicKey, Timestamp),
    counts: &mut Counts,
) -> Outcome {
    let mut headers = Headers(signed.0.clone());
    let at = dice.roll(headers.0.len());
    let Some((name, value)) = headers.0.get_mut(at) else { return Ok(()) };
    let (name, before) = (name.clone(), value.clone());
    *value = bend(dice, value);
    let after = value.clone();
    counts.headers += 1;
    let request = Request { method: "POST", target: TARGET, headers: &headers };
    let scope = if dice.roll(2) == 0 { Scope::Api } else { Scope::Federation };
    let Ok(claim) = Claim::read(&request, scope, now) else { return Ok(()) };
    // Another key id has another key.
    let is_own = matches!(claim.key_id(), KeyId::ApiKey { tenancy, user, fingerprint }
        if format!("{tenancy}/{user}/{fingerprint}") == KEY_ID);
    if !is_own || claim.verify(&request, BODY, key).is_err() || before == after {
        return Ok(());
    }
    let same = before.split_whitespace().eq(after.split_whitespace());
    if name == "authorization" || same {
        counts.alike += 1;
        return Ok(());
    }
    Err(format!("{name}: {after:?} holds in place of {before:?}").into())
}

fn token(key: &PrivateKey, now: Timestamp) -> Result<String, Box<dyn std::error::Error>> {
    let text = |text: &str| text.to_owned();
    let claims = Claims {
        sub: text("ocid1.instance.oc1.iad.i"),
        iss: text("i"),
        aud: text("oci"),
        ptype: text("instance"),
        ttype: text("x509"),
        tenant: text("ocid1.tenancy.oc1..t"),
        jti: text("j"),
        iat: now.as_second(),
        exp: now.as_second() + 1200,
        jwk: key.public()?.to_jwk("k")?,
        sess_exp: None,
        of_resource: None,
    };
    let new = NewToken::new("k", &claims)?;
    let signature = key.sign(new.message())?;
    Ok(new.signed(&signature))
}

fn bent_token(
    dice: &mut Dice,
    token: &str,
    (key, now): (&PublicKey, Timestamp),
    counts: &mut Counts,
) -> Outcome {
    let bytes = dice.bend(token.as_bytes());
    let bent = String::from_utf8_lossy(&bytes).into_owned();
    counts.tokens += 1;
    let held = SignedToken::parse(&bent).and_then(|token| token.verify(key, now));
    match held {
        Ok(_) if bent != token => Err(format!("{bent:?} holds").into()),
        _ => Ok(()),
    }
}

/// A machine's certificate with what leads to its root.
struct Chain {
    leaf: Certificate,
    between: Certificate,
    root: Certificate,
}

impl Chain {
    fn make(key: &PrivateKey, now: Timestamp) -> Result<Self, Box<dyn std::error::Error>> {
        let issue = |name: &str, role, issuer: Option<&Certificate>| {
            let unit = |text: &str| (NameField::OrganizationalUnit, text.to_owned());
            let subject = [
                (NameField::CommonName, name.to_owned()),
                unit("opc-certtype:instance"),
                unit(&format!("opc-instance:{name}")),
                unit("opc-tenant:t"),
            ];
            let new = NewCertificate {
                subject: &subject,
                issuer,
                serial: [9; 16],
                not_before: Timestamp::from_second(now.as_second() - 60)?,
                not_after: Timestamp::from_second(now.as_second() + 60)?,
                public_key: &key.public()?,
                role,
            };
            Ok::<_, Box<dyn std::error::Error>>(new.sign(|message| key.sign(message).ok())?)
        };
        let root = issue("root", Role::Authority(1), None)?;
        let between = issue("between", Role::Authority(0), Some(&root))?;
        let leaf = issue("leaf", Role::Client, Some(&between))?;
        leaf.verify(std::slice::from_ref(&between), std::slice::from_ref(&root), now)?;
        Ok(Self { leaf, between, root })
    }
}

fn bent_certificate(
    dice: &mut Dice,
    chain: &Chain,
    now: Timestamp,
    counts: &mut Counts,
) -> Outcome {
    let of_leaf = dice.roll(2) == 0;
    let original = if of_leaf { &chain.leaf } else { &chain.between };
    let bytes = dice.bend(original.as_der());
    counts.certificates += 1;
    let Ok(bent) = Certificate::from_der(bytes.clone()) else { return Ok(()) };
    counts.leaves_read += u64::from(of_leaf);
    let _said = (bent.common_name(), bent.unit("opc-instance:"), bent.unit("opc-tenant:"));
    let _times = (bent.not_before(), bent.not_after(), bent.public_key().is_ok());
    let roots = std::slice::from_ref(&chain.root);
    let held = if of_leaf {
        bent.verify(std::slice::from_ref(&chain.between), roots, now)
    } else {
        chain.leaf.verify(&[bent], roots, now)
    };
    if held.is_ok() && bytes != original.as_der() {
        return Err(format!("a bent certificate holds: {bytes:02x?}").into());
    }
    Ok(())
}
