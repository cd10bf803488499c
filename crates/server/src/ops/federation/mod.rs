//! Workloads, their certificates, and the tokens that stand for them and for users.

mod tokens;
mod workloads;

use super::Context;
use crate::ask::FederationAsk as Ask;
use crate::failure::Failure;
use crate::reply::Reply;

/// Runs the operation that `ask` names.
pub(super) async fn run(context: Context<'_>, ask: Ask) -> Result<Reply, Failure> {
    match ask {
        Ask::CreateWorkload(details) => workloads::create(context, details).await,
        Ask::GetWorkload(id) => workloads::get(&context, &id),
        Ask::ListWorkloads(by, filter) => workloads::list(&context, &by, &filter),
        Ask::UpdateWorkload(id, details) => workloads::update(&context, &id, &details).await,
        Ask::ChangeWorkloadCompartment(id, to) => workloads::move_to(&context, &id, &to).await,
        Ask::DeleteWorkload(id) => workloads::delete(&context, &id).await,
        Ask::IssueWorkloadCertificate(id, key) => workloads::issue(&context, &id, &key).await,
        Ask::RenewWorkloadCertificate(key) => workloads::renew(&context, &key).await,
        Ask::ExchangeCertificate(session) => tokens::exchange(&context, &session).await,
        Ask::GenerateUserSecurityToken { session, minutes } => {
            tokens::generate(&context, &session, minutes).await
        }
        Ask::RefreshUserSecurityToken(token) => tokens::refresh(&context, &token).await,
        Ask::RotateTokenSigner { is_revoking } => {
            tokens::rotate_signer(&context, is_revoking).await
        }
    }
}
