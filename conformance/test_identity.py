"""Users, groups, policies, compartments and tags through Oracle's Python SDK and command line."""

import oci
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oci.exceptions import ServiceError
from oci.identity import models

from vault import absent


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from vault import Vault
    server = Vault(tmp_path_factory.mktemp("identity") / "data")
    server.start()
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module")
def iam(home):
    return home.client(oci.identity.IdentityClient)


@pytest.fixture(scope="module")
def tenancy(home):
    return home.dev["tenancy_id"]


def refusal(status, code, call, *arguments, **more):
    with pytest.raises(ServiceError) as raised:
        call(*arguments, **more)
    assert (raised.value.status, raised.value.code) == (status, code), raised.value.message
    return raised.value.message


def new_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def new_user(iam, tenancy, name, **more):
    return iam.create_user(models.CreateUserDetails(
        compartment_id=tenancy, name=name, description="d", **more)).data


def new_group(iam, tenancy, name):
    return iam.create_group(models.CreateGroupDetails(
        compartment_id=tenancy, name=name, description="d")).data


def new_policy(iam, compartment, name, *statements):
    return iam.create_policy(models.CreatePolicyDetails(
        compartment_id=compartment, name=name, description="d", statements=list(statements))).data


def test_users_and_their_keys(home, iam, tenancy):
    """CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser, UploadApiKey, ListApiKeys,
    DeleteApiKey; a key works from its upload to its deletion."""
    user = new_user(iam, tenancy, "ann@example.com", email="ann@example.com")
    assert (user.lifecycle_state, user.email) == ("ACTIVE", "ann@example.com")
    assert iam.get_user(user.id).data == user
    assert [found.id for found in iam.list_users(tenancy, name="ann@example.com").data] == [user.id]
    # No user is from an identity provider.
    assert iam.list_users(tenancy, external_identifier="ann").data == []
    assert iam.list_users(tenancy, identity_provider_id="ocid1.saml2idp.oc1..a").data == []
    changed = iam.update_user(user.id, models.UpdateUserDetails(description="new"))
    assert changed.data.description == "new"
    refusal(412, "NoEtagMatch", iam.delete_user, user.id, if_match="stale")
    refusal(409, "NotAuthorizedOrResourceAlreadyExists", new_user, iam, tenancy, "ANN@example.com")
    private, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    assert key.key_id == f"{tenancy}/{user.id}/{key.fingerprint}"
    assert [one.fingerprint for one in iam.list_api_keys(user.id).data] == [key.fingerprint]
    own = home.client(oci.identity.IdentityClient, user=user.id, fingerprint=key.fingerprint,
                      key_content=private, key_file=None)
    assert own.get_user(user.id).data.name == "ann@example.com"
    refusal(404, "NotAuthorizedOrNotFound", own.list_users, tenancy)
    for _ in range(2):
        own.upload_api_key(user.id, models.CreateApiKeyDetails(key=new_key()[1]))
    refusal(400, "LimitExceeded", own.upload_api_key, user.id, models.CreateApiKeyDetails(key=new_key()[1]))
    refusal(400, "InvalidParameter", iam.upload_api_key, user.id, models.CreateApiKeyDetails(key="no"))
    iam.delete_api_key(user.id, key.fingerprint)
    refusal(401, "NotAuthenticated", own.get_user, user.id)
    iam.delete_user(user.id)
    refusal(404, "NotAuthorizedOrNotFound", iam.get_user, user.id)


def test_groups_and_memberships(iam, tenancy):
    """CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup, AddUserToGroup,
    GetUserGroupMembership, ListUserGroupMemberships, RemoveUserFromGroup."""
    group, user = new_group(iam, tenancy, "readers"), new_user(iam, tenancy, "ben")
    assert iam.get_group(group.id).data == group
    assert iam.update_group(group.id, models.UpdateGroupDetails(description="new")).data.description == "new"
    names = [found.name for found in iam.list_groups(tenancy, sort_by="NAME").data]
    assert names == sorted(names) and {"Administrators", "readers"} <= set(names)
    joined = iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id)).data
    assert iam.get_user_group_membership(joined.id).data == joined
    for by in ({"user_id": user.id}, {"group_id": group.id}, {"user_id": user.id, "group_id": group.id}):
        assert iam.list_user_group_memberships(tenancy, **by).data == [joined]
    refusal(409, "Conflict", iam.delete_group, group.id)
    refusal(409, "Conflict", iam.delete_user, user.id)
    iam.remove_user_from_group(joined.id)
    assert iam.list_user_group_memberships(tenancy, user_id=user.id).data == []
    iam.delete_group(group.id)
    refusal(404, "NotAuthorizedOrNotFound", iam.get_group, group.id)


