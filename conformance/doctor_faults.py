"""The planted faults: each breaks one thing in a set-up that works, and says what the verdict should be.

A fault is a function of the world. It yields the arguments and variables for one run of `doctor`.
"""

import contextlib

import oci
from cryptography.hazmat.primitives import serialization

import doctor_servers as servers
from doctor_world import CANARY, closed_port, token
from vault import absent

PLANTED = []
REF = "secret://main/fine"


def planted(code, what):
    """Registers a fault, with the code that its verdict should have."""
    def register(plant):
        PLANTED.append((code, what, contextlib.contextmanager(plant)))
        return plant
    return register


def simple(code, what, run):
    """A fault that needs no server of its own: `run` returns arguments and variables."""
    def plant(world):
        yield run(world)
    planted(code, what)(plant)


def as_user(world, user, *arguments, **variables):
    return (*(arguments or (REF,)), "--config-file", world.profile(user)), variables


def with_profile(code, what, change):
    simple(code, what, lambda world: ((REF, "--config-file", world.profile(**change(world))), {}))


def with_right(code, what, user, secret="fine"):
    simple(code, what, lambda world: as_user(world, user, world.secrets[secret]))


def encrypted(world, passphrase):
    key = serialization.load_pem_private_key(world.private.encode(), None)
    return world.file(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase)))


# What lies on this machine: the configuration and its files.
simple("no-credentials", "no configuration file and nothing else to sign with", lambda world: ((REF,), {}))
simple("no-configuration", "the configuration file that is named is not there",
       lambda world: ((REF, "--config-file", "/nonexistent/config"), {}))
simple("bad-settings", "an unknown kind of credentials in OCI_CLI_AUTH",
       lambda world: as_user(world, "entitled", OCI_CLI_AUTH="pkcs11"))
simple("bad-settings", "a misspelt setting in config.toml",
       lambda world: as_user(world, "entitled", STRONGROOM_CONFIG=world.file("endpiont = 'http://h'\n")))
with_profile("configuration-open-to-others", "the configuration file has mode 0644", lambda world: {"mode": 0o644})
simple("no-profile", "the profile is misspelt",
       lambda world: ((REF, "--config-file", world.profile(), "--profile", "DEFUALT"), {}))
with_profile("broken-configuration", "a line without `=`", lambda world: {"text": "[DEFAULT]\nuser ocid1.user.oc1..a\n"})
with_profile("broken-configuration", "a setting stands there twice", lambda world: {"text": "[DEFAULT]\nuser=a\nuser=b\n"})
with_profile("missing-setting", "no user", lambda world: {"user": None})
with_profile("missing-setting", "no key_file", lambda world: {"key_file": None})
with_profile("blanks-in-value", "a tenancy in quotes", lambda world: {"tenancy": f'"{world.dev["tenancy_id"]}"'})
with_profile("blanks-in-value", "a comment behind the region", lambda world: {"region": "us-ashburn-1 # home"})
with_profile("value-over-lines", "an indented line below the tenancy",
             lambda world: {"tenancy": world.dev["tenancy_id"] + "\n  fingerprint2=x"})
with_profile("wrong-ocid-in-profile", "the OCID of a user for a tenancy", lambda world: {"tenancy": world.dev["user_id"]})
with_profile("bad-fingerprint", "a fingerprint with hyphens",
             lambda world: {"fingerprint": world.users["entitled"][1].replace(":", "-")})
with_profile("no-key-file", "a wrong path of the key", lambda world: {"key": "/nonexistent/key.pem"})
with_profile("key-open-to-others", "the key has mode 0644", lambda world: {"key": world.file(world.private, 0o644)})
with_profile("not-a-private-key", "the public key for the private one", lambda world: {"key": world.file(world.public)})
with_profile("not-a-private-key", "a key that is cut off", lambda world: {"key": world.file(world.private[:400])})
with_profile("no-passphrase", "an encrypted key without a passphrase",
             lambda world: {"key": encrypted(world, b"open sesame")})
