"""Conditions on a pod and one of its containers, as the sidecar catalogue states them.

Exactly one key names the subject, such as an annotation. ``value`` is a glob (``*`` and ``?``) on its value; ``one_of`` and ``none_of``
list words that it must, or must not, be: what an injector reads as yes or no. Without any of them the condition holds where the subject
exists.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from webhook.core.cached_property import CachedProperty

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.core.pod import Container, Pod


MAX_IMAGE_CHARACTERS: Final = 512
"""A longer name is no valid image (a name has 255 characters, a tag 128, a digest 71), and must not fill the caches."""

MAX_IMAGE_SLASHES: Final = 24
"""A name with more parts is no image of a registry; a pattern is tried at each of them."""

MAX_VALUE_CHARACTERS: Final = 4096
"""A longer value is not matched, since matching a glob could take long."""

MAX_WORD_CHARACTERS: Final = 256
"""A longer text, blanks included, is none of the words for yes and no."""

NO: Final = frozenset({"0", "f", "F", "false", "False", "FALSE"})
"""Go's words for false (strconv.ParseBool), which its flags take behind ``=`` only."""


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """A glob as a compiled expression that matches whole strings, case and all."""
    return re.compile(translate(pattern))


@lru_cache(maxsize=1024)
def _image_glob(pattern: str) -> re.Pattern[str]:
    """A glob that matches a whole repository, or its end after a ``/``. One that starts with ``*`` matches what stands before, too."""
    return re.compile(translate(pattern) if pattern.startswith("*") else f"(?s:(?:.*/)?){translate(pattern)}")


@lru_cache(maxsize=1024)
def repository(image: str) -> str:
    """The image's whole name without tag and digest, with what a container runtime adds to a short one.

    ``python:3.12`` gives ``docker.io/library/python``, ``apache/airflow@sha256:…`` gives ``docker.io/apache/airflow``
    (https://github.com/distribution/reference, normalize.go).
    """
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    name = head + slash + tail.partition(":")[0]
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


def image_matches(image: str, pattern: str) -> bool:
    """Whether the pattern matches the image's repository or its end after a ``/``: ``apache/airflow`` also matches a mirror's copy."""
    return len(image) <= MAX_IMAGE_CHARACTERS and _image_matches(image, pattern)


