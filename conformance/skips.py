"""The tests that not every machine can run. On one that can, a whole run in which one was skipped has failed: what it
would have shown was not shown."""

import os
import pathlib
import resource
import shutil

CAP_SYS_ADMIN, CAP_SYS_RESOURCE = 21, 24


def is_root():
    return os.geteuid() == 0


def has(capability):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    effective = next(line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> capability & 1)


def mounts():
    return is_root() and has(CAP_SYS_ADMIN) and shutil.which("mount") is not None


def writes_cores():
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    is_unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY
    return pattern.startswith("core") and "/" not in pattern and (is_unlimited or has(CAP_SYS_RESOURCE))


def has_ipv6():
    addresses = pathlib.Path("/proc/net/if_inet6")
    return addresses.exists() and "0" * 31 + "1 " in addresses.read_text()


# What a test needs of the machine.
NEEDS = {
    "test_agent.py::test_another_user_reads_what_the_rules_say_and_no_more": is_root,
    "test_agent.py::test_commands_of_the_agent_do_not_inherit_its_capabilities": is_root,
    "test_agent_over_http.py::test_no_router_forwards_an_answer": has_ipv6,
    "test_applications.py::test_it_is_the_first_process_of_a_container": is_root,
    "test_hand_cores.py::test_what_crashes_leaves_no_core_file": writes_cores,
    "test_hsm.py::test_key_bytes_are_neither_in_memory_nor_on_disk": is_root,
    "test_memory.py::test_no_key_is_in_a_dump": is_root,
    "test_render.py::test_a_full_disk_leaves_the_old_file": mounts,
    "test_render.py::test_an_owner_is_set_before_the_content": is_root,
}

# The test and the reason of each skip of this run.
seen = []


def note(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        seen.append((report.nodeid, report.longrepr[2]))


def unexcused():
    """What was skipped though the machine could have run it, in words."""
    wrong = []
    for test, reason in seen:
        need = NEEDS.get(test.rpartition("/")[2].partition("[")[0])
        if need is None or need():
            wrong.append(f"{test} was skipped ({reason.removeprefix('Skipped: ')}), which conformance/skips.py does not excuse here")
    return wrong