with_profile("wrong-passphrase", "a wrong passphrase",
             lambda world: {"key": encrypted(world, b"open sesame"), "pass_phrase": CANARY})
with_profile("fingerprint-of-other-key", "another key than the fingerprint's",
             lambda world: {"key": world.file(world.other_private)})

# What lies on this machine: tokens and machines.
def session(world, text, **more):
    key = world.file(world.other_private)
    return {"key": key, "security_token_file": world.file(text), **more}


with_profile("token-expired", "a session that has run out", lambda world: session(world, token()))
with_profile("no-token", "a session's file that holds no token", lambda world: session(world, CANARY))
with_profile("token-refused", "a session from before the signer's rotation", lambda world: session(world, world.stale))
RESOURCE = {"OCI_RESOURCE_PRINCIPAL_VERSION": "2.2"}
simple("no-resource-principal", "a resource principal without its key",
       lambda world: ((REF,), {**RESOURCE, "OCI_RESOURCE_PRINCIPAL_RPST": token(False)}))
simple("token-expired", "a resource principal whose token was not replaced", lambda world: ((REF,), {
    **RESOURCE, "OCI_RESOURCE_PRINCIPAL_RPST": token(), "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": world.other_private}))
simple("token-refused", "a resource principal's token from before a rotation", lambda world: ((REF,), {
    **RESOURCE, "OCI_RESOURCE_PRINCIPAL_RPST": world.stale, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": world.other_private}))
MACHINE = ("--auth", "instance_principal")
simple("metadata-unreachable", "a metadata service that does not run",
       lambda world: ((REF, *MACHINE), {"OCI_METADATA_BASE_URL": f"http://127.0.0.1:{closed_port()}/opc/v2"}))
simple("no-machine-identity", "a metadata service without /opc/v2",
       lambda world: ((REF, *MACHINE), {"OCI_METADATA_BASE_URL": world.dev["imds_url"].replace("/v2", "/v3")}))
simple("machine-refused", "a machine that was removed",
       lambda world: ((REF, *MACHINE), {"OCI_METADATA_BASE_URL": world.removed}))
simple("federation-fails", "a federation service that does not run", lambda world: ((REF, *MACHINE), {
    "OCI_METADATA_BASE_URL": world.dev["imds_url"],
    "OCI_CLI_FEDERATION_ENDPOINT": f"http://127.0.0.1:{closed_port()}/v1/x509"}))
simple("no-dynamic-group", "a machine that no matching rule has, of a vault that tells why",
       lambda world: ((REF, *MACHINE), {"OCI_METADATA_BASE_URL": world.stranger}))


@planted("machine-certificate-expired", "a machine's certificate that ran out")
def machine_certificate(world):
    with servers.front(change=servers.expired_machine(world.dev)) as url:
        yield (REF, *MACHINE), {"OCI_METADATA_BASE_URL": f"{url}/opc/v2"}


@planted("no-dynamic-group", "a service that answers 401 to a machine without a dynamic group")
def unauthenticated_machine(world):
    refuses = servers.only("/20", servers.error(401, "NotAuthenticated", "no"))
    with servers.front(world.dev["base_url"], refuses) as url:
        yield (REF, *MACHINE), {"OCI_METADATA_BASE_URL": world.dev["imds_url"], "STRONGROOM_ENDPOINT": url}


# The reference.
def refer(code, what, text):
    simple(code, what, lambda world: as_user(world, "entitled", "DB_SECRET", DB_SECRET=text(world)))


refer("variable-not-set", "the variable of the reference is not set", lambda world: None)
refer("blanks-around-reference", "a line break behind the OCID", lambda world: world.secrets["fine"] + "\n")
refer("bad-reference", "a variable that holds the secret itself", lambda world: CANARY)
refer("wrong-ocid-type", "the OCID of the vault for the secret's", lambda world: world.dev["vault_id"])
refer("unknown-vault", "an alias that stands for nothing", lambda world: "secret://prod/fine")
refer("secret-absent", "an OCID with a wrong character, of a vault that tells why", lambda world: absent(world.secrets["fine"]))
simple("secret-absent", "an OCID with a wrong character, where the list is shown",
       lambda world: as_user(world, "bare", absent(world.secrets["fine"])))
simple("secret-absent", "a misspelt name", lambda world: as_user(world, "entitled", "secret://main/fien"))
simple("vault-absent", "an alias that stands for a vault that is not there",
       lambda world: as_user(world, "entitled", STRONGROOM_VAULT_MAIN=absent(world.dev["vault_id"])))
simple("other-region", "a secret of another region",
       lambda world: as_user(world, "nothing-quiet", world.secrets["fine"].replace(".iad.", ".phx.")))
simple("version-absent", "a stage that no version is in", lambda world: as_user(world, "entitled", REF + "?stage=pending"))
simple("version-absent", "a version that is not there, of a vault that does not tell why",
       lambda world: as_user(world, "bare", REF + "?version=7"))
simple("points-nowhere", "a pointer into content that is not JSON",
       lambda world: as_user(world, "entitled", REF + "#user.password"))

# The way.
def at(code, what, url, **variables):
    simple(code, what, lambda world: as_user(world, "entitled", STRONGROOM_ENDPOINT=url, **variables))


at("bad-endpoint", "an endpoint without http://", "vault.example.com")
simple("unknown-region", "a misspelt region",
       lambda world: as_user(world, "entitled", STRONGROOM_ENDPOINT="", OCI_CLI_REGION="us-ashbrun-1"))
at("name-unknown", "a host that has no address", "http://vault.invalid:8790")
simple("connection-refused", "a service that does not run",
       lambda world: as_user(world, "entitled", STRONGROOM_ENDPOINT=f"http://127.0.0.1:{closed_port()}"))
simple("no-endpoint", "neither an endpoint nor a region",
       lambda world: ((REF, "--config-file", world.profile(region=None)), {"STRONGROOM_ENDPOINT": ""}))


def behind(code, what, change, **variables):
    """The vault behind a server that goes wrong."""
    @planted(code, what)
    def plant(world):
        with servers.front(world.dev["base_url"], change) as url:
            yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url, **variables)


behind("clock-off", "this machine's clock is an hour behind the service's", servers.hours_ahead(1))
behind("clock-off", "this machine's clock is six minutes ahead of the service's", servers.hours_ahead(-0.1))


@planted("clock-off", "a clock that makes a token look as if it had run out")
def clock_and_token(world):
    config = world.profile(**session(world, token()))
    with servers.front(world.dev["base_url"], servers.hours_ahead(-3)) as url:
        yield (REF, "--config-file", config), {"STRONGROOM_ENDPOINT": url}


behind("throttled", "429 for every call", lambda _: servers.error(429, "TooManyRequests", "slow down", **{"retry-after": "3"}))
behind("throttled", "429 for contents only", servers.only("/secretbundles", servers.error(429, "TooManyRequests", "slow down")))
behind("service-fails", "500 for contents", servers.only("/secretbundles", servers.error(500, "InternalServerError", "oops")))
behind("service-fails", "503 by a gateway, as HTML", lambda _: servers.page(503))
behind("service-fails", "503 once, which passes", servers.once(servers.error(503, "ServiceUnavailable", "busy")))
behind("not-oci", "a redirect to another place", lambda _: (301, {"location": "https://vault.test/"}, b""))
behind("not-oci", "a page to log in at, in place of the service", lambda _: servers.page(200))
behind("not-oci", "a web server that knows no such path", lambda _: servers.page(404))


@planted("connection-timeout", "an address that takes no connections")
def deaf(world):
    with servers.deaf() as url:
        yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url)


@planted("no-answer", "a service that connects and says nothing")
def silent(world):
    with servers.silent() as url:
        yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url)


