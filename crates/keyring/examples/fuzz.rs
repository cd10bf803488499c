//! Bends ciphertexts and wrapped keys for so many seconds: nothing panics, and nothing that was
//! bent opens.
//!
//! usage: fuzz SECONDS [SEED]

#![expect(clippy::print_stdout, reason = "a program that tells what it did")]
#![expect(clippy::disallowed_types, reason = "it runs for a time")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use strongroom_keyring::{AsymmetricKey, Context, Material, SystemRandom, version_of, wrapping};
use strongroom_model::{AesLength, Curve, KeyShape, Ocid, RsaLength, WrappingAlgorithm};
use strongroom_testkit::Dice;

const MODULUS_BYTES: usize = 256;

struct Counts {
    ciphertexts: u64,
    wrapped: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let secs: u64 = arguments.next().ok_or("usage: fuzz SECONDS [SEED]")?.parse()?;
    let mut dice = Dice::new(arguments.next().map(|seed| seed.parse()).transpose()?);
    let until = Instant::now() + Duration::from_secs(secs);
    println!("seed {}", dice.seed());
    let mut counts = Counts { ciphertexts: 0, wrapped: 0 };
    while Instant::now() < until {
        ciphertexts(&mut dice, &mut counts)?;
        wrapped_keys(&mut dice, &mut counts)?;
    }
    let Counts { ciphertexts, wrapped } = counts;
    println!("{ciphertexts} bent ciphertexts and {wrapped} bent wrapped keys: none opened");
    Ok(())
}

fn ciphertexts(dice: &mut Dice, counts: &mut Counts) -> Result<(), Box<dyn std::error::Error>> {
    let (key, version): (Ocid, Ocid) =
        ("ocid1.key.oc1.iad.v.k".parse()?, "ocid1.keyversion.oc1.iad.v.1".parse()?);
    for length in [AesLength::Aes128, AesLength::Aes192, AesLength::Aes256] {
        let Material::Symmetric(material) =
            Material::generate(KeyShape::Aes(length), &SystemRandom)?
        else {
            return Err("not symmetric".into());
        };
        let associated = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let asked = Context { key: &key, version: &version, associated: &associated };
        let plaintext = vec![7; dice.roll(100)];
        let sealed = material.encrypt(&asked, &plaintext, &SystemRandom)?;
        for _ in 0..2_000 {
            let bent = dice.bend(&sealed);
            let named = version_of(&bent).is_ok();
            let opened = material.decrypt(&asked, &bent);
            if opened.is_ok() && (bent != sealed || !named) {
                return Err(format!("a bent ciphertext opened: {bent:02x?}").into());
            }
            counts.ciphertexts += 1;
        }
    }
    Ok(())
}

fn wrapped_keys(dice: &mut Dice, counts: &mut Counts) -> Result<(), Box<dyn std::error::Error>> {
    let wrapping_key = AsymmetricKey::generate_rsa(RsaLength::Rsa2048)?;
    let shapes = [
        KeyShape::Aes(AesLength::Aes256),
        KeyShape::Ecdsa(Curve::P256),
        KeyShape::Rsa(RsaLength::Rsa2048),
    ];
    for shape in shapes {
        let material = Material::generate(shape, &SystemRandom)?;
        let algorithm = WrappingAlgorithm::RsaOaepAesSha256;
        let sealed = material.export(wrapping_key.public(), algorithm, &SystemRandom)?;
        for _ in 0..200 {
            let bent = dice.bend(&sealed);
            let asked = *WrappingAlgorithm::ALL.get(dice.roll(2)).unwrap_or(&algorithm);
            let other = *shapes.get(dice.roll(3)).unwrap_or(&shape);
            let opened = wrapping::unwrap(&wrapping_key, asked, &bent, other);
            // The first part alone is the temporary key, well wrapped with RSA_OAEP_SHA256.
            let is_head = sealed.starts_with(&bent) && bent.len() == MODULUS_BYTES;
            if opened.is_ok() && bent != sealed && !is_head {
                return Err(format!("a bent wrapped key opened as {other:?}").into());
            }
            counts.wrapped += 1;
        }
    }
    Ok(())
}
