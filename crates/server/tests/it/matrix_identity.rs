//! The rows of the matrix for the identity service.

use strongroom_model::Operation;

use crate::matrix::{Row, Step, get, post};

const NEW_COMPARTMENT: Step = Step::Send(
    "POST",
    "/20160918/compartments",
    r#"{"compartmentId":"{tenancy}","name":"moving","description":"d"}"#,
);
const NEW_USER: Step = Step::Send(
    "POST",
    "/20160918/users",
    r#"{"compartmentId":"{tenancy}","name":"made@example.com","description":"d"}"#,
);
const NEW_KEY: Step = Step::Send("POST", "/20160918/users/{id}/apiKeys", r#"{"key":"{public}"}"#);
const NEW_GROUP: Step = Step::Send(
    "POST",
    "/20160918/groups",
    r#"{"compartmentId":"{tenancy}","name":"made","description":"d"}"#,
);
const NEW_MEMBER: Step =
    Step::Send("POST", "/20160918/userGroupMemberships", r#"{"userId":"{user}","groupId":"{id}"}"#);
const DYNAMIC_GROUP: &str = r#"{"compartmentId":"{tenancy}","name":"machines","description":"d",
    "matchingRule":"Any {instance.compartment.id = '{compartment}'}"}"#;
const NEW_DYNAMIC_GROUP: Step = Step::Send("POST", "/20160918/dynamicGroups", DYNAMIC_GROUP);
const POLICY: &str = r#"{"compartmentId":"{compartment}","name":"made","description":"d",
    "statements":["Allow group Administrators to inspect vaults in compartment sample"]}"#;
