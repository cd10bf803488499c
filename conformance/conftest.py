"""One server for all tests that do not end it, and the table of what was asked."""

import signal

import pytest

import record
import skips
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


@pytest.fixture
def founded():
    """Takes servers that a test starts: one that fails leaves none of them behind."""
    servers = []
    yield servers
    for server in servers:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="module")
def turnable(tmp_path_factory):
    """A server whose clock can be turned."""
    directory = tmp_path_factory.mktemp("turnable") / "data"
    server = Vault(directory, "--listen", "127.0.0.1:0", "--clock", "manual")
    server.start()
    yield server
    assert server.end() == 0


def pytest_configure(config):
    # A run in the background has these ignored, and programs leave ignored what they find so.
    for number, usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGQUIT, signal.SIG_DFL),
                          (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
    given = [arg for arg in config.args if "::" in arg or arg.endswith(".py")]
    config.whole_run = not (config.option.keyword or given)


# What takes longest begins first, or else one process ends long after the others.
FIRST = ["test_kill.py", "test_rotation.py", "test_policy_differential.py", "test_regions.py", "test_kms_cli.py",
         "test_duty.py", "test_root_key.py", "test_rates.py"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def pytest_testnodedown(node, error):
    """Takes what a process of the run saw: there are several, each with files of its own."""
    for operation, client, statuses in getattr(node, "workeroutput", {}).get("seen", []):
        record.seen.setdefault((operation, client), set()).update(statuses)


def pytest_runtest_logreport(report):
    skips.note(report)


def pytest_sessionfinish(session, exitstatus):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["seen"] = [[*key, sorted(statuses)] for key, statuses in record.seen.items()]
    elif exitstatus == 0 and session.config.whole_run:
        wrong_table = record.settle()
        session.config.wrong_run = skips.unexcused() + ([] if wrong_table is None else [wrong_table])
        if session.config.wrong_run:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    """Tells what is wrong with the run as a whole at the end, where a failure is looked for."""
    for wrong in getattr(config, "wrong_run", []):
        terminalreporter.write_line("FAILED " + wrong, red=True)
