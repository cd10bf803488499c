//! Project Wycheproof's vectors through this crate's own functions.

use serde_json::Value;
use strongroom_model::{KeyShape, RsaLength, SigningAlgorithm};
use wycheproof::{aead, ecdsa, keywrap, rsa_oaep, rsa_pkcs1_verify, rsa_pss_verify};

use crate::asymmetric::{AsymmetricKey, Oaep, PublicKey, digest};
use crate::gcm;
use crate::wrapping::{unwrap_padded, wrap_padded};

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let pair = |at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap();
    (0..text.len()).step_by(2).map(pair).collect()
}

/// What became of a set of vectors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    valid: usize,
    invalid: usize,
    /// Vectors whose result Wycheproof leaves open, by what is done here.
    accepted: usize,
    refused: usize,
    /// Vectors that this crate's functions cannot be asked, such as other lengths of nonces.
    unreachable: usize,
}

/// Runs the vectors of a set. `act` tells whether one is accepted, and nothing if it cannot be
/// asked.
fn run(json: &str, act: impl Fn(&Value, &Value) -> Option<bool>) -> Counts {
    let set: Value = serde_json::from_str(json).unwrap();
    let mut counts = Counts::default();
    for group in set["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let result = test["result"].as_str().unwrap();
            match (result, act(group, test)) {
                (_, None) => counts.unreachable += 1,
                ("valid", Some(true)) => counts.valid += 1,
                ("invalid", Some(false)) => counts.invalid += 1,
                ("acceptable", Some(true)) => counts.accepted += 1,
                ("acceptable", Some(false)) => counts.refused += 1,
                (_, Some(accepted)) => {
                    panic!("{}: {result}, accepted: {accepted}: {test}", set["algorithm"])
                }
            }
        }
    }
    counts
}

#[test]
fn aes_gcm() {
    let counts = run(aead::TestName::AesGcm.json_data(), |group, test| {
        if group["ivSize"] != 96 || group["tagSize"] != 128 {
            return None;
        }
        let (key, iv, aad) = (bytes(&test["key"]), bytes(&test["iv"]), bytes(&test["aad"]));
        let mut sealed = [bytes(&test["ct"]), bytes(&test["tag"])].concat();
        let opened = gcm::open(&key, &iv, &aad, &mut sealed);
        if test["result"] == "valid" {
            let mut body = bytes(&test["msg"]);
            let tag = gcm::seal(&key, &iv, &aad, &mut body).unwrap();
            assert_eq!((body, tag.to_vec()), (bytes(&test["ct"]), bytes(&test["tag"])));
            assert_eq!(sealed[..opened.unwrap()], bytes(&test["msg"]));
        }
        Some(opened.is_some())
    });
    println!("AES-GCM: {counts:?}");
    assert!(counts.valid >= 100 && counts.invalid >= 60, "{counts:?}");
}

#[test]
fn aes_kwp() {
    let counts = run(keywrap::TestName::AesKeyWrapWithPadding.json_data(), |group, test| {
        if group["keySize"] != 256 {
            return None;
        }
        let (key, wrapped) = (bytes(&test["key"]), bytes(&test["ct"]));
        let opened = unwrap_padded(&key, &wrapped);
        if test["result"] == "valid" {
            let material = bytes(&test["msg"]);
            assert_eq!(wrap_padded(&key, &material).unwrap(), wrapped);
            assert_eq!(opened.as_ref().unwrap().expose(), material);
        }
        Some(opened.is_ok())
    });
    println!("AES-KWP: {counts:?}");
    assert!(counts.valid >= 20 && counts.invalid >= 50, "{counts:?}");
}

#[test]
fn ecdsa_signatures() {
    use SigningAlgorithm as S;
    for (set, algorithm) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256, S::EcdsaSha256),
        (ecdsa::TestName::EcdsaSecp384r1Sha384, S::EcdsaSha384),
        (ecdsa::TestName::EcdsaSecp521r1Sha512, S::EcdsaSha512),
    ] {
        let counts = run(set.json_data(), |group, test| verify(algorithm, group, test));
        println!("ECDSA {}: {counts:?}", algorithm.name());
        assert!(counts.valid >= 100 && counts.invalid >= 100, "{counts:?}");
        assert_eq!((counts.accepted, counts.unreachable), (0, 0));
    }
}

fn verify(algorithm: SigningAlgorithm, group: &Value, test: &Value) -> Option<bool> {
    let key = PublicKey::from_der(bytes(&group["publicKeyDer"]));
    let message = digest(algorithm.hash(), &bytes(&test["msg"]));
    key.verify(algorithm, &message, &bytes(&test["sig"])).ok()
}

#[test]
fn rsa_pkcs1_signatures() {
    use SigningAlgorithm as S;
    use rsa_pkcs1_verify::TestName as T;
    for (set, algorithm) in [
        (T::Rsa2048Sha224, S::RsaPkcs1Sha224),
        (T::Rsa2048Sha256, S::RsaPkcs1Sha256),
        (T::Rsa2048Sha384, S::RsaPkcs1Sha384),
        (T::Rsa2048Sha512, S::RsaPkcs1Sha512),
        (T::Rsa3072Sha256, S::RsaPkcs1Sha256),
        (T::Rsa3072Sha384, S::RsaPkcs1Sha384),
        (T::Rsa3072Sha512, S::RsaPkcs1Sha512),
        (T::Rsa4096Sha256, S::RsaPkcs1Sha256),
        (T::Rsa4096Sha384, S::RsaPkcs1Sha384),
        (T::Rsa4096Sha512, S::RsaPkcs1Sha512),
    ] {
        let counts = run(set.json_data(), |group, test| verify(algorithm, group, test));
        println!("{} {set:?}: {counts:?}", algorithm.name());
        assert!(counts.valid >= 5 && counts.invalid >= 200, "{counts:?}");
        assert_eq!((counts.accepted, counts.unreachable), (0, 0), "{set:?}");
    }
}