const NEW_POLICY: Step = Step::Send("POST", "/20160918/policies", POLICY);
const NAMESPACE: &str = r#"{"compartmentId":"{compartment}","name":"made","description":"d"}"#;
const NEW_NAMESPACE: Step = Step::Send("POST", "/20160918/tagNamespaces", NAMESPACE);
const NEW_TAG: Step =
    Step::Send("POST", "/20160918/tagNamespaces/{id}/tags", r#"{"name":"t","description":"d"}"#);
const RETIRED_TAG: Step =
    Step::Send("PUT", "/20160918/tagNamespaces/{id}/tags/t", r#"{"isRetired":true}"#);

pub(crate) const IDENTITY: [Row; 47] = [
    get(
        Operation::ListCompartments,
        &["Allow group Gentitled to inspect compartments in tenancy"],
        "/20160918/compartments?compartmentId={tenancy}",
    ),
    get(
        Operation::GetCompartment,
        &["Allow group Gentitled to inspect compartments in compartment sample"],
        "/20160918/compartments/{compartment}",
    ),
    post(
        Operation::CreateCompartment,
        &["Allow group Gentitled to manage compartments in tenancy"],
        "/20160918/compartments",
        r#"{"compartmentId":"{tenancy}","name":"new","description":"d"}"#,
    ),
    get(
        Operation::GetUser,
        &["Allow group Gentitled to inspect users in tenancy"],
        "/20160918/users/{user}",
    ),
    get(
        Operation::ListRegionSubscriptions,
        &["Allow group Gentitled to inspect tenancies in tenancy"],
        "/20160918/tenancies/{tenancy}/regionSubscriptions",
    ),
    post(
        Operation::UpdateCompartment,
        &["Allow group Gentitled to manage compartments in compartment sample"],
        "/20160918/compartments/{compartment}",
        r#"{"description":"n"}"#,
    )
    .put(),
    get(
        Operation::DeleteCompartment,
        &["Allow group Gentitled to manage compartments in tenancy"],
        "/20160918/compartments/{id}",
    )
    .after(&[NEW_COMPARTMENT])
    .delete(202),
    post(
        Operation::MoveCompartment,
        &["Allow group Gentitled to manage all-resources in tenancy"],
        "/20160918/compartments/{id}/actions/moveCompartment",
        r#"{"targetCompartmentId":"{compartment}"}"#,
    )
    .after(&[NEW_COMPARTMENT])
    .accepted(),
    get(
        Operation::ListUsers,
        &["Allow group Gentitled to inspect users in tenancy"],
        "/20160918/users?compartmentId={tenancy}",
    ),
    post(
        Operation::CreateUser,
        &["Allow group Gentitled to manage users in tenancy"],
        "/20160918/users",
        r#"{"compartmentId":"{tenancy}","name":"new","description":"d"}"#,
    ),
    post(
        Operation::UpdateUser,
        &["Allow group Gentitled to manage users in tenancy"],
        "/20160918/users/{user}",
        r#"{"description":"n"}"#,
    )
    .put(),
    get(
        Operation::DeleteUser,
        &["Allow group Gentitled to manage users in tenancy"],
        "/20160918/users/{id}",
    )
    .after(&[NEW_USER])
    .delete(204),
    get(
        Operation::ListApiKeys,
        &["Allow group Gentitled to read users in tenancy"],
        "/20160918/users/{user}/apiKeys",
    ),
    post(
        Operation::UploadApiKey,
        &["Allow group Gentitled to manage users in tenancy"],
        "/20160918/users/{id}/apiKeys",
        r#"{"key":"{public}"}"#,
    )
    .after(&[NEW_USER]),
    get(
        Operation::DeleteApiKey,
        &["Allow group Gentitled to manage users in tenancy"],
        "/20160918/users/{id}/apiKeys/{fingerprint}",
    )
    .after(&[NEW_USER, NEW_KEY])
    .delete(204),
    get(
        Operation::ListGroups,
        &["Allow group Gentitled to inspect groups in tenancy"],
        "/20160918/groups?compartmentId={tenancy}",
    ),
    get(
        Operation::GetGroup,
        &["Allow group Gentitled to inspect groups in tenancy"],
        "/20160918/groups/{id}",
    )
    .after(&[NEW_GROUP]),
    post(
        Operation::CreateGroup,
        &["Allow group Gentitled to manage groups in tenancy"],
        "/20160918/groups",
        r#"{"compartmentId":"{tenancy}","name":"new","description":"d"}"#,
    ),
    post(
        Operation::UpdateGroup,
        &["Allow group Gentitled to manage groups in tenancy"],
        "/20160918/groups/{id}",
        r#"{"description":"n"}"#,
    )
    .put()
    .after(&[NEW_GROUP]),
    get(
        Operation::DeleteGroup,
        &["Allow group Gentitled to manage groups in tenancy"],
        "/20160918/groups/{id}",
    )
    .after(&[NEW_GROUP])
    .delete(204),
    get(
        Operation::ListUserGroupMemberships,
        &[
            "Allow group Gentitled to inspect groups in tenancy",
            "Allow group Gentitled to inspect users in tenancy",
        ],
        "/20160918/userGroupMemberships?compartmentId={tenancy}&userId={user}",
    ),
    get(
        Operation::GetUserGroupMembership,
        &[
            "Allow group Gentitled to inspect groups in tenancy",
            "Allow group Gentitled to inspect users in tenancy",
        ],
        "/20160918/userGroupMemberships/{membership}",
    )
    .after(&[NEW_GROUP, NEW_MEMBER]),
    post(
        Operation::AddUserToGroup,
        &[
            "Allow group Gentitled to manage groups in tenancy",
            "Allow group Gentitled to manage users in tenancy",
        ],
        "/20160918/userGroupMemberships",
        r#"{"userId":"{user}","groupId":"{id}"}"#,
    )
    .after(&[NEW_GROUP]),
    get(
        Operation::RemoveUserFromGroup,
        &[
            "Allow group Gentitled to manage groups in tenancy",
            "Allow group Gentitled to manage users in tenancy",
        ],
        "/20160918/userGroupMemberships/{membership}",
    )
    .after(&[NEW_GROUP, NEW_MEMBER])
    .delete(204),
    get(
        Operation::ListDynamicGroups,
        &["Allow group Gentitled to inspect dynamic-groups in tenancy"],
        "/20160918/dynamicGroups?compartmentId={tenancy}",
    ),
    get(
        Operation::GetDynamicGroup,
        &["Allow group Gentitled to inspect dynamic-groups in tenancy"],
        "/20160918/dynamicGroups/{id}",
    )
    .after(&[NEW_DYNAMIC_GROUP]),
    post(
        Operation::CreateDynamicGroup,
        &["Allow group Gentitled to manage dynamic-groups in tenancy"],
        "/20160918/dynamicGroups",
        DYNAMIC_GROUP,
    ),
    post(
        Operation::UpdateDynamicGroup,
        &["Allow group Gentitled to manage dynamic-groups in tenancy"],
        "/20160918/dynamicGroups/{id}",
        r#"{"description":"n"}"#,
    )
    .put()
    .after(&[NEW_DYNAMIC_GROUP]),
    get(
        Operation::DeleteDynamicGroup,
        &["Allow group Gentitled to manage dynamic-groups in tenancy"],
        "/20160918/dynamicGroups/{id}",
    )
    .after(&[NEW_DYNAMIC_GROUP])
    .delete(204),
    get(
        Operation::ListPolicies,
        &["Allow group Gentitled to inspect policies in compartment sample"],
        "/20160918/policies?compartmentId={compartment}",
    ),
    get(
        Operation::GetPolicy,
        &["Allow group Gentitled to inspect policies in compartment sample"],
        "/20160918/policies/{id}",
    )
    .after(&[NEW_POLICY]),
    post(
        Operation::CreatePolicy,
        &["Allow group Gentitled to manage policies in compartment sample"],
        "/20160918/policies",
        POLICY,
    ),
    post(
        Operation::UpdatePolicy,
        &["Allow group Gentitled to manage policies in compartment sample"],
        "/20160918/policies/{id}",
        r#"{"description":"n"}"#,
    )
    .put()
    .after(&[NEW_POLICY]),
    get(
        Operation::DeletePolicy,
        &["Allow group Gentitled to manage policies in compartment sample"],
        "/20160918/policies/{id}",
    )
    .after(&[NEW_POLICY])
    .delete(204),
    get(
        Operation::ListTagNamespaces,
        &["Allow group Gentitled to inspect tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces?compartmentId={compartment}",
    ),
    get(
        Operation::GetTagNamespace,
        &["Allow group Gentitled to inspect tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}",
    )
    .after(&[NEW_NAMESPACE]),
    post(
        Operation::CreateTagNamespace,
        &["Allow group Gentitled to manage tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces",
        NAMESPACE,
    ),
    post(
        Operation::UpdateTagNamespace,
        &["Allow group Gentitled to manage tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}",
        r#"{"description":"n"}"#,
    )
    .put()
    .after(&[NEW_NAMESPACE]),
    get(
        Operation::DeleteTagNamespace,
        &["Allow group Gentitled to manage tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}",
    )
    .after(&[NEW_NAMESPACE])
    .delete(204),
    get(
        Operation::ListTags,
        &["Allow group Gentitled to inspect tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}/tags",
    )
    .after(&[NEW_NAMESPACE]),
    get(
        Operation::GetTag,
        &["Allow group Gentitled to inspect tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}/tags/t",
    )
    .after(&[NEW_NAMESPACE, NEW_TAG]),
    post(
        Operation::CreateTag,
        &["Allow group Gentitled to use tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}/tags",
        r#"{"name":"t","description":"d"}"#,
    )
    .after(&[NEW_NAMESPACE]),
    post(
        Operation::UpdateTag,
        &["Allow group Gentitled to use tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}/tags/t",
        r#"{"description":"n"}"#,
    )
    .put()
    .after(&[NEW_NAMESPACE, NEW_TAG]),
    get(
        Operation::DeleteTag,
        &["Allow group Gentitled to manage tag-namespaces in compartment sample"],
        "/20160918/tagNamespaces/{id}/tags/t",
    )
    .after(&[NEW_NAMESPACE, NEW_TAG, RETIRED_TAG])
    .delete(204),
    get(
        Operation::GetTenancy,
        &["Allow group Gentitled to inspect tenancies in tenancy"],
        "/20160918/tenancies/{tenancy}",
    ),
    get(
        Operation::ListRegions,
        &["Allow group Gentitled to inspect tenancies in tenancy"],
        "/20160918/regions",
    ),
    get(
        Operation::ListAvailabilityDomains,
        &["Allow group Gentitled to inspect compartments in tenancy"],
        "/20160918/availabilityDomains?compartmentId={tenancy}",
    ),
];
