"""A machine within this one leaves the host unchanged, also when its run is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import prerequisites, slot
from testbed.machine import Machine
from testbed.remains import link
from testbed.wait import until
from tests.e2e.harness.host import host

RUN = """
from testbed.machine import Machine
machine = Machine()
(machine.folder / "left").touch()
inside = machine.start("sleeper", ["sleep", "1000"])
print(machine.number, inside.pid, flush=True)
inside.ready(lambda: False, "is killed before", 1000)
"""


@pytest.fixture(autouse=True)
def _can_run_a_node() -> None:
    if reason := prerequisites.missing():
        pytest.skip(reason)


def test_a_machine_leaves_the_host_as_it_was() -> None:
    before = host()
    machine = Machine()
    machine.run("iptables", "-t", "nat", "-N", "INSIDE")
    machine.run("sh", "-c", "touch /run/inside; mount -t tmpfs tmpfs /mnt; echo 0 > /proc/sys/kernel/panic")
    machine.end()
    assert host() == before
    assert not Path("/run/inside").exists()
    assert not link(machine.number).exists()


def test_a_run_that_is_killed_leaves_no_process_and_no_link_and_the_next_one_clears_its_folder() -> None:
    before = host()
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout
        number, inside = killed.stdout.readline().split()
        killed.send_signal(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{inside}").exists(), "what ran inside is dead", 60)
    until(lambda: not link(int(number)).exists(), "the link is gone", 60)
    assert not slot.held(int(number))
    assert host() == before
    again = Machine()
    left = (again.folder / "left").exists()
    again.end()
    assert (again.number, left) == (int(number), False)
    assert not again.folder.exists()
