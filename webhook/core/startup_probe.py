"""A startup probe of a sidecar's own: whether it may need something that starts behind the sidecar, once that is native.

A probe that asks the sidecar itself needs nothing else: a request, a connection or a command of its own program. Any other command may
wait for the task.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from webhook.core.lifecycle import MAX_CHARACTERS_READ, is_one_of, words_of
from webhook.core.shell import word_after

if TYPE_CHECKING:
    from webhook.core.catalogue import FoundSidecar
    from webhook.core.pod import Container
    from webhook.core.sidecar import Convert

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_URL: Final = re.compile(r"(?:http(?:s)?://)?(?:localhost|127\.0\.0\.1|\[::1\]):(\d{1,5})(/[^?#]*)?(?:[?#].*)?")
"""The address of an HTTP server on the loopback, with its port and its path."""

_OPTION: Final = re.compile(r"-[\w./=-]*|\d+|/dev/null")
"""A flag of wget, curl or nc that names no host, or its value."""

_PLAIN_SCRIPT: Final = re.compile(r"[\w\s./:=@-]+")
"""A script of one command, in which the shell has nothing to replace."""

_EXIT: Final = "|| exit 1"


def is_startup_known(probe: Any, rule: Convert, sidecar: FoundSidecar, container: Container) -> bool:
    """Whether a container has no startup probe of its own, or one that needs nothing that starts later.

    A request is one to the container itself, unless its program sends it on.
    """
    if not isinstance(probe, dict) or not probe or rule.requires_startup_probe:
        return True
    request = probe.get("httpGet")
    if isinstance(request, dict):
        return _is_answered(str(request.get("path") or "/").partition("?")[0], rule, container)
    if not probe.get("exec"):
        return True
    words = words_of(probe)
    command = _of_shell(words)
    return is_one_of(words, rule.startup_commands) or is_one_of(command, rule.startup_commands) or _asks(command, rule, sidecar, container)


def _is_answered(path: str, rule: Convert, container: Container) -> bool:
    return not rule.startup_paths or path in rule.startup_paths or path in [one.path(container) for one in rule.startup_paths_from]


def _of_shell(words: list[str]) -> list[str]:
    """The command that a shell runs (``sh -c "…"``), if its script has one command only; else these words."""
    if len(words) != 3 or word_after(words[0]) != () or words[1] not in {"-c", "-ec"}:  # noqa: PLR2004
        return words
    script = words[2][:MAX_CHARACTERS_READ].strip().removesuffix(_EXIT)
    return script.split() if _PLAIN_SCRIPT.fullmatch(script) and "\n" not in script else words


def _asks(command: list[str], rule: Convert, sidecar: FoundSidecar, container: Container) -> bool:
    """Whether a command connects to a port of the container's own on the loopback, and to nothing else."""
    program = command[0][-MAX_CHARACTERS_READ:].rpartition("/")[2] if command else ""
    others = [word for word in command[1:] if len(word) > MAX_CHARACTERS_READ or not _OPTION.fullmatch(word)]
    if program in {"wget", "curl"} and len(others) == 1:
        url = _URL.fullmatch(others[0][:MAX_CHARACTERS_READ])
        return url is not None and _is_own(url[1], sidecar, container) and _is_answered(url[2] or "/", rule, container)
    if program in {"nc", "netcat"} and len(others) == 1:
        return others[0] in _LOOPBACK and command[-2] == others[0] and _is_own(command[-1], sidecar, container)
    return False


def _is_own(port: str, sidecar: FoundSidecar, container: Container) -> bool:
    """Whether the container says that this port is its own: on the loopback, any container of the pod may have it."""
    endpoints = [one.port for one in (sidecar.ready, sidecar.alive, sidecar.quit) if one is not None]
    return port in map(str, [*endpoints, *(one.containerPort for one in container.open_ports)])
