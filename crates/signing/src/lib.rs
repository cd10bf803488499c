//! Request signatures as OCI uses them: canonical form, signing, verification, key formats, certificates and tokens; pure, time comes in.

mod authorization;
mod canonical;
mod certificate;
mod claim;
mod date;
mod encrypted;
mod issue;
mod jwk;
mod keys;
mod md5;
mod reject;
mod sign;
mod token;

pub use authorization::KeyId;
pub use canonical::{HeaderSource, HeaderValue, Request, body_digest, content_md5, is_same_secret};
pub use certificate::{Certificate, CertificateError};
pub use claim::{Claim, Scope};
pub use date::{imf_date, parse_imf_date};
pub use issue::{NameField, NewCertificate, Role};
pub use keys::{KeyError, PrivateKey, PublicKey};
pub use reject::Reject;
pub use sign::{Outgoing, sign};
pub use token::{Claims, NewToken, ResourceClaims, SignedToken};