def test_the_last_administrator_stays(home, iam, tenancy):
    me = home.config()
    found = iam.list_user_group_memberships(tenancy, user_id=me["user"]).data
    refusal(409, "Conflict", iam.remove_user_from_group, found[0].id)
    refusal(409, "Conflict", iam.delete_api_key, me["user"], me["fingerprint"])
    refusal(409, "Conflict", iam.delete_group, found[0].group_id)
    first = iam.list_policies(tenancy, name="Tenant Admin Policy").data[0]
    refusal(409, "Conflict", iam.delete_policy, first.id)
    refusal(409, "Conflict", iam.update_policy, first.id, models.UpdatePolicyDetails(description="x"))


def test_policies_take_effect_for_the_next_request(home, iam, tenancy):
    """CreatePolicy, GetPolicy, ListPolicies, UpdatePolicy, DeletePolicy."""
    group, user = new_group(iam, tenancy, "auditors"), new_user(iam, tenancy, "cleo")
    iam.add_user_to_group(models.AddUserToGroupDetails(user_id=user.id, group_id=group.id))
    private, public = new_key()
    key = iam.upload_api_key(user.id, models.CreateApiKeyDetails(key=public)).data
    own = home.client(oci.identity.IdentityClient, user=user.id, fingerprint=key.fingerprint,
                      key_content=private, key_file=None)
    hidden = (404, "NotAuthorizedOrNotFound", own.list_groups, tenancy)
    refusal(*hidden)
    statement = "Allow group auditors to inspect groups in tenancy"
    policy = new_policy(iam, tenancy, "audit", statement)
    assert own.list_groups(tenancy).data
    assert iam.get_policy(policy.id).data == policy and policy.statements == [statement]
    assert policy.id in [found.id for found in iam.list_policies(tenancy).data]
    iam.update_policy(policy.id, models.UpdatePolicyDetails(
        statements=["Allow group auditors to inspect users in tenancy"], version_date=None))
    refusal(*hidden)
    iam.update_policy(policy.id, models.UpdatePolicyDetails(statements=[statement]))
    assert own.list_groups(tenancy).data
    iam.delete_policy(policy.id)
    refusal(*hidden)


@pytest.mark.parametrize(("statement", "said"), [
    ("Allow group Administrators to raed secret-family in tenancy", "did you mean `read`?"),
    ("Allow group Nobody to read secret-family in tenancy", "the group `Nobody` does not exist"),
    ("Allow group Administrators to read secret-family in compartment moon", "`moon` does not exist"),
    ("Allow group Administrators to read secret-family", "at character"),
])
def test_a_statement_that_is_wrong_is_told_with_its_place(iam, tenancy, statement, said):
    good = "Allow group Administrators to inspect groups in tenancy"
    message = refusal(400, "InvalidParameter", new_policy, iam, tenancy, "wrong", good, statement)
    assert message.startswith("statements[1]: ") and said in message, message
    assert iam.list_policies(tenancy, name="wrong").data == []


def test_a_day_that_is_none_and_an_empty_description(iam, tenancy):
    """The Python SDK reads no list of policies in which one has a day that is none."""
    def policy(name, day):
        return iam.create_policy(models.CreatePolicyDetails(
            compartment_id=tenancy, name=name, description="", version_date=day,
            statements=["Allow group Administrators to inspect vaults in tenancy"])).data

    for number, day in enumerate(("2021-02-31", "2020-13-45", "0000-01-01", "2021-1-1", "x")):
        assert "must be a day" in refusal(400, "InvalidParameter", policy, f"no-day-{number}", day)
    made = [policy("a-day", "2021-02-28"), policy("no-day", "")]
    assert [one.version_date and str(one.version_date)[:10] for one in made] == ["2021-02-28", None]
    assert [one.description for one in made] == ["", ""]
    assert {one.id for one in made} <= {one.id for one in iam.list_policies(tenancy).data}
    for one in made:
        iam.delete_policy(one.id)


