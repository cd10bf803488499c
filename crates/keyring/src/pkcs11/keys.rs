//! Keys in the token: sensitive and not extractable from their first moment.

use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use strongroom_model::{KeyShape, Random, Sensitive};
use zeroize::Zeroize;

use super::pool::{Worker, failure};
use super::{TokenError, der};
use crate::SystemRandom;
use crate::wrapping::wrap_padded;

const LABEL: &[u8] = b"strongroom";
const CANARY: &[u8] = b"strongroom-canary";
const TRANSPORT_KEY_BYTES: usize = 32;

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn raised(error: Error) -> TokenError {
    failure(&error)
}

/// The object by which a token that has lost its objects is told from one that refused an input.
fn canary() -> [Attribute; 3] {
    let label = Attribute::Label(CANARY.to_vec());
    [Attribute::Class(ObjectClass::DATA), Attribute::Token(true), label]
}

pub(super) fn make_canary(session: &Session) -> Result<(), TokenError> {
    let away = |error: Error| TokenError::Unavailable(error.to_string());
    if session.find_objects(&canary()).map_err(away)?.is_empty() {
        let template = [canary().as_slice(), &[Attribute::Private(true)]].concat();
        session.create_object(&template).map_err(away)?;
    }
    Ok(())
}

pub(super) fn sees_canary(session: &Session) -> bool {
    session.find_objects(&canary()).is_ok_and(|found| !found.is_empty())
}

/// What every secret or private key of this product says of itself.
fn protected(id: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Id(id.to_vec()),
        Attribute::Label(LABEL.to_vec()),
    ]
}

fn uses(shape: KeyShape) -> Vec<Attribute> {
    match shape {
        KeyShape::Aes(_) => vec![Attribute::Derive(true)],
        KeyShape::Rsa(_) => vec![Attribute::Sign(true), Attribute::Decrypt(true)],
        KeyShape::Ecdsa(_) => vec![Attribute::Sign(true)],
    }
}

pub(super) fn generate(
    worker: &mut Worker,
    id: &[u8],
    shape: KeyShape,
) -> Result<Option<Vec<u8>>, TokenError> {
    let session = &worker.session;
    let private = [protected(id), uses(shape)].concat();
    let public = |more: Vec<Attribute>| {
        // The public half is read once and kept outside; the token need not keep it.
        [vec![Attribute::Token(false), Attribute::Private(false), Attribute::Verify(true)], more]
            .concat()
    };
    match shape {
        KeyShape::Aes(length) => {
            let length = Attribute::ValueLen(Ulong::from(u64::from(length.bytes())));
            let template = [private, vec![length]].concat();
            session.generate_key(&Mechanism::AesKeyGen, &template).map_err(raised)?;
            Ok(None)
        }
        KeyShape::Rsa(length) => {
            let bits = Attribute::ModulusBits(Ulong::from(u64::from(length.bytes()) * 8));
            let exponent = Attribute::PublicExponent(vec![1, 0, 1]);
            let made = session.generate_key_pair(
                &Mechanism::RsaPkcsKeyPairGen,
                &public(vec![bits, exponent]),
                &private,
            );
            let (public, _) = made.map_err(raised)?;
            rsa_public(session, public).map(Some)
        }
        KeyShape::Ecdsa(curve) => {
            let parameters = Attribute::EcParams(der::curve(curve).to_vec());
            let made = session.generate_key_pair(
                &Mechanism::EccKeyPairGen,
                &public(vec![parameters]),
                &private,
            );
            let (public, _) = made.map_err(raised)?;
            let found = session.get_attributes(public, &[AttributeType::EcPoint]);
            let public = match found.map_err(raised)?.as_slice() {
                [Attribute::EcPoint(point)] => der::ec_public(curve, point),
                _ => None,
            };
            public.map(Some).ok_or_else(odd)
        }
    }
}

fn odd() -> TokenError {
    TokenError::Unavailable("the token tells a public key in an unknown form".to_owned())
}

fn rsa_public(session: &Session, public: ObjectHandle) -> Result<Vec<u8>, TokenError> {
    let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
    let found = session.get_attributes(public, &wanted).map_err(raised)?;
    match found.as_slice() {
        [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] => {
            Ok(der::rsa_public(modulus, exponent))
        }
        _ => Err(odd()),
    }
}

/// Takes a key in under a transport key of this session, so that the material is never an attribute
/// that the module is told.
pub(super) fn import(
    worker: &mut Worker,
    id: &[u8],
    shape: KeyShape,
    material: &Sensitive,
) -> Result<(), TokenError> {
    let session = &worker.session;
    let mut transport = Sensitive::new(vec![0; TRANSPORT_KEY_BYTES]);
    SystemRandom.fill(transport.expose_mut());
    let wrapped = wrap_padded(transport.expose(), material.expose())
        .map_err(|_error| TokenError::Rejected)?;
    let mut template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(false),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Unwrap(true),
        Attribute::Value(transport.expose().to_vec()),
    ];
    let key = session.create_object(&template);
    for attribute in &mut template {
        if let Attribute::Value(value) = attribute {
            value.zeroize();
        }
    }
    let key = key.map_err(raised)?;
    let (class, kind) = match shape {
        KeyShape::Aes(_) => (ObjectClass::SECRET_KEY, KeyType::AES),
        KeyShape::Rsa(_) => (ObjectClass::PRIVATE_KEY, KeyType::RSA),
        KeyShape::Ecdsa(_) => (ObjectClass::PRIVATE_KEY, KeyType::EC),
    };
    let what = vec![Attribute::Class(class), Attribute::KeyType(kind)];
    let template = [what, protected(id), uses(shape)].concat();
    let taken = session.unwrap_key(&Mechanism::AesKeyWrapPad, key, &wrapped, &template);
    session.destroy_object(key).map_err(raised)?;
    taken.map(|_handle| ()).map_err(raised)
}

pub(super) fn destroy(worker: &mut Worker, id: &[u8]) -> Result<(), TokenError> {
    worker.handles.remove(id);
    let session = &worker.session;
    for handle in session.find_objects(&[Attribute::Id(id.to_vec())]).map_err(raised)? {
        session.destroy_object(handle).map_err(raised)?;
    }
    Ok(())
}

/// Finds the one key with an identifier that does secret work.
pub(super) fn secret_or_private(
    worker: &mut Worker,
    id: &[u8],
) -> Result<ObjectHandle, TokenError> {
    match worker.handles.get(id) {
        Some(handle) => Ok(*handle),
        None => look_up(worker, id),
    }
}

/// Asks the token for a key, whatever handle is remembered: another session may have destroyed it.
pub(super) fn look_up(worker: &mut Worker, id: &[u8]) -> Result<ObjectHandle, TokenError> {
    worker.handles.remove(id);
    let label = Attribute::Label(LABEL.to_vec());
    let template = [Attribute::Id(id.to_vec()), label, Attribute::Token(true)];
    let found = worker.session.find_objects(&template).map_err(raised)?;
    let handle = *found.first().ok_or(TokenError::Missing)?;
    worker.handles.insert(id.to_vec(), handle);
    Ok(handle)
}
