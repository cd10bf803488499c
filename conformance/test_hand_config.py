"""What `config show` says: the settings that count, and what says so."""

import json

from test_hand_credentials import hand, home, metadata_with, profile  # noqa: F401  (a fixture)
from test_hand_proxies import admin


def shown(home, *arguments, **variables):
    done = hand(home, "config", "show", "--json", *arguments, **variables)
    assert done.returncode == 0, done.stderr.decode()
    return {row["setting"]: (row["value"], row["origin"]) for row in json.loads(done.stdout)}


def test_each_link_of_the_chain_says_that_it_answered(home, tmp_path):
    url = home.dev["base_url"]
    pem = (home.directory / "oci" / "admin.pem").read_bytes()
    config = profile(home, tmp_path, pem)
    metadata = {"OCI_METADATA_BASE_URL": home.dev["imds_url"]}
    resource = {"OCI_RESOURCE_PRINCIPAL_VERSION": "2.2", "OCI_RESOURCE_PRINCIPAL_RPST": "/token", "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": "/key"}
    federated = {"OCI_RESOURCE_PRINCIPAL_VERSION": "1.1", "OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT": url, **metadata}
    of_file = f"profile `DEFAULT` of `{config}`"
    for arguments, variables, kind, origin in [
        ((), admin(home), "api_key", "OCI_CLI_USER (it is the first that there is)"),
        (("--config-file", config), {}, "api_key", of_file + " (it is the first that there is)"),
        (("--config-file", config), metadata, "api_key", of_file + " (it is the first that there is)"),
        (("--config-file", config), resource, "resource_principal", "OCI_RESOURCE_PRINCIPAL_RPST (OCI_RESOURCE_PRINCIPAL_VERSION is set)"),
        ((), federated, "resource_principal", f"service `{url}` (OCI_RESOURCE_PRINCIPAL_VERSION is set)"),
        ((), metadata, "instance_principal", f"metadata service `{home.dev['imds_url']}` (OCI_METADATA_BASE_URL is set)"),
        (("--config-file", config), {"OCI_CLI_AUTH": "instance_principal", **metadata}, "instance_principal",
         f"metadata service `{home.dev['imds_url']}` (OCI_CLI_AUTH)"),
        (("--auth", "api_key", "--config-file", config), {"STRONGROOM_AUTH": "instance_principal", **metadata}, "api_key", of_file + " (--auth)"),
        ((), {"STRONGROOM_AUTH": "oke_workload_identity", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "oke_workload_identity",
         "cluster `10.0.0.1` (STRONGROOM_AUTH)"),
    ]:
        said = shown(home, *arguments, **variables)
        assert said["auth"] == (kind, origin), variables
        assert said["endpoint"] == (url, "STRONGROOM_ENDPOINT")


def test_settings_say_where_they_come_from(home, tmp_path):
    url, usual = home.dev["base_url"], f"the development server of `{home.directory}`"
    of_dev = shown(home, "--data-dir", home.directory)
    assert of_dev["endpoint"] == (url, usual) and of_dev["vaults.dev"] == (home.dev["vault_id"], usual)
    assert of_dev["compartment_id"] == (home.dev["compartment_id"], usual) and of_dev["key_id"] == (home.dev["key_id"], usual)
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes((home.directory / "oci" / "admin.pem").read_bytes())
    broken = hand(home, "config", "show", "--cert-bundle", bundle, **admin(home))
    assert broken.returncode == 3 and b"error[bad-authorities]" in broken.stderr
    (tmp_path / "config.toml").write_text(f"key_id = 'ocid1.key.oc1.iad.a.b'\n[vaults]\nprod = '{home.dev['vault_id']}'\n")
    said = shown(home, "--config", tmp_path / "config.toml", "--endpoint", "http://vault.example", **admin(home),
                 HTTP_PROXY="http://user:c4n4ry@proxy.example:3128", https_proxy="proxy2.example")
    assert said["endpoint"] == ("http://vault.example", "--endpoint")
    assert said["vaults.prod"] == (home.dev["vault_id"], "the configuration file")
    assert said["vaults.dev"] == (home.dev["vault_id"], "STRONGROOM_VAULT_DEV")
    assert said["key_id"] == ("ocid1.key.oc1.iad.a.b", "the configuration file")
    assert said["compartment_id"] == (home.dev["compartment_id"], "STRONGROOM_COMPARTMENT_ID")
    assert said["http_proxy"] == ("http://proxy.example:3128", "HTTP_PROXY")
    assert said["https_proxy"] == ("http://proxy2.example:80", "https_proxy")


def test_regions_say_who_named_them(home, tmp_path):
    host = "https://secrets.vaults.us-ashburn-1.oci.oraclecloud.com"
    config = profile(home, tmp_path, (home.directory / "oci" / "admin.pem").read_bytes())
    nowhere = {"STRONGROOM_ENDPOINT": ""}
    assert shown(home, "--config-file", config, **nowhere)["endpoint"] == (host, f"profile `DEFAULT` of `{config}`")
    assert shown(home, **admin(home), **nowhere, OCI_CLI_REGION="iad")["endpoint"] == (host, "OCI_CLI_REGION")
    pod = {"STRONGROOM_AUTH": "oke_workload_identity", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "OCI_RESOURCE_PRINCIPAL_REGION": "us-ashburn-1"}
    assert shown(home, **pod, **nowhere)["endpoint"] == (host, "OCI_RESOURCE_PRINCIPAL_REGION")
    metadata = shown(home, **nowhere, OCI_METADATA_BASE_URL=home.dev["imds_url"])
    assert metadata["endpoint"] == (host, "this machine's metadata")


def test_people_get_a_table(home):
    own = admin(home)
    brief = hand(home, "config", "show", **own).stdout.decode().splitlines()
    assert brief[0].split() == ["SETTING", "VALUE"] and brief[1].split() == ["endpoint", home.dev["base_url"]]
    long = hand(home, "config", "show", "--origin", **own).stdout.decode().splitlines()
    assert long[0].split() == ["SETTING", "VALUE", "ORIGIN"] and long[1].split()[-1] == "STRONGROOM_ENDPOINT"