def over_tls(code, what, trusted=True, name="127.0.0.1", days=(-1, 10), scheme="https"):
    @planted(code, what)
    def plant(world):
        both, authority = servers.certificate(world.directory, name, days=days)
        _, other = servers.certificate(world.directory, "other.test")
        with servers.front(world.dev["base_url"], certificate=both) as url:
            url = url.replace("https", scheme)
            yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url, STRONGROOM_CERT_BUNDLE=authority if trusted else other)


over_tls("unknown-authority", "an authority that is not in the bundle", trusted=False)


@planted("unknown-authority", "an authority of one's own, and no bundle")
def own_authority(world):
    both, _ = servers.certificate(world.directory)
    with servers.front(world.dev["base_url"], certificate=both) as url:
        yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url)


over_tls("server-certificate-expired", "a server's certificate that ran out", days=(-20, -2))
over_tls("server-certificate-of-other-name", "a server's certificate for another name", name="vault.test")
over_tls("tls-expected", "http:// for a service that speaks TLS", scheme="http")


@planted("tls-failed", "a service that breaks off every TLS handshake")
def breaks_off(world):
    _, authority = servers.certificate(world.directory)
    with servers.hangs_up() as url:
        yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url, STRONGROOM_CERT_BUNDLE=authority)


@planted("not-tls", "https:// for a service that speaks plain HTTP")
def not_tls(world):
    _, authority = servers.certificate(world.directory)
    url = world.dev["base_url"].replace("http:", "https:")
    yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url, STRONGROOM_CERT_BUNDLE=authority)


