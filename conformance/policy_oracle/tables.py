"""What verbs grant and operations need, copied by hand from Oracle's policy reference for keys, secrets and IAM."""

import functools

# One string a level, from inspect to manage; a level holds those before it as well.
VERB_TABLE = {
    "vaults": ("VAULT_INSPECT", "VAULT_READ", "VAULT_CREATE_KEY VAULT_IMPORT_KEY VAULT_CREATE_SECRET",
               "VAULT_CREATE VAULT_UPDATE VAULT_DELETE VAULT_MOVE VAULT_BACKUP VAULT_RESTORE VAULT_REPLICATE"),
    "keys": ("KEY_INSPECT", "KEY_READ", "KEY_ENCRYPT KEY_DECRYPT KEY_EXPORT KEY_SIGN KEY_VERIFY",
             "KEY_CREATE KEY_UPDATE KEY_ROTATE KEY_DELETE KEY_MOVE KEY_IMPORT KEY_BACKUP KEY_RESTORE"),
    "key-delegate": ("", "", "KEY_ASSOCIATE KEY_DISASSOCIATE", ""),
    "hsm-cluster": ("HSM_CLUSTER_INSPECT", "HSM_CLUSTER_READ", "HSM_CLUSTER_UPDATE",
                    "HSM_CLUSTER_DELETE HSM_CLUSTER_CREATE HSM_CLUSTER_MOVE"),
    "secrets": ("SECRET_INSPECT", "SECRET_READ", "SECRET_UPDATE SECRET_ROTATE",
                "SECRET_CREATE SECRET_DELETE SECRET_MOVE SECRET_ROTATE SECRET_REPLICATE_CONFIGURE"),
    "secret-versions": ("SECRET_VERSION_INSPECT", "SECRET_VERSION_READ", "", "SECRET_VERSION_DELETE"),
    "secret-bundles": ("SECRET_BUNDLE_INSPECT", "SECRET_BUNDLE_READ", "", ""),
    "secret-replication": ("", "", "SECRET_REPLICATE", ""),
    # COMPARTMENT_READ is needed by an operation and granted by no verb in Oracle's tables; so are TAG_DEFAULT_MANAGE and
    # AUDIT_CONFIGURATION. They stand where the operations of their kind do.
    "compartments": ("COMPARTMENT_INSPECT COMPARTMENT_READ", "", "COMPARTMENT_UPDATE",
                     "COMPARTMENT_CREATE COMPARTMENT_DELETE COMPARTMENT_RECOVER"),
    "users": ("USER_INSPECT", "USER_READ", "USER_UPDATE",
              "USER_CREATE USER_DELETE USER_UNBLOCK USER_APIKEY_ADD USER_APIKEY_REMOVE USER_UIPASS_SET USER_UIPASS_RESET"
              " USER_SWIFTPASS_SET USER_SWIFTPASS_RESET USER_SWIFTPASS_REMOVE USER_AUTHTOKEN_SET USER_AUTHTOKEN_RESET"
              " USER_AUTHTOKEN_REMOVE USER_OAUTH2_CLIENT_CRED_CREATE USER_OAUTH2_CLIENT_CRED_UPDATE"
              " USER_OAUTH2_CLIENT_CRED_REMOVE USER_SECRETKEY_ADD USER_SECRETKEY_UPDATE USER_SECRETKEY_REMOVE"
              " USER_SUPPORT_ACCOUNT_LINK USER_SUPPORT_ACCOUNT_UNLINK USER_TOTPDEVICE_ADD USER_TOTPDEVICE_REMOVE"
              " USER_TOTPDEVICE_UPDATE"),
    "groups": ("GROUP_INSPECT", "", "GROUP_UPDATE", "GROUP_CREATE GROUP_DELETE"),
    "dynamic-groups": ("DYNAMIC_GROUP_INSPECT", "", "DYNAMIC_GROUP_UPDATE", "DYNAMIC_GROUP_CREATE DYNAMIC_GROUP_DELETE"),
    "policies": ("POLICY_READ", "", "", "POLICY_UPDATE POLICY_CREATE POLICY_DELETE"),
    "tenancies": ("TENANCY_INSPECT", "", "TENANCY_UPDATE", "TENANCY_UPDATE"),
    "network-sources": ("NETWORK_SOURCE_INSPECT", "", "NETWORK_SOURCE_UPDATE",
                        "NETWORK_SOURCE_CREATE NETWORK_SOURCE_DELETE"),
    "authentication-policies": ("AUTHENTICATION_POLICY_INSPECT", "", "", "AUTHENTICATION_POLICY_UPDATE"),
    "tag-namespaces": ("TAG_NAMESPACE_INSPECT", "", "TAG_NAMESPACE_USE",
                       "TAG_NAMESPACE_UPDATE TAG_NAMESPACE_CREATE TAG_NAMESPACE_MOVE TAG_NAMESPACE_DELETE"),
    "tag-defaults": ("TAG_DEFAULT_INSPECT TAG_NAMESPACE_READ", "", "",
                     "TAG_DEFAULT_CREATE TAG_DEFAULT_UPDATE TAG_DEFAULT_DELETE TAG_DEFAULT_MANAGE"),
    "audit-events": ("", "AUDIT_EVENT_READ", "", "AUDIT_CONFIGURATION"),
}