@lru_cache(maxsize=4096)
def _image_matches(image: str, pattern: str) -> bool:
    return image.count("/") <= MAX_IMAGE_SLASHES and _image_glob(pattern).match(repository(image)) is not None


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One condition on a pod or container; see the module's docstring.

    Args:
        annotation: A key in ``metadata.annotations``.
        label: A key in ``metadata.labels``.
        volume: The name of a volume of the pod.
        init_container: The name of an init container of the pod.
        container: The container's own name.
        env: The name of an environment variable of the container. One with ``valueFrom`` matches only without ``value``.
        flag: A flag in the container's command or args, or in a script there, as ``--flag``, ``--flag=value`` or ``--flag value``. Without
            ``value``, one that is switched off, as ``--flag=false``, does not count.
        argument: A whole element of the container's command or args.
        property: The key, in small letters, of a ``key=value`` in the container's command or args, or in a script there: in any case, and
            also behind ``-p`` and ``--prop=``, as Fluent Bit takes it.
        image: A glob on the container's image without tag, or on the end of it after any ``/``.
        probe: A probe of the container with an HTTP request to a port that it gives by number, which is the value.
        mount: The name of a volume that the container mounts.
        user: The number of the user that the container itself sets (``securityContext.runAsUser``).
        one_of: The words that the value may be.
        none_of: The words that the value must not be; a subject that does not exist is none of them, and does not hold.
        any_case: Whether those words, in small letters here, are read in any case and with blanks around them.

    """

    annotation: str | None = None
    label: str | None = None
    volume: str | None = None
    init_container: str | None = None
    container: str | None = None
    env: str | None = None
    flag: str | None = None
    argument: str | None = None
    property: str | None = None
    image: str | None = None
    probe: Literal["readiness"] | None = None
    mount: str | None = None
    user: str | None = None
    value: str | None = None
    one_of: frozenset[str] = frozenset()
    none_of: frozenset[str] = frozenset()
    any_case: bool = False

    def __post_init__(self) -> None:
        """Refuse a condition with no subject or with two, and one that checks its value in two ways."""
        if sum(getattr(self, subject) is not None for subject in SUBJECTS) != 1:
            message = f"a condition names exactly one of {', '.join(SUBJECTS)}"
            raise ValueError(message)
        if (self.value is not None) + bool(self.one_of) + bool(self.none_of) > 1:
            message = "a condition has at most one of value, one_of, none_of"
            raise ValueError(message)

    def holds(self, pod: Pod, container: Container | None) -> bool:
        """Whether it holds for this pod and container; without a container (None) no condition on a container holds."""
        found = self._read(pod, container)
        if found is None:
            return False
        if self.value is not None:
            return len(found) <= MAX_VALUE_CHARACTERS and glob(self.value).match(found) is not None
        if self.one_of or self.none_of:
            return is_word(found, self.one_of or self.none_of, any_case=self.any_case) == bool(self.one_of)
        return self.flag is None or not self._is_switched_off(container)

    def _is_switched_off(self, container: Container | None) -> bool:
        return container is not None and any(f"{self.flag}={word}" in container.distinct_words for word in NO)

    @CachedProperty
    def _read(self) -> Callable[[Pod, Container | None], str | None]:
        """The function that reads the subject: its value, or None where it does not exist."""
        subject = next(subject for subject in SUBJECTS if getattr(self, subject) is not None)
        return partial(SUBJECTS[subject], getattr(self, subject))


def is_word(text: str, words: frozenset[str], *, any_case: bool) -> bool:
    """Whether a text is one of these words."""
    return (text[:MAX_WORD_CHARACTERS].strip().lower() if any_case else text) in words


def any_holds(conditions: tuple[Condition, ...], pod: Pod, container: Container | None) -> bool:
    """Whether one of them holds for this pod and container."""
    for condition in conditions:  # noqa: SIM110  a generator would cost as much as the check
        if condition.holds(pod, container):
            return True
    return False


def all_hold(conditions: tuple[Condition, ...], pod: Pod, container: Container | None) -> bool:
    """Whether each of them holds for this pod and container."""
    for condition in conditions:  # noqa: SIM110  as in `any_holds`
        if not condition.holds(pod, container):
            return False
    return True


def _annotation(key: str, pod: Pod, _container: Container | None) -> str | None:
    return pod.annotations.get(key)


def _label(key: str, pod: Pod, _container: Container | None) -> str | None:
    return pod.labels.get(key)


def _volume(name: str, pod: Pod, _container: Container | None) -> str | None:
    return name if pod.spec.volumes and name in pod.spec.volume_names else None


def _init_container(name: str, pod: Pod, _container: Container | None) -> str | None:
    return name if pod.spec.initContainers and name in pod.spec.init_container_names else None


def _container(name: str, _pod: Pod, container: Container | None) -> str | None:
    return name if container is not None and container.name == name else None


def _env(name: str, _pod: Pod, container: Container | None) -> str | None:
    return None if container is None else container.environment.get(name)


def _flag(flag: str, _pod: Pod, container: Container | None) -> str | None:
    return None if container is None else container.flags.get(flag)


def _argument(argument: str, _pod: Pod, container: Container | None) -> str | None:
    return argument if container is not None and argument in container.argv else None


def _property(key: str, _pod: Pod, container: Container | None) -> str | None:
    return None if container is None else container.properties.get(key)


def _image(pattern: str, _pod: Pod, container: Container | None) -> str | None:
    image = None if container is None else container.image
    return image if image is not None and image_matches(image, pattern) else None


def _probe(_probe: str, _pod: Pod, container: Container | None) -> str | None:
    return None if container is None else container.readiness_port


def _mount(volume: str, _pod: Pod, container: Container | None) -> str | None:
    return volume if container is not None and volume in container.mounted_volumes else None


def _user(user: str, _pod: Pod, container: Container | None) -> str | None:
    return user if container is not None and str(container.security.get("runAsUser")) == user else None


SUBJECTS: Final = MappingProxyType(
    {
        "annotation": _annotation,
        "label": _label,
        "volume": _volume,
        "init_container": _init_container,
        "container": _container,
        "env": _env,
        "flag": _flag,
        "argument": _argument,
        "property": _property,
        "image": _image,
        "probe": _probe,
        "mount": _mount,
        "user": _user,
    }
)
"""The subjects of a condition, each with the function that reads it."""