at("bad-authorities", "a bundle of authorities that is not there", "https://127.0.0.1:1", STRONGROOM_CERT_BUNDLE="/nonexistent")
simple("bad-authorities", "a bundle of authorities without a certificate", lambda world: as_user(
    world, "entitled", STRONGROOM_ENDPOINT=world.dev["base_url"].replace("http:", "https:"),
    STRONGROOM_CERT_BUNDLE=world.file("nothing in PEM\n")))
simple("proxy-unreachable", "a proxy that does not run", lambda world: as_user(
    world, "entitled", STRONGROOM_ENDPOINT="http://vault.test:8790", HTTP_PROXY=f"http://ann:{CANARY}@127.0.0.1:{closed_port()}"))
simple("bad-proxy", "a proxy of a kind that is not used", lambda world: as_user(
    world, "entitled", HTTPS_PROXY=f"socks5://ann:{CANARY}@127.0.0.1:1080"))


def refusing(what, status, url, variable):
    @planted("proxy-refuses", what)
    def plant(world):
        with servers.front(change=lambda _: (status, {}, b"")) as proxy:
            yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url, **{variable: proxy})


refusing("a proxy that wants a password", 407, "http://vault.test:8790", "http_proxy")
refusing("a proxy that opens no tunnel", 403, "https://vault.test:8790", "https_proxy")
simple("proxy-takes-metadata", "a proxy, and NO_PROXY without the metadata service", lambda world: (
    (REF, *MACHINE), {"OCI_METADATA_BASE_URL": world.dev["imds_url"], "HTTP_PROXY": "http://127.0.0.1:1"}))


@planted("proxy-needed", "a host that only the proxy can call, listed in NO_PROXY")
def proxy(world):
    with servers.front(change=lambda _: (200, {}, b"")) as url:
        yield as_user(world, "entitled", STRONGROOM_ENDPOINT="http://vault.invalid", http_proxy=url, NO_PROXY="vault.invalid")


# Who asks.
with_profile("key-not-registered", "a key that was never uploaded", lambda world: {
    "key": world.file(world.other_private), "fingerprint": world.other_fingerprint})
with_profile("key-not-registered", "a user whose key was deleted", lambda world: {"caller": "leaver"})
with_profile("key-not-registered", "another tenancy", lambda world: {"tenancy": absent(world.dev["tenancy_id"])})

