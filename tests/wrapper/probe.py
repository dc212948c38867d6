"""Prints, as one JSON object, what a process can see of how it was started. Run by path, with the standard library alone."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from pathlib import Path

LIMITS = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
MASKS = ("SigBlk", "SigIgn", "SigCgt")
RIGHTS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
SIGNALS_APART = {"SIGINT": 2, "SIGQUIT": 3}


def text(raw: bytes) -> str:
    """Bytes as text that JSON can carry."""
    return raw.decode("latin-1")


def arguments() -> list[str]:
    """All of argv after this file's name."""
    return [text(os.fsencode(word)) for word in sys.argv[1:]]


def status() -> dict[str, str]:
    """/proc/self/status (proc(5))."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def signals(fields: dict[str, str]) -> dict[str, object]:
    """The signal masks without the two signals that some shells ignore in a background child; those two have entries of their own."""
    apart = sum(1 << (number - 1) for number in SIGNALS_APART.values())
    ignored = int(fields["SigIgn"], 16)
    masks: dict[str, object] = {mask: int(fields[mask], 16) & ~apart for mask in MASKS}
    return masks | {f"{name} ignored": bool(ignored >> (number - 1) & 1) for name, number in SIGNALS_APART.items()}


def descriptors() -> dict[str, object]:
    """The target of each open descriptor, without inode numbers, since each run has pipes of its own."""
    leads = {}
    for number in list(Path("/proc/self/fd").iterdir()):
        try:
            leads[number.name] = str(number.readlink()).partition(":")[0]
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return {"descriptors": leads}


def place() -> dict[str, object]:
    """Directory, umask, scheduling, session and limits."""
    return {
        "directory": os.getcwd(),  # noqa: PTH109 - as the kernel has it
        "umask": os.umask(0),
        "nice": os.nice(0),
        "affinity": sorted(os.sched_getaffinity(0)),
        "group leads the session": os.getpgrp() == os.getsid(0),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in LIMITS},
    }


def main() -> None:
    """Print everything as one JSON object."""
    fields = status()
    seen: dict[str, object] = {
        "arguments": arguments(),
        "environment": {text(name): text(value) for name, value in sorted(os.environb.items())},
        "stdin": hashlib.sha256(sys.stdin.buffer.read()).hexdigest(),
        **descriptors(),
        **signals(fields),
        **place(),
        **{right: fields.get(right) for right in RIGHTS},
    }
    sys.stdout.write(f"{json.dumps(seen)}\n")


main()
