"""`$(VAR)` in `command` and `args`, as the kubelet expands it before a container starts.

A port of third_party/forked/golang/expansion/expand.go in kubernetes/kubernetes. Kubelets from
before it decoded runes garble a non-ASCII character that follows a lone `$`; this port keeps it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace the variable references in one argument.

    `$(NAME)` becomes the value, once: a value that holds a reference is not expanded again. A name
    runs to the first `)`. `$$` becomes `$`. A name that `env` lacks, a lone `$` and an unclosed
    `$(` stay as they are. Never fails.
    """
    return _REFERENCE.sub(lambda found: _value(found, env), text)


def container_argv(container: Mapping[str, Any], env: Mapping[str, str]) -> list[str]:
    """Give the argument vector that the kubelet hands to the runtime: `command`, then `args`.

    Each element is expanded by itself, so it can neither split nor merge. `env` is the container's
    finished environment. Where `command` is absent the runtime puts the image's ENTRYPOINT in
    front, and where both are absent also its CMD (kubernetes/api core/v1 Container); a pod
    contains neither.
    """
    given = [*(container.get("command") or []), *(container.get("args") or [])]
    return [expand(argument, env) for argument in given]


def _value(found: re.Match[str], env: Mapping[str, str]) -> str:
    name = found["name"]
    if name is None:
        return "$"
    return env.get(name, found[0])