# The rights, of a vault that tells why and of one that does not.
with_right("missing-key-right", "`read secret-family` without `use keys`, the vault tells why", "no-key")
with_right("missing-key-right", "`read secret-family` without `use keys`, the vault does not tell", "no-key-quiet")
with_right("missing-secret-right", "`use keys` without `read secret-family`", "no-secret")
with_right("missing-secret-right", "`inspect secrets`, the vault does not tell", "lister-quiet")
with_right("missing-secret-right", "`read secrets` without bundles, the vault does not tell", "describer-quiet")
with_right("missing-or-hidden", "no right at all, the vault does not tell", "nothing-quiet")
with_right("verb-too-weak", "`inspect keys` for `use keys`", "inspector")
with_right("verb-too-weak", "`inspect secret-family` for `read`", "secret-inspector")
with_right("key-in-other-compartment", "`use keys` in another compartment than the key's", "key-elsewhere")
with_right("key-in-other-compartment", "a key that was moved to another compartment", "entitled", "of-moved")
with_right("secret-in-other-compartment", "`read secret-family` in another compartment", "secret-elsewhere")
with_right("secret-in-other-compartment", "a secret in another compartment than the statement's", "entitled", "hidden")
with_right("condition-fails", "a condition on the secret's name", "named")
with_right("condition-fails", "a condition on the key", "key-named")
with_right("denied-by-statement", "a statement that denies", "denied")
with_right("no-group", "a user in no group", "nobody")

with_right("secret-pending-deletion", "a secret that is to be deleted, which is listed but not described", "bundle-lister-quiet", "pending")
simple("version-absent", "a stage that no version is in, of a secret that is listed but not described",
       lambda world: as_user(world, "bundle-lister-quiet", world.secrets["fine"] + "?stage=pending"))
simple("wrong-ocid-in-profile", "a user's OCID that is cut off, in OCI_CLI_USER",
       lambda world: as_user(world, "entitled", OCI_CLI_USER=world.dev["user_id"][:16]))
with_profile("broken-configuration", "a configuration file that is not UTF-8", lambda world: {"text": b"[DEFAULT]\nuser=\xff\n"})

# What cannot be told apart from here: the verdict is likely, and of something else.
with_right("key-in-other-compartment", "the same, the vault does not tell", "key-elsewhere-quiet")
with_right("condition-fails", "a condition on the secret's name, the vault does not tell", "named-quiet")
with_right("secret-pending-deletion", "a secret that is to be deleted, for one who may read contents only", "bundles-quiet", "pending")
simple("no-dynamic-group", "a machine that no matching rule has, the vault does not tell",
       lambda world: ((REF, *MACHINE), {"OCI_METADATA_BASE_URL": world.quiet_stranger}))


@planted("gateway-rewrites-host", "a gateway that rewrites the Host header, which is signed")
def gateway(world):
    with servers.front(world.dev["base_url"], host="vault.test") as url:
        yield as_user(world, "entitled", STRONGROOM_ENDPOINT=url)


# States.
with_right("secret-pending-deletion", "a secret that is to be deleted", "entitled", "pending")
with_right("secret-deleted", "a secret that was deleted", "entitled", "deleted")
with_right("secret-expired", "a secret whose content expired", "bare", "expired")
with_right("key-disabled", "a key that is disabled", "entitled", "of-disabled")
with_right("key-pending-deletion", "a key that is to be deleted", "entitled", "of-dying")
with_right("key-disabled", "a key that is disabled, for one who may not see it", "bare", "of-disabled")
with_right("key-pending-deletion", "a key that is to be deleted, for one who may not see it", "bare", "of-dying")
with_right("key-pending-deletion", "a version of the key that is to be deleted", "entitled", "of-dying-version")
with_right("vault-not-active", "a vault that is to be deleted", "entitled", "of-doomed")
