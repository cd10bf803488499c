use strongroom_model::{Ocid, Workload};

use super::identity::one;
use super::{Finder, Located};
use crate::ask::FederationAsk as Ask;
use crate::catalog::flat_tags;

impl Finder<'_> {
    /// Finds what is asked about workloads and tokens. Who asks for a token is its own target.
    pub(super) fn federation(&self, ask: &Ask) -> Located {
        match ask {
            Ask::CreateWorkload(details) => {
                let more = vec![one("target.workload.name", &details.named.name)];
                Located { more, ..self.place(&details.named.compartment_id) }
            }
            Ask::ListWorkloads(by, _) => self.compartment(&by.compartment_id),
            Ask::GetWorkload(id)
            | Ask::UpdateWorkload(id, _)
            | Ask::DeleteWorkload(id)
            | Ask::IssueWorkloadCertificate(id, _) => self.workload(id),
            Ask::ChangeWorkloadCompartment(id, to) => self.moved(self.workload(id), to),
            Ask::RenewWorkloadCertificate(_)
            | Ask::ExchangeCertificate(_)
            | Ask::GenerateUserSecurityToken { .. }
            | Ask::RefreshUserSecurityToken(_) => Located::default(),
            Ask::RotateTokenSigner { .. } => self.tenancy(&self.catalog.tenancy.id),
        }
    }

    fn workload(&self, id: &Ocid) -> Located {
        let target_id = Some(id.clone());
        let Some((workload, _)) = self.catalog.workloads.get(id) else {
            return Located { target_id, ..Located::default() };
        };
        let Workload { name, compartment_id, tags, .. } = &**workload;
        Located {
            compartment: self.catalog.path(compartment_id),
            target_id,
            more: vec![one("target.workload.id", id.as_str()), one("target.workload.name", name)],
            own_tags: flat_tags(tags),
            ..Located::default()
        }
    }
}
