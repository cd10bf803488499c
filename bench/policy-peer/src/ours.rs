use std::collections::BTreeMap;

use strongroom_model::{Ocid, Permission, Principal, PrincipalKind};
use strongroom_policy::{
    Asked, CompartmentFacts, Directory, Fact, FactName, PolicySet, Question, Request, Semantics,
    Source, decide,
};

use crate::tenancy::{Tenancy, ocid};
use crate::{Outcome, Side};

/// The policies as the server holds them, and requests as its pipeline makes them.
pub(crate) struct Ours {
    set: PolicySet,
    questions: Vec<Asking>,
}

struct Asking {
    principal: Principal,
    path: Vec<Ocid>,
    target: Vec<(FactName, Fact)>,
}

impl Ours {
    pub(crate) fn new(tenancy: &Tenancy) -> Outcome<Self> {
        let root = ocid("tenancy", 0)?;
        let mut statements = Vec::new();
        for grant in &tenancy.grants {
            statements.push(format!(
                "Allow group id {} to read secret-family in compartment id {} where \
                 target.secret.name = /{}*/",
                ocid("group", grant.group)?,
                ocid("compartment", grant.compartment)?,
                grant.begins
            ));
        }
        let source = Source {
            policy_id: ocid("policy", 0)?,
            policy_name: "bench".to_owned(),
            attached_to: root.clone(),
            statements,
            resolved: Vec::new(),
        };
        let set = PolicySet::compile(&[source], &Flat(root.clone()), Semantics::Oracle)?;
        let questions = tenancy.requests.iter().enumerate().map(|(number, request)| {
            let group_ids = request.groups.iter().map(|group| ocid("group", *group));
            let name = format!("user-{number}");
            let principal = Principal {
                tenancy_id: root.clone(),
                kind: PrincipalKind::User { id: ocid("user", number)?, name },
                group_ids: group_ids.collect::<Outcome<_>>()?,
            };
            let chain = (request.compartment - request.compartment % 3..=request.compartment).rev();
            let path = chain.map(|place| ocid("compartment", place));
            let mut path = path.collect::<Outcome<Vec<Ocid>>>()?;
            path.push(root.clone());
            let fact = |name, text: &str| (FactName::Borrowed(name), Fact::One(text.to_owned()));
            let target = vec![
                fact("target.secret.id", ocid("vaultsecret", number)?.as_str()),
                fact("target.secret.name", &request.secret),
            ];
            Ok(Asking { principal, path, target })
        });
        Ok(Self { set, questions: questions.collect::<Outcome<_>>()? })
    }
}

impl Side for Ours {
    fn allows(&self, request: usize) -> bool {
        let Some(Asking { principal, path, target }) = self.questions.get(request) else {
            return false;
        };
        let permission = Permission::SecretBundleRead;
        let needs = [Asked { permission, path, target, tags: &[] }];
        let request = Request { operation: "GetSecretBundle", ..Request::default() };
        decide(&self.set, &Question { principal, request, needs: &needs }).allowed()
    }
}

/// A directory in which everything is named by its identifier.
struct Flat(Ocid);

impl Directory for Flat {
    fn tenancy(&self) -> &Ocid {
        &self.0
    }

    fn group_named(&self, _domain: Option<&str>, _name: &str) -> Option<Ocid> {
        None
    }

    fn dynamic_group_named(&self, _domain: Option<&str>, _name: &str) -> Option<Ocid> {
        None
    }

    fn compartment_at(&self, _from: &Ocid, _path: &[&str]) -> Option<Ocid> {
        None
    }

    fn compartment_name(&self, _id: &Ocid) -> Option<String> {
        None
    }

    fn is_within(&self, _id: &Ocid, ancestor: &Ocid) -> bool {
        *ancestor == self.0
    }

    fn compartments(&self) -> BTreeMap<Ocid, CompartmentFacts> {
        BTreeMap::new()
    }

    fn group_tags(&self) -> BTreeMap<Ocid, Vec<(String, String)>> {
        BTreeMap::new()
    }

    fn takes_denials(&self) -> bool {
        true
    }
}
