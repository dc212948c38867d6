"""Lifecycle hooks of a sidecar that becomes native: which are removed, which stay, which forbid the conversion.

The kubelet starts the next init container once postStart has ended, so a hook that waits for a later container waits for ever. It runs
preStop after the regular containers have ended, and restarts a sidecar that ends before its TERM (KEP-753), so a hook that sends a quit
request must be removed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from webhook.core.version import image_version, read_version

if TYPE_CHECKING:
    from webhook.core.catalogue import FoundSidecar
    from webhook.core.pod import Container
    from webhook.core.sidecar import Convert

QUIT_WORD: Final = "quitquitquit"
"""A hook that contains this word ends the process."""

_QUIT_PROGRAM: Final = re.compile(r"(?<![\w.-])(?:kill|pkill|killall)(?![\w./-])")
"""So does one that runs one of these programs, by its name or by its path."""

QUIT_PATHS: Final = ("/shutdown", "/graceful_shutdown", "/agent/v1/quit")
"""Ends of the paths of quit requests: of Linkerd and Dapr, Consul, Vault."""

_REQUESTED: Final = re.compile(
    r"(?::(?:\d++|\$\{?\w+\}?)|\w://[^\s/'\"]++|\b(?:localhost|127\.0\.0\.1|(?:GET|POST|PUT)\s++))(/[^\s'\"?#]*)"
)
"""The path of an HTTP request in a command: it follows a port, a host or a method. Any other path is a file's."""

MAX_CHARACTERS_READ: Final = 2048
"""The part of a preStop hook's command, and of its path, that is searched for a quit request, in a pod with as many containers as usual.
A longer word is none of those by which a hook is identified."""

MAX_HOOK_WORDS: Final = 64
"""Words of a hook's command that are read: a hook has a program and a few arguments."""


def is_post_start_known(hooks: dict[str, Any], dropped: tuple[tuple[str, ...], ...]) -> bool:
    """Whether there is no postStart hook, or one that is removed from a native sidecar."""
    hook = hooks.get("postStart")
    return not hook or is_one_of(words_of(hook), dropped)


def edited_lifecycle_hooks(container: Container, rule: Convert, sidecar: FoundSidecar) -> dict[str, Any] | None:
    """The lifecycle hooks of the native sidecar; None: unchanged."""
    before = container.lifecycle_hooks
    after = {name: hook for name, hook in before.items() if name != "postStart" or not hook}
    stop = after.get("preStop")
    most = int(MAX_CHARACTERS_READ * container.read_part)
    if stop and (is_one_of(words_of(stop), rule.drops_lifecycle_hooks) or _is_quit(stop, most)):
        del after["preStop"]
    command = _pre_stop(container, rule, sidecar)
    if command and not after.get("preStop"):
        after["preStop"] = {"exec": {"command": command}}
    return None if after == before else after


def _pre_stop(container: Container, rule: Convert, sidecar: FoundSidecar) -> list[str]:
    """The preStop command to add; empty for a proxy without a status port and for one too old to have the command."""
    if not rule.pre_stop or sidecar.alive is None:
        return []
    port = sidecar.alive.port
    if rule.pre_stop_ports and port not in rule.pre_stop_ports:
        return []
    since, found = read_version(rule.pre_stop_since or ""), image_version(container.image or "")
    if since is not None and found is not None and found < since:
        return []
    return [word.replace("{port}", str(port)) for word in rule.pre_stop]


def words_of(hook: Any) -> list[str]:
    """The first words of the command of a hook or of a probe; empty: it runs none."""
    command = (hook.get("exec") or {}).get("command") if isinstance(hook, dict) and isinstance(hook.get("exec"), dict) else None
    return [word for word in command[:MAX_HOOK_WORDS] if isinstance(word, str)] if isinstance(command, list) else []


def is_one_of(command: list[str], known: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a command has all words of one of these; a program may have its path."""
    words = [word for word in command if len(word) <= MAX_CHARACTERS_READ]
    found = {name for word in words for name in (word, word.rpartition("/")[2])}
    return any(found.issuperset(words) for words in known)


def _is_quit(hook: Any, most: int) -> bool:
    words = words_of(hook)
    request = hook.get("httpGet") if isinstance(hook, dict) else None
    path = request.get("path") if isinstance(request, dict) else None
    path = path[:MAX_CHARACTERS_READ] if isinstance(path, str) else ""
    text = " ".join([*(word[:most] for word in words), path])[:most]
    paths = [f"/{path.partition('?')[0]}", *_REQUESTED.findall(text)]
    is_request = any(one.rstrip("/").endswith(QUIT_PATHS) for one in paths)
    return is_request or QUIT_WORD in text or _QUIT_PROGRAM.search(text) is not None
