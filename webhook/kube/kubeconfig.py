"""The kubeconfig: which API server it names, and with whose credentials. What goes wrong is told without anything secret."""

from __future__ import annotations

import logging
import logging.handlers
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml
from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config

from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kubernetes.client import Configuration

MAX_MESSAGE_CHARACTERS: Final = 300
MAX_COMPLAINTS: Final = 100


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used. One line, with nothing secret in it."""


class Context(msgspec.Struct, frozen=True):
    """Who asks whom.

    Args:
        name: Of the context in the kubeconfig.
        namespace: Its namespace.
        server: The API server's URL.

    """

    name: str
    namespace: str
    server: str


def use_kubeconfig(configuration: Configuration, context: str | None = None) -> Context:
    """Fill a client's configuration from a context of the kubeconfig, by default the current one. KubeconfigError."""
    try:
        contexts, current = list_kube_config_contexts()  # type: ignore[no-untyped-call]
        with _complaints() as complaints:
            # Nothing is written back: a refreshed token stays here.
            load_kube_config(client_configuration=configuration, context=context, persist_config=False)  # type: ignore[no-untyped-call]
        _check(complaints)
        chosen = _chosen(contexts, current, context)
        return Context(chosen["name"], chosen["context"].get("namespace") or "default", _shown(configuration.host))
    except Exception as error:
        # Its parts come from an admin, a cloud's login program and the client's parsers, which raise what they like.
        message = f"the kubeconfig cannot be used: {_in_a_line(error)}"
        raise KubeconfigError(message) from error


@contextmanager
def _complaints() -> Iterator[list[logging.LogRecord]]:
    """What the client logs meanwhile, kept from every log: where a login program fails it repeats what that said, secrets and all."""
    root = logging.getLogger()
    others = root.handlers[:]
    handler = logging.handlers.BufferingHandler(capacity=MAX_COMPLAINTS)
    for other in others:
        other.addFilter(_is_not_the_clients)
    root.addHandler(handler)
    try:
        yield handler.buffer
    finally:
        root.removeHandler(handler)
        for other in others:
            other.removeFilter(_is_not_the_clients)


def _is_not_the_clients(record: logging.LogRecord) -> bool:
    return "kubernetes" not in PurePath(record.pathname).parts


def _check(complaints: Iterable[logging.LogRecord]) -> None:
    if any(record.levelno >= logging.ERROR and not _is_not_the_clients(record) for record in complaints):
        message = "its login program gave no credentials; any command of kubectl's tells more"
        raise ConfigException(message)


def _chosen(contexts: list[dict[str, Any]], current: dict[str, Any], name: str | None) -> dict[str, Any]:
    return next(one for one in contexts if one["name"] == name) if name else current


def _shown(url: str) -> str:
    """Without a user's name and password, which a URL may hold."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _in_a_line(error: Exception) -> str:
    """A YAML error shows the line it is about, which may hold a token: only the place is told."""
    if isinstance(error, yaml.YAMLError | ConfigException | OSError):
        return yaml_problem(error)[:MAX_MESSAGE_CHARACTERS]
    return f"it is not in the form of a kubeconfig ({type(error).__name__})"
