//! Content that is made here: passphrases, bytes and SSH keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::{
    Generated, PLACEHOLDER_BYTES, PLACEHOLDER_PASSPHRASE, PLACEHOLDER_PRIVATE_KEY,
    PLACEHOLDER_PUBLIC_KEY, PassphraseTemplate, Random, RsaLength, SecretGeneration, Sensitive,
    pem,
};

use crate::asymmetric::{AsymmetricKey, KeyError};

/// What OCI makes of an SSH key when no template is given.
const SSH_TEMPLATE: &str =
    r#"{"publicKey":"%GENERATED_PUBLIC_KEY%","privateKey":"%GENERATED_PRIVATE_KEY%"}"#;

/// Makes content. An RSA key takes from tenths of a second to several seconds.
///
/// Bytes without a template are the content themselves; in a template they stand in base64. A public
/// key is a line as OpenSSH has it (RFC 4253), a private key PEM as in PKCS#1. In a template that is
/// JSON, what is put in is escaped.
///
/// # Errors
/// [`KeyError::Refused`] if the cryptographic library refuses.
pub fn generate_content(
    generation: &SecretGeneration,
    random: &dyn Random,
) -> Result<Sensitive, KeyError> {
    let template = generation.template.as_deref();
    let parts = match generation.generated {
        Generated::Passphrase { template: kind, length } => {
            let made = passphrase(kind, usize::from(length), random);
            vec![(PLACEHOLDER_PASSPHRASE, made)]
        }
        Generated::Bytes { count } => {
            let mut bytes = Sensitive::new(vec![0; usize::from(count)]);
            random.fill(bytes.expose_mut());
            if template.is_none() {
                return Ok(bytes);
            }
            let text = STANDARD.encode(bytes.expose()).into_bytes();
            vec![(PLACEHOLDER_BYTES, Sensitive::new(text))]
        }
        Generated::SshKey { bits } => {
            let (public, private) = ssh_key(bits)?;
            vec![(PLACEHOLDER_PUBLIC_KEY, public), (PLACEHOLDER_PRIVATE_KEY, private)]
        }
    };
    let is_ssh_key = matches!(generation.generated, Generated::SshKey { .. });
    match (template, parts.as_slice()) {
        (None, [(_, made)]) if !is_ssh_key => Ok(made.clone()),
        (template, parts) => {
            let is_json = template.is_none() || generation.is_json_template();
            Ok(filled(template.unwrap_or(SSH_TEMPLATE), parts, is_json))
        }
    }
}

/// Every text of the length that has enough of every kind is as likely as every other: texts that
/// have not are thrown away.
fn passphrase(template: PassphraseTemplate, length: usize, random: &dyn Random) -> Sensitive {
    let (kinds, least) = template.kinds();
    let alphabet: Vec<u8> = kinds.iter().flat_map(|kind| kind.bytes()).collect();
    let mut text = Sensitive::new(Vec::with_capacity(length));
    loop {
        text.expose_mut().clear();
        while text.expose().len() < length {
            text.expose_mut().extend(one_of(&alphabet, random));
        }
        let held = |kind: &&str| {
            text.expose().iter().filter(|byte| kind.as_bytes().contains(byte)).count() >= least
        };
        let begins = text.expose().first().is_some_and(u8::is_ascii_alphabetic);
        let letter_first = template == PassphraseTemplate::DbaasDefaultPassword;
        if kinds.iter().all(held) && (begins || !letter_first) {
            return text;
        }
    }
}

/// A byte of `alphabet`, each as likely; none if the random byte lies beyond the last whole round.
fn one_of(alphabet: &[u8], random: &dyn Random) -> Option<u8> {
    let mut byte = [0_u8];
    random.fill(&mut byte);
    let [byte] = byte.map(usize::from);
    let rounds = 256_usize.checked_div(alphabet.len())?;
    alphabet.get(byte % alphabet.len()).copied().filter(|_| byte < rounds * alphabet.len())
}

/// An RSA key pair: the line of the public key, and the PEM of the private one.
fn ssh_key(bits: u16) -> Result<(Sensitive, Sensitive), KeyError> {
    let length = match bits {
        2048 => RsaLength::Rsa2048,
        3072 => RsaLength::Rsa3072,
        4096 => RsaLength::Rsa4096,
        _ => return Err(KeyError::Material),
    };
    let pair = AsymmetricKey::generate_rsa(length)?;
    // PrivateKeyInfo (RFC 5208): version, algorithm, and the PKCS#1 key in an OCTET STRING.
    let mut info = Der(pair.pkcs8()).enter(0x30).ok_or(KeyError::Refused)?;
    let (_version, _algorithm) = (info.next(0x02), info.next(0x30));
    let pkcs1 = info.next(0x04).ok_or(KeyError::Refused)?;
    let private = pem::encode("RSA PRIVATE KEY", pkcs1);
    let mut key = Der(pkcs1).enter(0x30).ok_or(KeyError::Refused)?;
    let (_version, modulus, exponent) = (key.next(0x02), key.next(0x02), key.next(0x02));
    let (modulus, exponent) = modulus.zip(exponent).ok_or(KeyError::Refused)?;
    let blob: Vec<u8> = [b"ssh-rsa".as_slice(), exponent, modulus]
        .into_iter()
        .flat_map(|field| {
            let length = u32::try_from(field.len()).unwrap_or_default().to_be_bytes();
            [&length, field].concat()
        })
        .collect();
    let public = format!("ssh-rsa {}", STANDARD.encode(blob)).into_bytes();
    Ok((Sensitive::new(public), private))
}

