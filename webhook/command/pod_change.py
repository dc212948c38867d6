"""What a patch changes in a pod, container by container: a container that has moved is compared with itself."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LISTS: Final = ("initContainers", "containers")

CONTEXT_LINES: Final = 2


class ContainerChange(msgspec.Struct, frozen=True):
    """A container that a patch adds, moves or changes.

    Args:
        container: Its name.
        before: Its place in the spec, like ``containers[1]``; null: it is added.
        after: Its place afterwards.
        how: ``native``: it becomes a native sidecar; ``wrapped``: its command is wrapped; ``added``; ``changed``: anything else.

    """

    container: str
    before: str | None
    after: str
    how: str

    def __str__(self) -> str:
        """The line that says it."""
        place = self.after if self.before in {None, self.after} else f"{self.before} -> {self.after}"
        return f"{self.container}: {place}, {self.how}"


class _Placed(msgspec.Struct, frozen=True):
    place: str
    container: dict[str, Any]

    @property
    def list_name(self) -> str:
        return self.place.partition("[")[0]


@dataclass(frozen=True, slots=True)
class PodChange:
    """A pod before and after a patch that applies. Container names occur once, since no other pod is changed.

    Args:
        before: The pod as it is created.
        after: The pod as it is patched.
        script: The wrapper's text; only its length is shown.

    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    script: str

    def containers(self) -> Iterator[ContainerChange]:
        """The containers that change, in their order afterwards. One whose index alone changes has not changed."""
        if self.before == self.after:
            return
        old = _placed(self.before)
        for name, new in _placed(self.after).items():
            earlier = old.get(name)
            if earlier is None or earlier.list_name != new.list_name or earlier.container != new.container:
                yield ContainerChange(name, earlier.place if earlier else None, new.place, self._how(earlier, new))

    def diff(self) -> Iterator[str]:
        """Unified diffs: of the pod without its containers, and of each container that changes."""
        if self.before == self.after:
            return
        yield from self._diff(_without_containers(self.before), _without_containers(self.after), "pod as created", "pod as patched")
        old, new = _placed(self.before), _placed(self.after)
        for change in self.containers():
            earlier = old[change.container].container if change.before else {}
            origin = f"{change.container} in {change.before}" if change.before else "(none)"
            yield from self._diff(earlier, new[change.container].container, origin, f"{change.container} in {change.after}")

    def _how(self, earlier: _Placed | None, new: _Placed) -> str:
        if earlier is None:
            return "added"
        is_native = new.list_name == "initContainers" and new.container.get("restartPolicy") == "Always"
        if is_native and (earlier.list_name != new.list_name or earlier.container.get("restartPolicy") != "Always"):
            return "native"
        return "wrapped" if self.script in (new.container.get("command") or ()) else "changed"

    def _diff(self, before: Mapping[str, Any], after: Mapping[str, Any], origin: str, target: str) -> Iterator[str]:
        lines = difflib.unified_diff(self._as_yaml(before), self._as_yaml(after), origin, target, n=CONTEXT_LINES)
        return (line.rstrip("\n") for line in lines)

    def _as_yaml(self, value: Mapping[str, Any]) -> list[str]:
        if not value:
            return []
        text = yaml.safe_dump(_shown(value, self.script), sort_keys=False, width=140, allow_unicode=True)
        return text.splitlines(keepends=True)


def _placed(pod: Mapping[str, Any]) -> dict[str, _Placed]:
    return {
        container["name"]: _Placed(f"{name}[{position}]", container)
        for name in LISTS
        for position, container in enumerate(pod["spec"].get(name) or ())
    }


def _without_containers(pod: Mapping[str, Any]) -> dict[str, Any]:
    return {**pod, "spec": {key: value for key, value in pod["spec"].items() if key not in LISTS}}


def _shown(value: Any, script: str, key: str = "") -> Any:
    """A copy to show: of the wrapper only its length, and no values of env and args, which hold secrets."""
    if key == "args" and isinstance(value, list):
        return [f"<{len(value)} words>"]
    if isinstance(value, dict):
        shown = {name: _shown(item, script, name) for name, item in value.items()}
        return shown | {"value": "<hidden>"} if key == "env" and "value" in value else shown
    if isinstance(value, list):
        return [_shown(item, script, key) for item in value]
    return f"<the wrapper, {len(script)} characters>" if value == script else value
