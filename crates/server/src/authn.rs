//! Second stage: the signature over the raw request is verified. 401, and nothing about why.

use strongroom_model::{Ocid, OcidKind, Principal, Timestamp};
use strongroom_signing::{
    Certificate, Claim, Claims, KeyId, PublicKey, Reject, Request, Scope, SignedToken,
};
use strongroom_wire::{ExchangeDetails, parse_object};

use crate::authority::ROOT;
use crate::catalog::Catalog;
use crate::decode::Call;
use crate::failure::Failure;

/// Paths where a machine proves who it is by its certificate.
const FEDERATION: [&[&str]; 2] = [&["v1", "x509"], &["_strongroom", "v1", "x509", "renew"]];

/// What a request was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    ApiKey,
    Token,
    Certificate,
}

/// Verifies the signature of `call` and returns who made it, and by what.
pub(crate) fn authenticate(
    call: &Call,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<(Principal, Proof), Failure> {
    let scope = if is_federation(call) { Scope::Federation } else { Scope::Api };
    let claim = Claim::read(&request_of(call), scope, now).map_err(refuse)?;
    let caller = Caller { call, catalog, claim: &claim, now };
    match (claim.key_id(), scope) {
        (KeyId::ApiKey { tenancy, user, fingerprint }, Scope::Api) => {
            Ok((caller.user(tenancy, user, fingerprint)?, Proof::ApiKey))
        }
        (KeyId::Token(token), Scope::Api) => Ok((caller.bearer(token)?, Proof::Token)),
        (KeyId::Certificate { tenancy, fingerprint }, Scope::Federation) => {
            Ok((caller.machine(tenancy, fingerprint)?, Proof::Certificate))
        }
        _ => Err(Failure::not_authenticated("the key id is of no form that this path takes")),
    }
}

fn is_federation(call: &Call) -> bool {
    let segments = call.path().split('/').filter(|part| !part.is_empty());
    FEDERATION.iter().any(|path| segments.clone().eq(path.iter().copied()))
}

fn request_of(call: &Call) -> Request<'_> {
    Request { method: call.method.as_str(), target: &call.target, headers: call }
}

fn refuse(reject: Reject) -> Failure {
    Failure::not_authenticated(reject.to_string())
}

fn unknown() -> Failure {
    Failure::not_authenticated("the key id names no key of this tenancy")
}

/// A request whose signature is claimed, and not yet verified.
struct Caller<'a> {
    call: &'a Call,
    catalog: &'a Catalog,
    claim: &'a Claim,
    now: Timestamp,
}

impl Caller<'_> {
    fn verify(&self, key: &PublicKey) -> Result<(), Failure> {
        self.claim.verify(&request_of(self.call), &self.call.body, key).map_err(refuse)
    }

    fn is_of_tenancy(&self, tenancy: &str) -> bool {
        tenancy == self.catalog.tenancy.id.as_str()
    }

    /// A user, by an API key.
    fn user(&self, tenancy: &str, user: &str, fingerprint: &str) -> Result<Principal, Failure> {
        if !self.is_of_tenancy(tenancy) {
            return Err(unknown());
        }
        let user: Ocid = user.parse().map_err(|_not_an_ocid| unknown())?;
        let entry = self.catalog.api_key(&user, fingerprint).ok_or_else(unknown)?;
        self.verify(&entry.public_key)?;
        let (user, _) = self.catalog.users.get(&entry.api_key.user_id).ok_or_else(unknown)?;
        Ok(self.catalog.principal_of_user(user))
    }

    /// Whomever a token stands for, by the key that it names.
    fn bearer(&self, token: &str) -> Result<Principal, Failure> {
        let claims = verified_token(self.catalog, token, self.now)?;
        self.verify(&claims.session_key().map_err(refuse)?)?;
        let gone = || Failure::not_authenticated("who the token stands for is no more");
        let id: Ocid = claims.sub.parse().map_err(|_not_an_ocid| gone())?;
        if id.is(OcidKind::User) {
            let (user, _) = self.catalog.users.get(&id).ok_or_else(gone)?;
            return Ok(self.catalog.principal_of_user(user));
        }
        let (workload, _) = self.catalog.workloads.get(&id).ok_or_else(gone)?;
        Ok(self.catalog.principal_of(workload))
    }

    /// A machine, by its certificate.
    fn machine(&self, tenancy: &str, fingerprint: &str) -> Result<Principal, Failure> {
        let wrong = |why: String| Failure::not_authenticated(why);
        let body = parse_object(&self.call.body).and_then(ExchangeDetails::read);
        let body = body.map_err(|refusal| wrong(refusal.message.into_owned()))?;
        let unusable = |error| wrong(format!("the certificate: {error}"));
        let certificate = Certificate::from_text(&body.certificate).map_err(unusable)?;
        if !certificate.has_fingerprint(fingerprint) {
            return Err(wrong("the key id has not the certificate's fingerprint".to_owned()));
        }
        if !self.is_of_tenancy(tenancy) || certificate.unit("opc-tenant:") != Some(tenancy) {
            return Err(wrong("certificate, key id and server are not of one tenancy".to_owned()));
        }
        let between = body.intermediate_certificates.iter();
        let between: Result<Vec<_>, _> = between.map(|text| Certificate::from_text(text)).collect();
        let between = between.map_err(|error| wrong(format!("an intermediate one: {error}")))?;
        let root = self.catalog.authorities.get(ROOT).map(|root| root.certificate.clone());
        let roots: Vec<Certificate> = root.into_iter().collect();
        certificate.verify(&between, &roots, self.now).map_err(unusable)?;
        self.verify(&certificate.public_key().map_err(unusable)?)?;
        let gone = || wrong("the certificate's workload is no more".to_owned());
        let id =
            certificate.unit("opc-instance:").filter(|id| certificate.common_name() == Some(id));
        let id: Ocid = id.and_then(|id| id.parse().ok()).ok_or_else(gone)?;
        let (workload, _) = self.catalog.workloads.get(&id).ok_or_else(gone)?;
        Ok(self.catalog.principal_of(workload))
    }
}

/// Returns what a token says, if a key of this server signed it and its time has not passed.
pub(crate) fn verified_token(
    catalog: &Catalog,
    token: &str,
    now: Timestamp,
) -> Result<Claims, Failure> {
    let token = SignedToken::parse(token).map_err(refuse)?;
    let unsigned = || Failure::not_authenticated("the token names no signer of this server");
    let signer = catalog.token_signers.get(token.kid()).ok_or_else(unsigned)?;
    let claims = token.verify(&signer.public_key, now).map_err(refuse)?;
    if claims.tenant == catalog.tenancy.id.as_str() {
        Ok(claims)
    } else {
        Err(Failure::not_authenticated("the token is of another tenancy"))
    }
}
