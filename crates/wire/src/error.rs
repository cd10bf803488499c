use std::borrow::Cow;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $status:literal,)*) => {
        /// An error code of OCI's API; the status belongs to the code.
        ///
        /// Source: OCI documentation, "API Errors".
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns OCI's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// Returns the HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

error_codes! {
    /// The body is no JSON object, or is nested too deeply, or names a field twice.
    CannotParseRequest = 400,
    /// A value breaks a rule.
    InvalidParameter = 400,
    /// A required value is absent.
    MissingParameter = 400,
    /// A service limit is reached.
    LimitExceeded = 400,
    /// The signature does not hold.
    NotAuthenticated = 401,
    /// The caller sees the resource but lacks a permission (strict semantics).
    NotAuthorized = 403,
    /// Identities are changed in the home region, and this is another.
    NotAllowed = 403,
    /// The resource is missing, or policy hides it.
    NotAuthorizedOrNotFound = 404,
    /// No such route.
    NotFound = 404,
    /// The path is known, the method is not.
    MethodNotAllowed = 405,
    /// The state of something forbids it, and no wait changes that.
    Conflict = 409,
    /// Another request changed the resource first: clients try again.
    IncorrectState = 409,
    /// The name is taken.
    NotAuthorizedOrResourceAlreadyExists = 409,
    /// The retry token was used for another request.
    InvalidatedRetryToken = 409,
    /// `if-match` does not hold.
    NoEtagMatch = 412,
    /// The body is too large.
    PayloadTooLarge = 413,
    /// More requests than are allowed; `Retry-After` says when to try again.
    TooManyRequests = 429,
    /// The headers are too large.
    RequestHeaderFieldsTooLarge = 431,
    /// A defect of the server.
    InternalServerError = 500,
    /// OCI's API has it, this server does not.
    MethodNotImplemented = 501,
    /// The server cannot answer now; trying again may help.
    ServiceUnavailable = 503,
}

/// A refusal that the caller may read: it names the field and the rule, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// The message.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// Refuses a value: `field` breaks `rule`.
    #[must_use]
    pub fn invalid(field: &str, rule: &str) -> Self {
        Self::new(ErrorCode::InvalidParameter, format!("{field}: {rule}"))
    }

    /// Refuses a request that lacks `field`.
    #[must_use]
    pub fn missing(field: &str) -> Self {
        Self::new(ErrorCode::MissingParameter, format!("{field}: is required"))
    }

    /// Renders the body, `{"code": …, "message": …}`.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        serde_json::json!({ "code": self.code.name(), "message": self.message })
            .to_string()
            .into_bytes()
    }
}
