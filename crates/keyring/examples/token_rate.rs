//! Compares a token's own rates with those through this crate: one session, two seconds each; through
//! the crate with eight calls in flight.
//!
//! usage: `token_rate MODULE LABEL PIN-FILE`

#![expect(clippy::print_stdout, reason = "a program that tells what it measured")]
#![expect(clippy::disallowed_types, reason = "it measures time")]

use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::{AuthPin, Ulong};
use strongroom_keyring::pkcs11::{Token, TokenConfig};
use strongroom_model::{
    AesLength, Curve, KeyShape, RsaLength, Sensitive, SigningAlgorithm, private_file,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const ROUND: Duration = Duration::from_secs(2);
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

fn rate(mut act: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < ROUND {
        act()?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, label, pin_file] = arguments.as_slice() else {
        return Err("usage: token_rate MODULE LABEL PIN-FILE".into());
    };
    let pin = private_file::read_private(std::path::Path::new(pin_file))?.trim_ascii().to_vec();
    let raw = raw_rates(module, label, std::str::from_utf8(&pin)?)?;
    let config = TokenConfig {
        module: module.into(),
        label: label.clone(),
        pin: Sensitive::new(pin),
        sessions: 1,
    };
    let ours = our_rates(&Token::start(config)?)?;
    for ((name, raw), ours) in raw.iter().zip(ours) {
        println!("{name}: token {raw:.0}/s, through the keyring {ours:.0}/s, {:.2}", ours / raw);
    }
    Ok(())
}

fn raw_rates(module: &str, label: &str, pin: &str) -> Outcome<[(&'static str, f64); 3]> {
    let context = Pkcs11::new(module)?;
    context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let slots = context.get_slots_with_initialized_token()?;
    let labeled = |slot: &&cryptoki::slot::Slot| {
        context.get_token_info(**slot).is_ok_and(|token| token.label() == label)
    };
    let slot = *slots.iter().find(labeled).ok_or("no such token")?;
    let session = context.open_rw_session(slot)?;
    session.login(UserType::User, Some(&AuthPin::new(pin.into())))?;
    let aes = session.generate_key(
        &Mechanism::AesKeyGen,
        &[Attribute::ValueLen(Ulong::from(32_u64)), Attribute::Encrypt(true)],
    )?;
    let curve = pair(&session, &Mechanism::EccKeyPairGen, &[Attribute::EcParams(P256.to_vec())])?;
    let modulus = Attribute::ModulusBits(Ulong::from(2048_u64));
    let exponent = Attribute::PublicExponent(vec![1, 0, 1]);
    let rsa = pair(&session, &Mechanism::RsaPkcsKeyPairGen, &[modulus, exponent])?;
    let pss = Mechanism::RsaPkcsPss(PkcsPssParams {
        hash_alg: MechanismType::SHA256,
        mgf: PkcsMgfType::MGF1_SHA256,
        s_len: Ulong::from(32_u64),
    });
    let sealed = rate(|| {
        let mut nonce = [7; 12];
        let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, &[], Ulong::from(128_u64))?);
        Ok(session.encrypt(&mechanism, aes, &[1; 1024]).map(drop)?)
    })?;
    let ecdsa = rate(|| Ok(session.sign(&Mechanism::Ecdsa, curve, &[1; 32]).map(drop)?))?;
    let signed = rate(|| Ok(session.sign(&pss, rsa, &[1; 32]).map(drop)?))?;
    Ok([("AES-256-GCM, 1 KiB", sealed), ("P-256 signature", ecdsa), ("RSA-2048 PSS", signed)])
}

fn pair(
    session: &Session,
    mechanism: &Mechanism<'_>,
    public: &[Attribute],
) -> Outcome<ObjectHandle> {
    let private = [Attribute::Sign(true), Attribute::Private(true), Attribute::Sensitive(true)];
    Ok(session.generate_key_pair(mechanism, public, &private)?.1)
}

/// Calls in flight, as a server has them.
const CALLERS: u32 = 8;

async fn together<F>(act: impl Fn() -> F + Clone + Send + 'static) -> Outcome<f64>
where
    F: Future<Output = bool> + Send,
{
    let began = Instant::now();
    let callers = (0..CALLERS).map(|_| {
        let act = act.clone();
        tokio::spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < ROUND && act().await {
                count += 1;
            }
            count
        })
    });
    let mut calls = 0;
    for caller in callers.collect::<Vec<_>>() {
        calls += caller.await?;
    }
    Ok(f64::from(calls) / began.elapsed().as_secs_f64())
}

fn our_rates(token: &Token) -> Outcome<[f64; 3]> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(rates_of(token.clone()))
}

async fn rates_of(token: Token) -> Outcome<[f64; 3]> {
    let id = |name: &str| format!("rate-{name}").into_bytes();
    for (name, shape) in [
        ("aes", KeyShape::Aes(AesLength::Aes256)),
        ("ec", KeyShape::Ecdsa(Curve::P256)),
        ("rsa", KeyShape::Rsa(RsaLength::Rsa2048)),
    ] {
        token.destroy(id(name)).await?;
        token.generate(id(name), shape).await?;
    }
    let sealing = (token.clone(), id("aes"));
    let sealed = together(move || {
        let (token, id) = sealing.clone();
        async move { token.seal(id, Vec::new(), Sensitive::new(vec![1; 1024])).await.is_ok() }
    });
    let sign = |name: &str, algorithm: SigningAlgorithm| {
        let signing = (token.clone(), id(name));
        together(move || {
            let (token, id) = signing.clone();
            async move { token.sign(id, algorithm, vec![1; 32]).await.is_ok() }
        })
    };
    let rates = [
        sealed.await?,
        sign("ec", SigningAlgorithm::EcdsaSha256).await?,
        sign("rsa", SigningAlgorithm::RsaPssSha256).await?,
    ];
    for name in ["aes", "ec", "rsa"] {
        token.destroy(id(name)).await?;
    }
    Ok(rates)
}