def test_dynamic_groups(iam, tenancy):
    """CreateDynamicGroup, GetDynamicGroup, ListDynamicGroups, UpdateDynamicGroup,
    DeleteDynamicGroup."""
    rule = f"Any {{instance.compartment.id = '{tenancy}'}}"
    details = {"compartment_id": tenancy, "description": "d"}
    group = iam.create_dynamic_group(models.CreateDynamicGroupDetails(
        name="machines", matching_rule=rule, **details)).data
    assert iam.get_dynamic_group(group.id).data == group and group.matching_rule == rule
    assert [found.id for found in iam.list_dynamic_groups(tenancy).data] == [group.id]
    refusal(409, "NotAuthorizedOrResourceAlreadyExists", new_group, iam, tenancy, "Machines")
    message = refusal(400, "InvalidParameter", iam.update_dynamic_group, group.id,
                      models.UpdateDynamicGroupDetails(matching_rule="Any {instance.compartmnt.id = 'x'}"))
    assert message.startswith("matchingRule: ") and "at character 5" in message
    other = "All {instance.id = 'ocid1.instance.oc1.iad.x'}"
    assert iam.update_dynamic_group(group.id, models.UpdateDynamicGroupDetails(
        matching_rule=other)).data.matching_rule == other
    policy = new_policy(iam, tenancy, "machines", "Allow dynamic-group machines to inspect vaults in tenancy")
    iam.delete_dynamic_group(group.id)
    assert iam.list_dynamic_groups(tenancy).data == []
    assert iam.get_policy(policy.id).data.statements == policy.statements
    iam.delete_policy(policy.id)


def test_compartments(home, iam, tenancy):
    """CreateCompartment, GetCompartment, ListCompartments, UpdateCompartment, MoveCompartment,
    DeleteCompartment."""
    def make(parent, name):
        return iam.create_compartment(models.CreateCompartmentDetails(
            compartment_id=parent, name=name, description="d")).data
    prod, test = make(tenancy, "prod"), make(tenancy, "test")
    database = make(prod.id, "database")
    policy = new_policy(iam, tenancy, "db", "Allow any-user to inspect vaults in compartment prod:database")
    renamed = iam.update_compartment(database.id, models.UpdateCompartmentDetails(name="db"))
    assert renamed.data.name == "db"
    refusal(409, "NotAuthorizedOrResourceAlreadyExists", iam.update_compartment, prod.id,
            models.UpdateCompartmentDetails(name="TEST"))
    move = models.MoveCompartmentDetails
    refusal(400, "InvalidParameter", iam.move_compartment, prod.id, move(target_compartment_id=database.id))
    assert iam.move_compartment(database.id, move(target_compartment_id=test.id)).status == 202
    assert iam.get_compartment(database.id).data.compartment_id == test.id
    assert [found.id for found in iam.list_compartments(test.id).data] == [database.id]
    refusal(409, "Conflict", iam.delete_compartment, test.id)
    refusal(409, "Conflict", iam.delete_compartment, home.dev["compartment_id"])
    assert iam.delete_compartment(prod.id).status == 202
    assert iam.get_compartment(prod.id).data.lifecycle_state == "DELETED"
    assert prod.id not in [found.id for found in iam.list_compartments(tenancy, lifecycle_state="ACTIVE").data]
    assert make(tenancy, "prod").id != prod.id
    refusal(404, "NotAuthorizedOrNotFound", make, prod.id, "below")
    refusal(404, "NotAuthorizedOrNotFound", iam.get_compartment, absent(prod.id))
    iam.delete_policy(policy.id)


