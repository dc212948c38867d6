"""A machine within this one: network, mounts and processes of its own, so that nothing a node does is left on the host.

When its first process dies the kernel kills the rest, drops the mounts and takes the links down (pid_namespaces(7)); that first process
dies with the command that started it. So a run that is killed in the middle leaves only its folder and empty cgroups behind, which the
next run clears away. Needs root.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testbed import slot
from testbed.process import Process
from testbed.remains import MACHINE, link
from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NETWORK: Final = "198.18.{}.{}"
"""Set aside for tests of networks, so that nobody routes it (RFC 2544); the first number is the slot's."""

END_SECONDS: Final = 20

KERNEL_SETTINGS: Final = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet sets for the whole kernel unless it is so already (kubernetes pkg/kubelet/cm/container_manager_linux.go)."""


class ProcessInside(Process):
    """A component in a machine: a child of the nsenter that put it there, which passes on its exit code but no signals."""

    @property
    def pid(self) -> int:
        """The component's own process id, as the host counts. ProcessLookupError: it has ended."""
        child = until(lambda: self._ended() or _child(self._popen.pid), f"{self.name} is in its machine", END_SECONDS)
        if not isinstance(child, str):
            raise ProcessLookupError(self.name)
        return int(child)


class Machine:
    """A running machine, empty at the start."""

    def __init__(self) -> None:
        """Take a slot and start the first process. RuntimeError: all are taken, or this machine allows no other within it."""
        # A link of that name belongs to a run that lives, if perhaps one of another user's.
        self._slot = slot.take(number for number in range(slot.SLOTS) if not link(number).exists())
        (self._slot.folder / MACHINE).touch()
        self.number = self._slot.number
        self.folder = self._slot.folder
        self.logs = self._slot.logs
        self.host_address, self.address = (NETWORK.format(self.number, end) for end in (1, 2))
        self._link = link(self.number).name
        # Children that it inherits are reaped by the kernel, since it ignores their end.
        first = ["sh", "-c", "trap '' CHLD; exec sleep infinity"]
        self._init = Process(
            "machine",
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--", *first],
            self.logs / "machine.log",
        )
        self._started: list[Process] = []
        try:
            self._init.ready(self._first_process, "has its first process")
            self._enter = ["nsenter", f"--target={self._first_process()}", "--mount", "--net", "--pid", f"--wd={Path.cwd()}", "--"]
            self._connect()
            self._set_up_mounts()
        except RuntimeError:
            self.end()
            raise

    def port(self, usual: int) -> int:
        """Every port is free here."""
        return usual

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """A component in this machine."""
        process = ProcessInside(name, [*self._enter, *command], self.logs / f"{name}.log", environment)
        self._started.append(process)
        return process

    def run(self, *command: str | Path, seconds: float = 60) -> str:
        """A command in this machine, to its end; its output. RuntimeError with what it said: it failed."""
        return run(*self._enter, *command, seconds=seconds)

    def end(self) -> None:
        """End everything in it, and give the place back."""
        # The one signal that reaches both the first process and the unshare that waits for it.
        self._init.end(signal.SIGKILL)
        for process in self._started:
            process.end(signal.SIGKILL)
        self._slot.release()

    def _first_process(self) -> str:
        return _child(self._init.pid)

    def _connect(self) -> None:
        """A pair of links, one end here, the other in the machine."""
        run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self._first_process())
        run("ip", "address", "add", f"{self.host_address}/30", "dev", self._link)
        run("ip", "link", "set", self._link, "up")
        self.run("ip", "address", "add", f"{self.address}/30", "dev", "eth0")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "eth0", "up")
        # A default route has to be there for parts that look for one, though nothing answers behind it.
        self.run("ip", "route", "add", "default", "via", self.host_address)
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _set_up_mounts(self) -> None:
        """What components write outside their folders goes to memory; what they would set in the kernel reads as set."""
        for folder in ("/run", "/var/lib", "/var/log"):
            self.run("mount", "-t", "tmpfs", "tmpfs", folder)
        for name, value in KERNEL_SETTINGS.items():
            file = self.folder / name.replace("/", ".")
            file.write_text(value)
            self.run("mount", "--bind", file, f"/proc/sys/{name}")


def _child(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").strip()


def run(*command: str | Path, seconds: float = 60) -> str:
    """A command to its end; its output. RuntimeError with what it said: it failed, or took longer than this."""
    try:
        ended = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        message = f"{' '.join(map(str, command))}: did not end within {seconds:g} s: {error.stderr!r}"
        raise RuntimeError(message) from error
    if ended.returncode:
        message = f"{' '.join(map(str, command))}: exit code {ended.returncode}: {ended.stderr.strip()}"
        raise RuntimeError(message)
    return ended.stdout
