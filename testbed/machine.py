"""A machine within this one: network, mount and PID namespaces of its own, so that a node leaves nothing on the host. Needs root.

When its first process dies, the kernel kills the others, drops the mounts and removes the links (pid_namespaces(7)). That first process
dies with the command that started it. So a killed run leaves only its folder and empty cgroups, which the next run removes.
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
"""Reserved for network tests, so that no route uses it (RFC 2544); the first number is the slot's."""

END_SECONDS: Final = 20

KERNEL_SETTINGS: Final = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet sets for the whole kernel unless it already has these values (kubernetes pkg/kubelet/cm/container_manager_linux.go)."""


class ProcessInside(Process):
    """A component in a machine: a child of nsenter, which passes on its exit code but no signals."""

    @property
    def pid(self) -> int:
        """The component's process id on the host. ProcessLookupError: it has ended."""
        child = until(lambda: self._ended() or _child(self._popen.pid), f"{self.name} is in its machine", END_SECONDS)
        if not isinstance(child, str):
            raise ProcessLookupError(self.name)
        return int(child)


class Machine:
    """A running machine, empty at the start."""

    def __init__(self) -> None:
        """Take a slot and start the first process. RuntimeError: no slot is free, or this machine does not allow new namespaces."""
        # A link of that name belongs to a live run, which may be another user's.
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
        """The usual port: every port is free here."""
        return usual

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """Start a component in this machine."""
        process = ProcessInside(name, [*self._enter, *command], self.logs / f"{name}.log", environment)
        self._started.append(process)
        return process

    def run(self, *command: str | Path, seconds: float = 60) -> str:
        """Run a command in this machine to its end; its output. RuntimeError with its stderr: it failed."""
        return run(*self._enter, *command, seconds=seconds)

    def end(self) -> None:
        """End everything in it, and release the slot."""
        # SIGKILL alone reaches both the first process and the unshare that waits for it.
        self._init.end(signal.SIGKILL)
        for process in self._started:
            process.end(signal.SIGKILL)
        self._slot.release()

    def _first_process(self) -> str:
        return _child(self._init.pid)

    def _connect(self) -> None:
        """Connect the machine by a pair of links, one end here, the other in it."""
        run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self._first_process())
        run("ip", "address", "add", f"{self.host_address}/30", "dev", self._link)
        run("ip", "link", "set", self._link, "up")
        self.run("ip", "address", "add", f"{self.address}/30", "dev", "eth0")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "eth0", "up")
        # Some components need a default route, though nothing answers behind it.
        self.run("ip", "route", "add", "default", "via", self.host_address)
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _set_up_mounts(self) -> None:
        """Files outside the components' folders go to memory; the kernel settings that a kubelet would change read as already set."""
        for folder in ("/run", "/var/lib", "/var/log"):
            self.run("mount", "-t", "tmpfs", "tmpfs", folder)
        for name, value in KERNEL_SETTINGS.items():
            file = self.folder / name.replace("/", ".")
            file.write_text(value)
            self.run("mount", "--bind", file, f"/proc/sys/{name}")


def _child(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").strip()


def run(*command: str | Path, seconds: float = 60) -> str:
    """Run a command to its end; its output. RuntimeError with its stderr: it failed, or took longer than ``seconds``."""
    try:
        ended = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        message = f"{' '.join(map(str, command))}: did not end within {seconds:g} s: {error.stderr!r}"
        raise RuntimeError(message) from error
    if ended.returncode:
        message = f"{' '.join(map(str, command))}: exit code {ended.returncode}: {ended.stderr.strip()}"
        raise RuntimeError(message)
    return ended.stdout