def test_tags(home, iam):
    """CreateTagNamespace, GetTagNamespace, ListTagNamespaces, UpdateTagNamespace,
    DeleteTagNamespace, CreateTag, GetTag, ListTags, UpdateTag, DeleteTag; defined tags on a secret."""
    compartment = home.dev["compartment_id"]
    space = iam.create_tag_namespace(models.CreateTagNamespaceDetails(
        compartment_id=compartment, name="team", description="d")).data
    assert iam.get_tag_namespace(space.id).data == space
    assert [found.id for found in iam.list_tag_namespaces(compartment).data] == [space.id]
    tier = iam.create_tag(space.id, models.CreateTagDetails(
        name="tier", description="d", validator=models.EnumTagDefinitionValidator(values=["gold", "tin"]))).data
    assert iam.get_tag(space.id, "tier").data == tier
    assert [found.name for found in iam.list_tags(space.id).data] == ["tier"]
    secret = home.new_secret("tagged", defined_tags={"team": {"tier": "gold"}})
    assert secret.defined_tags == {"team": {"tier": "gold"}}
    for wrong in ({"team": {"tier": "lead"}}, {"team": {"other": "x"}}, {"other": {"tier": "gold"}}):
        message = refusal(400, "InvalidParameter", home.new_secret, "untagged", defined_tags=wrong)
        assert message.startswith("definedTags: ")
    refusal(409, "Conflict", iam.delete_tag, space.id, "tier")
    assert iam.update_tag(space.id, "tier", models.UpdateTagDetails(is_retired=True)).data.is_retired
    refusal(400, "InvalidParameter", home.new_secret, "untagged", defined_tags={"team": {"tier": "gold"}})
    vaults = home.client(oci.vault.VaultsClient)
    kept = vaults.update_secret(secret.id, oci.vault.models.UpdateSecretDetails(
        description="kept", defined_tags={"team": {"tier": "gold"}})).data
    assert kept.defined_tags == secret.defined_tags
    iam.delete_tag(space.id, "tier")
    iam.create_tag(space.id, models.CreateTagDetails(name="last", description="d"))
    assert iam.update_tag_namespace(space.id, models.UpdateTagNamespaceDetails(is_retired=True)).data.is_retired
    assert iam.update_tag_namespace(space.id, models.UpdateTagNamespaceDetails(is_retired=False)).data.is_retired is False
    assert iam.get_tag(space.id, "last").data.is_retired
    refusal(409, "Conflict", iam.delete_tag_namespace, space.id)
    iam.delete_tag(space.id, "last")
    iam.delete_tag_namespace(space.id)
    refusal(404, "NotAuthorizedOrNotFound", iam.get_tag_namespace, space.id)


def test_the_tenancy_and_its_place(home, iam, tenancy):
    """GetTenancy, ListRegions, ListRegionSubscriptions, ListAvailabilityDomains, and what this
    server has not."""
    assert iam.get_tenancy(tenancy).data.home_region_key == "IAD"
    for other in (absent(tenancy), home.dev["vault_id"]):
        refusal(404, "NotAuthorizedOrNotFound", iam.get_tenancy, other)
        refusal(404, "NotAuthorizedOrNotFound", iam.list_region_subscriptions, other)
    regions = {region.name for region in iam.list_regions().data}
    assert {"us-ashburn-1", "eu-frankfurt-1"} <= regions and len(regions) == 85
    assert iam.list_region_subscriptions(tenancy).data[0].is_home_region
    assert len(iam.list_availability_domains(tenancy).data) == 1
    refusal(501, "MethodNotImplemented", iam.list_auth_tokens, home.config()["user"])
    refusal(501, "MethodNotImplemented", iam.list_network_sources, tenancy)
    refusal(501, "MethodNotImplemented", iam.list_tagging_work_requests, tenancy)


def test_the_command_line_sets_a_reader_up(home, tenancy):
    """CreateGroup, CreateUser, AddUserToGroup, UploadApiKey, CreatePolicy, CreateDynamicGroup and
    their lists, as the documentation of OCI has them."""
    def run(*words):
        return home.oci("iam", *words)["data"]
    group = run("group", "create", "--name", "cli-readers", "--description", "d")
    user = run("user", "create", "--name", "cli-reader", "--description", "d")
    run("group", "add-user", "--user-id", user["id"], "--group-id", group["id"])
    path = home.directory.parent / "public.pem"
    path.write_text(new_key()[1])
    key = run("user", "api-key", "upload", "--user-id", user["id"], "--key-file", path)
    assert key["fingerprint"].count(":") == 15
    policy = run("policy", "create", "--compartment-id", tenancy, "--name", "cli", "--description", "d",
                 "--statements", '["Allow group cli-readers to read secret-family in tenancy"]')
    assert policy["lifecycle-state"] == "ACTIVE"
    run("dynamic-group", "create", "--name", "cli-machines", "--description", "d",
        "--matching-rule", f"Any {{instance.compartment.id = '{tenancy}'}}")
    assert [found["name"] for found in run("dynamic-group", "list")] == ["cli-machines"]
    assert "cli-readers" in [found["name"] for found in run("group", "list", "--all")]
    assert "cli-reader" in [found["name"] for found in run("group", "list-users", "--group-id", group["id"])]
    home.oci("iam", "policy", "delete", "--policy-id", policy["id"], "--force")