FAMILIES = {
    "secret-family": ("secrets", "secret-versions", "secret-bundles"),
    "key-family": ("vaults", "keys", "key-delegate"),
    "vault-family": ("vaults", "keys", "key-delegate"),
    "key-delegates": ("key-delegate",),
    "vault": ("vaults",),
    "all-resources": tuple(VERB_TABLE),
}

OPERATIONS_BY_PERMISSIONS = {
    "VAULT_INSPECT": "ListVaults ListVaultReplicas",
    "VAULT_READ": "GetVault GetVaultUsage GetWrappingKey GetReplicationStatus",
    "VAULT_CREATE": "CreateVault",
    "VAULT_UPDATE": "UpdateVault UpdateRegisteredVaultForMtls",
    "VAULT_DELETE": "ScheduleVaultDeletion CancelVaultDeletion",
    "VAULT_MOVE": "ChangeVaultCompartment",
    "VAULT_BACKUP": "BackupVault",
    "VAULT_RESTORE": "RestoreVaultFromFile RestoreVaultFromObjectStore",
    "VAULT_REPLICATE": "CreateVaultReplica DeleteVaultReplica",
    "KEY_INSPECT": "ListKeys ListKeyVersions",
    "KEY_READ": "GetKey GetKeyVersion",
    "KEY_CREATE VAULT_CREATE_KEY": "CreateKey",
    "KEY_UPDATE": "EnableKey DisableKey UpdateKey",
    "KEY_DELETE": "ScheduleKeyDeletion CancelKeyDeletion ScheduleKeyVersionDeletion CancelKeyVersionDeletion",
    "KEY_MOVE": "ChangeKeyCompartment",
    "KEY_BACKUP": "BackupKey",
    "KEY_RESTORE": "RestoreKeyFromFile RestoreKeyFromObjectStore",
    "KEY_ROTATE": "CreateKeyVersion",
    "KEY_IMPORT VAULT_IMPORT_KEY": "ImportKey",
    "KEY_IMPORT": "ImportKeyVersion",
    "KEY_ENCRYPT": "Encrypt GenerateDataEncryptionKey",
    "KEY_DECRYPT": "Decrypt",
    "KEY_EXPORT": "ExportKey",
    "KEY_SIGN": "Sign",
    "KEY_VERIFY": "Verify",
    "KEY_ENCRYPT KEY_DECRYPT SECRET_CREATE VAULT_CREATE_SECRET": "CreateSecret",
    "SECRET_UPDATE": "UpdateSecret",
    "SECRET_INSPECT": "ListSecrets",
    "SECRET_READ": "GetSecret",
    "SECRET_ROTATE": "RotateSecret CancelSecretRotation",
    "SECRET_DELETE": "ScheduleSecretDeletion CancelSecretDeletion",
    "SECRET_MOVE SECRET_UPDATE": "ChangeSecretCompartment",
    "SECRET_VERSION_INSPECT": "ListSecretVersions",
    "SECRET_VERSION_READ": "GetSecretVersion",
    "SECRET_VERSION_DELETE SECRET_UPDATE": "ScheduleSecretVersionDeletion CancelSecretVersionDeletion",
    "SECRET_BUNDLE_READ": "GetSecretBundle GetSecretBundleByName",
    "SECRET_BUNDLE_INSPECT": "ListSecretBundleVersions",
    "TENANCY_INSPECT": "ListRegions ListRegionSubscriptions GetTenancy",
    "TENANCY_UPDATE": "CreateRegionSubscription",
    "AUTHENTICATION_POLICY_INSPECT": "GetAuthenticationPolicy",
    "AUTHENTICATION_POLICY_UPDATE": "UpdateAuthenticationPolicy",
    "COMPARTMENT_INSPECT": "ListAvailabilityDomains ListFaultDomains ListCompartments GetCompartment",
    "COMPARTMENT_UPDATE": "UpdateCompartment",
    "COMPARTMENT_CREATE": "CreateCompartment",
    "COMPARTMENT_RECOVER": "RecoverCompartment",
    "COMPARTMENT_DELETE": "DeleteCompartment",
    "COMPARTMENT_READ": "GetWorkRequest ListWorkRequests",
    "USER_INSPECT": "ListUsers GetUser",
    "USER_UPDATE": "UpdateUser UpdateUserCapabilities",
    "USER_UPDATE USER_UNBLOCK": "UpdateUserState",
    "USER_CREATE": "CreateUser",
    "USER_DELETE": "DeleteUser",
    "USER_READ": "ListApiKeys ListAuthTokens",
    "USER_UPDATE USER_APIKEY_ADD": "UploadApiKey",
    "USER_UPDATE USER_APIKEY_REMOVE": "DeleteApiKey",
    "USER_UPDATE USER_AUTHTOKEN_RESET": "UpdateAuthToken",
    "USER_UPDATE USER_AUTHTOKEN_SET": "CreateAuthToken",
    "USER_UPDATE USER_AUTHTOKEN_REMOVE": "DeleteAuthToken",
    "GROUP_INSPECT USER_INSPECT": "ListUserGroupMemberships GetUserGroupMembership",
    "GROUP_UPDATE USER_UPDATE": "AddUserToGroup RemoveUserFromGroup",
    "GROUP_INSPECT": "ListGroups GetGroup",
    "GROUP_UPDATE": "UpdateGroup",
    "GROUP_CREATE": "CreateGroup",
    "GROUP_DELETE": "DeleteGroup",
    "DYNAMIC_GROUP_INSPECT": "ListDynamicGroups GetDynamicGroup",
    "DYNAMIC_GROUP_UPDATE": "UpdateDynamicGroup",
    "DYNAMIC_GROUP_CREATE": "CreateDynamicGroup",
    "DYNAMIC_GROUP_DELETE": "DeleteDynamicGroup",
    "NETWORK_SOURCE_INSPECT": "GetNetworkSource ListNetworkSources",
    "NETWORK_SOURCE_CREATE": "CreateNetworkSource",
    "NETWORK_SOURCE_UPDATE": "UpdateNetworkSource",
    "NETWORK_SOURCE_DELETE": "DeleteNetworkSource",
    "POLICY_READ": "ListPolicies GetPolicy",
    "POLICY_UPDATE": "UpdatePolicy",
    "POLICY_CREATE": "CreatePolicy",
    "POLICY_DELETE": "DeletePolicy",
    "TAG_NAMESPACE_INSPECT": "ListTagNamespaces GetTagNamespace ListTags GetTag",
    "TAG_NAMESPACE_CREATE": "CreateTagNamespace",
    "TAG_NAMESPACE_UPDATE": "UpdateTagNamespace",
    "TAG_NAMESPACE_MOVE": "ChangeTagNamespaceCompartment",
    "TAG_NAMESPACE_DELETE": "CascadeDeleteTagNamespace DeleteTagNamespace DeleteTag",
    "TAG_NAMESPACE_USE": "CreateTag UpdateTag",
    "TAG_DEFAULT_INSPECT": "ListTagDefaults GetTagDefault AssembleEffectiveTagSet",
    "TAG_DEFAULT_MANAGE": "CreateTagDefault UpdateTagDefault DeleteTagDefault",
    "AUDIT_EVENT_READ": "ListEvents",
    "AUDIT_CONFIGURATION": "GetConfiguration UpdateConfiguration",
}

NEEDED = {operation: tuple(permissions.split())
          for permissions, operations in OPERATIONS_BY_PERMISSIONS.items() for operation in operations.split()}

VERBS = ("inspect", "read", "use", "manage")


@functools.cache
def permissions_of(verb, resource_type, denies):
    """Returns what a verb on a resource-type or family names: in an allow its level and those below; in a deny its level
    and those above, except for what those below name too ("deny ... to manage x" leaves what "use x" holds)."""
    level = VERBS.index(verb)
    if denies:
        return named_at(range(level, len(VERBS)), resource_type) - named_at(range(level), resource_type)
    return named_at(range(level + 1), resource_type)


def named_at(levels, resource_type):
    kinds = FAMILIES.get(resource_type, (resource_type,))
    return frozenset(permission for kind in kinds if kind in VERB_TABLE for at in levels
                     for permission in VERB_TABLE[kind][at].split())