/// DER that is read element by element (X.690).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*found == tag).then_some(content)
    }

    fn enter(&mut self, tag: u8) -> Option<Self> {
        self.next(tag).map(Der)
    }
}

/// The template with each placeholder replaced.
fn filled(template: &str, parts: &[(&str, Sensitive)], is_json: bool) -> Sensitive {
    let room: usize = parts
        .iter()
        .map(|(name, part)| template.matches(name).count() * part.expose().len() * 2)
        .sum();
    let mut text = Sensitive::new(Vec::with_capacity(template.len() + room));
    let mut rest = template;
    loop {
        let first = parts.iter().filter_map(|(name, part)| Some((rest.find(name)?, name, part)));
        let Some((at, name, part)) = first.min_by_key(|(at, _, _)| *at) else { break };
        let (before, after) = rest.split_at(at);
        text.expose_mut().extend_from_slice(before.as_bytes());
        for byte in part.expose() {
            match byte {
                b'\n' if is_json => text.expose_mut().extend_from_slice(b"\\n"),
                b'"' | b'\\' if is_json => text.expose_mut().extend_from_slice(&[b'\\', *byte]),
                byte => text.expose_mut().push(*byte),
            }
        }
        rest = after.strip_prefix(name).unwrap_or_default();
    }
    text.expose_mut().extend_from_slice(rest.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::SystemRandom;

    fn made(generated: Generated, template: Option<&str>) -> String {
        let generation = SecretGeneration { generated, template: template.map(str::to_owned) };
        let content = generate_content(&generation, &SystemRandom).unwrap();
        String::from_utf8(content.expose().to_vec()).unwrap()
    }

    #[test]
    fn passphrases_have_every_kind_and_no_favourites() {
        for template in
            [PassphraseTemplate::SecretsDefaultPassword, PassphraseTemplate::DbaasDefaultPassword]
        {
            let (kinds, least) = template.kinds();
            let alphabet: String = kinds.concat();
            let (mut counts, mut drawn) = (HashMap::<char, u32>::new(), 0);
            for _ in 0..2_000 {
                let text = made(Generated::Passphrase { template, length: 30 }, None);
                assert_eq!(text.len(), 30);
                for kind in kinds {
                    assert!(text.chars().filter(|c| kind.contains(*c)).count() >= least);
                }
                if template == PassphraseTemplate::DbaasDefaultPassword {
                    assert!(text.starts_with(|c: char| c.is_ascii_alphabetic()));
                }
                // The rules favor the rare kinds a little, within a kind nothing is favored.
                for c in text.chars().skip(1).filter(char::is_ascii_lowercase) {
                    assert!(alphabet.contains(c));
                    *counts.entry(c).or_default() += 1;
                    drawn += 1;
                }
            }
            let expected = f64::from(drawn) / 26.0;
            let chi: f64 = ('a'..='z')
                .map(|c| (f64::from(counts.get(&c).copied().unwrap_or(0)) - expected).powi(2))
                .sum::<f64>()
                / expected;
            assert!(chi < 70.0, "25 degrees of freedom, one in a million: {chi}");
        }
    }

    #[test]
    fn no_byte_is_reduced_modulo_the_alphabet() {
        #[derive(Debug)]
        struct Fixed(u8);
        impl Random for Fixed {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(self.0);
            }
        }
        let drawn: Vec<_> = (0..=255).map(|byte| one_of(b"abc", &Fixed(byte))).collect();
        assert_eq!(drawn.iter().filter(|drawn| drawn.is_none()).count(), 1);
        for letter in b"abc" {
            assert_eq!(drawn.iter().filter(|drawn| **drawn == Some(*letter)).count(), 85);
        }
    }

    #[test]
    fn templates_are_filled_and_json_stays_json() {
        let passphrase = Generated::Passphrase {
            template: PassphraseTemplate::DbaasDefaultPassword,
            length: 12,
        };
        let text =
            made(passphrase, Some("user=app;%GENERATED_PASSPHRASE%;%GENERATED_PASSPHRASE%!"));
        let parts: Vec<&str> = text.trim_end_matches('!').split(';').collect();
        assert_eq!(parts[0], "user=app");
        assert_eq!((parts[1], parts[1].len()), (parts[2], 12));
        let bytes = made(Generated::Bytes { count: 512 }, Some(r#"{"seed":"%GENERATED_BYTES%"}"#));
        assert_eq!(bytes.len(), r#"{"seed":""}"#.len() + 684);
        let key = Generated::SshKey { bits: 2048 };
        let key =
            made(key, Some(r#"{"a":"%GENERATED_PRIVATE_KEY%","b":"%GENERATED_PUBLIC_KEY%"}"#));
        assert!(key.contains(r"-----BEGIN RSA PRIVATE KEY-----\nMII") && !key.contains('\n'));
        let plain = made(Generated::SshKey { bits: 2048 }, Some("%GENERATED_PUBLIC_KEY% app"));
        assert!(plain.starts_with("ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB") && plain.ends_with(" app"));
    }
}
