use strongroom_model::{PrincipalKind, Workload};
use strongroom_signing::{Claims, PublicKey};
use strongroom_wire::bodies::{SecurityTokenBody, TokenSignerBody};
use strongroom_wire::{ErrorCode, Refusal};

use crate::authn::{Proof, verified_token};
use crate::authority::{self, newest_signer, token_signer};
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::identity::named::found;
use crate::reply::Reply;

const MINUTE_SECS: i64 = 60;

/// How long a session can be refreshed. Source: OCI documentation, "Token-based Authentication for
/// the CLI".
const SESSION_SECS: i64 = 24 * 3600;

/// How long a refreshed token is valid at most.
const REFRESHED_SECS: i64 = 60 * MINUTE_SECS;

/// `ExchangeCertificate`, `POST /v1/x509`: a token for the machine whose certificate it is, and for
/// the key that will sign its requests.
pub(super) async fn exchange(context: &Context<'_>, session: &PublicKey) -> Result<Reply, Failure> {
    let id = context.principal.id();
    let id = id.ok_or_else(|| Failure::internal("a certificate without a workload"))?;
    let (workload, _) = found::<Workload>(context.catalog, id)?;
    let (tenancy, now) = (&context.catalog.tenancy.id, context.record.time);
    let claims = authority::workload_claims(context.shared, tenancy, workload, session, now)?;
    answer(context, &claims).await
}

async fn answer(context: &Context<'_>, claims: &Claims) -> Result<Reply, Failure> {
    let signer = token_signer(context.shared, context.record.time).await?;
    Reply::of(&SecurityTokenBody { token: signer.sign(claims)? })
}

/// `GenerateUserSecurityToken`: a session of the user who asks, by an API key. Whoever holds a token
/// refreshes it, until the session ends.
pub(super) async fn generate(
    context: &Context<'_>,
    session: &PublicKey,
    minutes: u64,
) -> Result<Reply, Failure> {
    let PrincipalKind::User { id, .. } = &context.principal.kind else {
        return Err(not_a_user());
    };
    if context.proof != Proof::ApiKey {
        return Err(Failure::not_authenticated("a session begins with an API key, not a token"));
    }
    let secs = i64::try_from(minutes).unwrap_or_default().saturating_mul(MINUTE_SECS);
    let claims = authority::claims(
        context.shared,
        (&context.catalog.tenancy.id, id.as_str()),
        ("user", "upst"),
        session,
        (context.record.time, secs),
    )?;
    let sess_exp = Some(claims.iat.saturating_add(SESSION_SECS));
    answer(context, &Claims { sess_exp, ..claims }).await
}

fn not_a_user() -> Failure {
    Failure::not_found("only users have sessions")
}

/// `RefreshUserSecurityToken`: the session goes on, for the same key, up to its end.
pub(super) async fn refresh(context: &Context<'_>, token: &str) -> Result<Reply, Failure> {
    let now = context.record.time;
    let claims = verified_token(context.catalog, token, now)?;
    let is_own = context.principal.id().is_some_and(|id| id.as_str() == claims.sub);
    let Some(end) = claims.sess_exp.filter(|_| is_own) else {
        return Err(Failure::not_authenticated("the token is of no session of the caller"));
    };
    let iat = now.as_second();
    if iat >= end {
        return Err(Failure::not_authenticated("the session has ended"));
    }
    let exp = iat.saturating_add(REFRESHED_SECS).min(end);
    let jti = authority::token_name(context.shared);
    answer(context, &Claims { jti, iat, exp, ..claims }).await
}

/// `RotateTokenSigner`: another key signs from now on. Tokens of earlier ones hold until they
/// expire, or are revoked at once.
pub(super) async fn rotate_signer(
    context: &Context<'_>,
    is_revoking: bool,
) -> Result<Reply, Failure> {
    let _alone = context.shared.signers.lock().await;
    let catalog = context.shared.catalog().await?;
    let now = context.record.time;
    if newest_signer(&catalog).is_some_and(|entry| entry.time_created >= now) {
        let message = "The key that signs tokens was made this moment. Try again.";
        return Err(Refusal::new(ErrorCode::Conflict, message).into());
    }
    let batch = authority::new_signer(context.shared, &catalog, now, is_revoking).await?;
    context.shared.commit(batch, context.record).await?;
    let catalog = context.shared.catalog().await?;
    let made = newest_signer(&catalog).ok_or_else(|| Failure::internal("no token signer"))?;
    let body = TokenSignerBody {
        kid: made.kid.clone(),
        time_created: made.time_created,
        earlier: catalog.token_signers.len().saturating_sub(1),
    };
    Ok(Reply::of(&body)?.recorded())
}
