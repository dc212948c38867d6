"""Conditions on a pod and one of its containers, as they stand in the sidecar catalogue.

Exactly one of the keys names what is looked at; ``value`` narrows it by a glob (``*`` and ``?``). Without ``value`` it is enough
that the thing is there.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from webhook.core.pod import Container, Pod


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """A glob as a compiled expression that matches whole strings, case and all."""
    return re.compile(translate(pattern))


def repository(image: str) -> str:
    """The image's name without tag and digest: ``registry:5000/apache/airflow:3.0@sha256:…`` gives ``registry:5000/apache/airflow``."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]


@lru_cache(maxsize=4096)
def image_matches(image: str, pattern: str) -> bool:
    """Whether the image's repository, or its end after any ``/``, matches: ``apache/airflow`` also matches a mirror's copy."""
    parts = repository(image).split("/")
    expression = glob(pattern)
    return any(expression.match("/".join(parts[start:])) for start in range(len(parts)))


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that can be seen of a pod or container; see the module's docstring.

    Args:
        annotation: A key in ``metadata.annotations``.
        label: A key in ``metadata.labels``.
        volume: The name of a volume of the pod.
        init_container: The name of an init container of the pod.
        env: The name of an environment variable of the container. One that has no literal value matches only without ``value``.
        flag: A flag in the container's command or args, as ``--flag``, ``--flag=value`` or ``--flag value``.
        argument: A whole element of the container's command or args.
        image: A glob on the container's image without tag, or on the end of it after any ``/``.

    """

    annotation: str | None = None
    label: str | None = None
    volume: str | None = None
    init_container: str | None = None
    env: str | None = None
    flag: str | None = None
    argument: str | None = None
    image: str | None = None
    value: str | None = None

    def __post_init__(self) -> None:
        """Refuse a condition that looks at nothing or at two things."""
        named = [key for key in self.__struct_fields__ if key != "value" and getattr(self, key) is not None]
        if len(named) != 1:
            message = "a condition names exactly one of annotation, label, volume, init_container, env, flag, argument, image"
            raise ValueError(message)

    def holds(self, pod: Pod, container: Container | None) -> bool:
        """Whether it is so in this pod and container; a condition on a container does not hold for None."""
        if self._holds_for_pod(pod):
            return True
        return container is not None and self._holds_for_container(container)

    def _holds_for_pod(self, pod: Pod) -> bool:
        if self.annotation is not None:
            return self._fits(pod.annotations.get(self.annotation))
        if self.label is not None:
            return self._fits(pod.labels.get(self.label))
        if self.volume is not None:
            return any(volume.name == self.volume for volume in pod.spec.volumes or ())
        if self.init_container is not None:
            return any(container.name == self.init_container for container in pod.init_containers)
        return False

    def _holds_for_container(self, container: Container) -> bool:
        if self.env is not None:
            return any(variable.name == self.env and self._fits(variable.value or "") for variable in container.env or ())
        if self.flag is not None:
            return self._fits(flag_value(container.argv, self.flag))
        if self.argument is not None:
            return self.argument in container.argv
        return self.image is not None and image_matches(container.image or "", self.image)

    def _fits(self, found: str | None) -> bool:
        return found is not None and (self.value is None or glob(self.value).match(found) is not None)


def flag_value(argv: list[str], flag: str) -> str | None:
    """The value of ``--flag=value`` or ``--flag value``, "" for a bare ``--flag``, None where it is absent."""
    for position, argument in enumerate(argv):
        if argument == flag:
            following = argv[position + 1] if position + 1 < len(argv) else ""
            return "" if following.startswith("-") else following
        if argument.startswith(f"{flag}="):
            return argument[len(flag) + 1 :]
    return None
