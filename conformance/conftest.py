"""One server for all tests that do not end it."""

import pytest

from vault import Vault


@pytest.fixture(scope="session")
def vault(tmp_path_factory):
    server = Vault(tmp_path_factory.mktemp("shared") / "data")
    server.start()
    yield server
    assert server.end() == 0


@pytest.fixture
def own_vault(tmp_path):
    """A server of the test's own."""
    server = Vault(tmp_path / "data")
    yield server
    if server.process is not None and server.process.poll() is None:
        server.process.kill()
        server.process.wait()
