//! Request signatures as OCI uses them: canonical form, signing, verification and RSA key formats; pure, time comes in.

mod authorization;
mod canonical;
mod claim;
mod date;
mod keys;
mod md5;
mod reject;
mod sign;

pub use authorization::KeyId;
pub use canonical::{HeaderSource, HeaderValue, Request, body_digest, content_md5};
pub use claim::{Claim, Scope};
pub use date::imf_date;
pub use keys::{KeyError, PrivateKey, PublicKey};
pub use reject::Reject;
pub use sign::{Outgoing, sign};
