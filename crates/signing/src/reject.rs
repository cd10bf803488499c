/// Why a signature does not hold, for the operator's log. The caller is told none of it, and it
/// holds no value of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// There is no `authorization` header, or more than one.
    #[error("the authorization header is absent or occurs more than once")]
    NoAuthorization,
    /// The header is no `Signature` with the attributes of the scheme.
    #[error("the authorization header is malformed")]
    MalformedAuthorization,
    /// `version` is not 1.
    #[error("the signature version is not 1")]
    Version,
    /// `algorithm` is not rsa-sha256.
    #[error("the signature algorithm is not rsa-sha256")]
    Algorithm,
    /// `keyId` is of no form that this server knows.
    #[error("the key id is of no known form")]
    KeyId,
    /// A header that must be signed is not in the list.
    #[error("a header that must be signed is not: {0}")]
    Unsigned(&'static str),
    /// The list of signed headers is empty, names a header twice or is too long.
    #[error("the list of signed headers is malformed")]
    HeaderList,
    /// A signed header is absent, occurs more than once or is no text.
    #[error("a signed header is absent, repeated or not text")]
    SignedHeader,
    /// The date cannot be read.
    #[error("the signed date is malformed")]
    Date,
    /// The date is more than five minutes away.
    #[error("the signed date is {0} seconds away from the server's clock, 300 are allowed")]
    Skew(i64),
    /// `content-length` is not the length of the body.
    #[error("content-length is not the length of the body")]
    ContentLength,
    /// `x-content-sha256` is not the digest of the body.
    #[error("x-content-sha256 is not the digest of the body")]
    BodyDigest,
    /// The request carries a delegation that this server does not know.
    #[error("delegation (opc-obo-token) is not supported")]
    Delegation,
    /// The token is none of the form that this server signs.
    #[error("the token is malformed")]
    Token,
    /// The token's signature is not one of the key it names.
    #[error("the token's signature does not verify")]
    TokenSignature,
    /// The token is not valid at this time.
    #[error("the token has expired, or is of the future")]
    TokenTime,
    /// The token names no key that could sign a request.
    #[error("the token's `jwk` is no RSA key of 2048 to 8192 bits")]
    TokenKey,
    /// The signature is not one of this key over this request.
    #[error("the signature does not verify")]
    Signature,
}