#[test]
fn rsa_pss_signatures() {
    use SigningAlgorithm as S;
    use rsa_pss_verify::TestName as T;
    for (set, algorithm) in [
        (T::RsaPss2048Sha256Mgf1SaltLen32, S::RsaPssSha256),
        (T::RsaPss2048Sha384Mgf1SaltLen48, S::RsaPssSha384),
        (T::RsaPss3072Sha256Mgf1SaltLen32, S::RsaPssSha256),
        (T::RsaPss4096Sha256Mgf1SaltLen32, S::RsaPssSha256),
        (T::RsaPss4096Sha384Mgf1SaltLen48, S::RsaPssSha384),
        (T::RsaPss4096Sha512Mgf1SaltLen64, S::RsaPssSha512),
    ] {
        let counts = run(set.json_data(), |group, test| verify(algorithm, group, test));
        println!("{} {set:?}: {counts:?}", algorithm.name());
        assert!(counts.valid >= 30 && counts.invalid >= 20, "{counts:?}");
        assert_eq!((counts.accepted, counts.unreachable), (0, 0), "{set:?}");
    }
    // A salt of another length than the hash's is not this algorithm's.
    for set in [T::RsaPss2048Sha256Mgf1SaltLen0, T::RsaPss4096Sha512Mgf1SaltLen32] {
        let algorithm =
            if set == T::RsaPss4096Sha512Mgf1SaltLen32 { S::RsaPssSha512 } else { S::RsaPssSha256 };
        let counts = run(set.json_data(), |group, test| {
            let is_valid = test["result"] == "valid";
            (is_valid && verify(algorithm, group, test) == Some(true)).then_some(true)
        });
        assert_eq!(counts.valid, 0, "{set:?}");
    }
}

#[test]
fn rsa_oaep() {
    use rsa_oaep::TestName as T;
    for (set, oaep, length) in [
        (T::Rsa2048Sha1Mgf1Sha1, Oaep::Sha1, RsaLength::Rsa2048),
        (T::Rsa2048Sha256Mgf1Sha256, Oaep::Sha256, RsaLength::Rsa2048),
        (T::Rsa3072Sha256Mgf1Sha256, Oaep::Sha256, RsaLength::Rsa3072),
        (T::Rsa4096Sha256Mgf1Sha256, Oaep::Sha256, RsaLength::Rsa4096),
    ] {
        let counts = run(set.json_data(), |group, test| {
            if test["label"] != "" {
                return None;
            }
            let pkcs8 = bytes(&group["privateKeyPkcs8"]);
            let key = AsymmetricKey::from_pkcs8(KeyShape::Rsa(length), &pkcs8).unwrap();
            let opened = key.decrypt(oaep, &bytes(&test["ct"]));
            if let Ok(opened) = &opened {
                assert_eq!(opened.expose(), bytes(&test["msg"]));
            }
            Some(opened.is_ok())
        });
        println!("OAEP {set:?}: {counts:?}");
        assert!(counts.valid >= 8, "{counts:?}");
    }
}

/// NIST's CAVP vectors of AES-GCM decryption, as the Python package
/// `cryptography-vectors` holds them.
#[cfg(feature = "nist-vectors")]
#[test]
#[expect(clippy::disallowed_methods, reason = "the test command says where the files are")]
fn nist_aes_gcm() {
    let directory = std::env::var("STRONGROOM_NIST_GCM").unwrap();
    let mut counts = Counts::default();
    for name in ["gcmDecrypt128.rsp", "gcmDecrypt192.rsp", "gcmDecrypt256.rsp"] {
        let path = std::path::Path::new(&directory).join(name);
        let text = String::from_utf8(strongroom_model::private_file::read(&path).unwrap()).unwrap();
        let mut lengths = (String::new(), String::new());
        for block in text.replace('\r', "").split("\n\n") {
            nist_block(block, &mut lengths, &mut counts);
        }
    }
    println!("NIST AES-GCM: {counts:?}");
    assert!(counts.valid >= 500 && counts.invalid >= 500, "{counts:?}");
}

#[cfg(feature = "nist-vectors")]
fn nist_block(block: &str, lengths: &mut (String, String), counts: &mut Counts) {
    let field = |name: &str| {
        let start = format!("{name} =");
        let line = block.lines().find_map(|line| line.strip_prefix(start.as_str()));
        line.map(|value| bytes(&Value::from(value.trim())))
    };
    for line in block.lines() {
        if let Some(length) = line.strip_prefix("[IVlen = ") {
            lengths.0 = length.to_owned();
        } else if let Some(length) = line.strip_prefix("[Taglen = ") {
            lengths.1 = length.to_owned();
        }
    }
    let Some(key) = field("Key") else { return };
    if (lengths.0.as_str(), lengths.1.as_str()) != ("96]", "128]") {
        counts.unreachable += 1;
        return;
    }
    let mut sealed = [field("CT").unwrap(), field("Tag").unwrap()].concat();
    let opened = gcm::open(&key, &field("IV").unwrap(), &field("AAD").unwrap(), &mut sealed);
    if block.contains("FAIL") {
        assert!(opened.is_none(), "{block}");
        counts.invalid += 1;
    } else {
        assert_eq!(sealed[..opened.unwrap()], field("PT").unwrap(), "{block}");
        counts.valid += 1;
    }
}
