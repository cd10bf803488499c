"""Two regions of two nodes each, every region at a PostgreSQL database of its own, over TLS."""

import shutil

import oci
import pytest

from doctor_servers import certificate
from postgres import Postgres
from regions import Region, free_port, wait_for
from test_regions import HOME, SECOND, content_at, secret_at, update
from vault import content_of

ADDRESSES = ("127.0.0.1", "127.0.0.2")


class Regions:
    """Each is a list of nodes; the link to a region leads to one of them."""

    def __init__(self, directory):
        self.database = Postgres()
        self.database.start()
        self.directory = directory
        self.key, self.authorities = certificate(directory, *ADDRESSES)
        self.key.chmod(0o600)
        self.home, self.second = (self.nodes(name) for name in (HOME, SECOND))

    def nodes(self, name):
        database, port = name.replace("-", "_"), free_port()
        self.database.administer(
            f"CREATE ROLE {database} LOGIN PASSWORD 'p4ssword'", f"CREATE DATABASE {database} OWNER {database}")
        url = self.directory / f"{name}.url"
        url.touch(mode=0o600)
        url.write_text(f"postgres://{database}:p4ssword@127.0.0.1:{self.database.port}/{database}")
        return [
            Region(self.directory / str(number), name, (address, port), authorities=self.authorities, more=(
                f"[database]\nurl_file = '{url}'\n[tls]\ncertificate = '{self.key}'\nkey = '{self.key}'\n"))
            for number, address in enumerate(ADDRESSES)]

    def open(self):
        (home, *_), (second, *_) = self.home, self.second
        home.found()
        self.start_others(self.home)
        home.open_vault()
        second.join(home)
        self.start_others(self.second)
        for node in self.second:
            wait_for(lambda node=node: node.client(oci.identity.IdentityClient).get_user(home.profile["user"]).data)
        second.open_vault()
        return self

    def start_others(self, nodes):
        first, *others = nodes
        for node in others:
            node.profile = first.profile
            (node.directory / "data").mkdir(mode=0o700)
            for name in ("root.key", "strongroom.lock"):
                shutil.copy(first.directory / "data" / name, node.directory / "data" / name)
            shutil.copy(first.directory / "passphrase", node.directory / "passphrase")
            node.start()

    def end(self):
        for node in (*self.home, *self.second):
            node.kill()
        self.database.stop()


@pytest.fixture
def regions(tmp_path):
    made = Regions(tmp_path)
    try:
        yield made.open()
    finally:
        made.end()


def test_regions_of_several_nodes_over_tls(regions):
    """Whichever node takes a change and whichever is killed, every node of the other region has it."""
    (home, other_home), (second, other_second) = regions.home, regions.second
    secret = home.new_secret("db", b"0", second)
    for node in regions.second:
        wait_for(lambda node=node: secret_at(node, secret.id).is_replica)
    for number in range(1, 5):
        update(regions.home[number % 2], secret.id, secret_content=content_of(str(number).encode()))
        for node in regions.second:
            wait_for(lambda node=node, number=number: content_at(node, secret.id) == str(number).encode())
    second.kill()
    update(home, secret.id, secret_content=content_of(b"5"))
    wait_for(lambda: content_at(other_second, secret.id) == b"5")
    # The node that the other region asks is gone: whatever stands before the nodes leads to the other.
    home.kill()
    home.link.upstream = other_home.place
    home.link.cut()
    home.link.mend()
    update(other_home, secret.id, secret_content=content_of(b"6"))
    wait_for(lambda: content_at(other_second, secret.id) == b"6")
    second.start()
    assert content_at(second, secret.id) == b"6"
    versions = second.client(oci.vault.VaultsClient).list_secret_versions(secret.id).data
    assert [version.version_number for version in versions] == [7, 6, 5, 4, 3, 2, 1]
    wait_for(lambda: other_home.status(second)["outgoingChanges"] == 0)
    assert second.status(home)["fencedChanges"] == 0


def test_a_region_whose_certificate_is_not_believed_is_not_asked(regions):
    """The signature alone would do; a certificate that nobody vouches for is refused before it."""
    home, (second, other_second) = regions.home[0], regions.second
    other_second.kill()
    second.kill()
    second.environment["SSL_CERT_FILE"] = str(certificate(regions.directory, "elsewhere")[1])
    second.start()
    secret = home.new_secret("db", b"0", second)
    second.environment["SSL_CERT_FILE"] = str(regions.authorities)
    fault = wait_for(lambda: second.status(home)["fault"])
    assert "cannot be reached" in fault and "certificate" in fault, fault
    with pytest.raises(oci.exceptions.ServiceError):
        secret_at(second, secret.id)
    second.kill()
    second.start()
    wait_for(lambda: content_at(second, secret.id) == b"0")
