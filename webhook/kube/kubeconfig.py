"""The kubeconfig: the API server that it names, and the credentials for it. Error messages hold nothing secret."""

from __future__ import annotations

import logging
import logging.handlers
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml
from kubernetes.config import ConfigException, kube_config, list_kube_config_contexts, load_kube_config

from webhook.kube.errors import MAX_MESSAGE_CHARACTERS, KubeconfigError
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kubernetes.client import Configuration

MAX_LOG_RECORDS: Final = 100


class Context(msgspec.Struct, frozen=True):
    """A context of a kubeconfig.

    Args:
        name: Its name.
        namespace: Its namespace; ``default`` where it sets none.
        server: The API server's URL, without a user name or password.

    """

    name: str
    namespace: str
    server: str


def use_kubeconfig(configuration: Configuration, context: str | None = None) -> Context:
    """Fill a client's configuration from a context of the kubeconfig (None: the current one). KubeconfigError."""
    try:
        contexts, current = list_kube_config_contexts()  # type: ignore[no-untyped-call]
        with _captured_log() as records:
            # persist_config=False: a refreshed token is not written back to the file.
            load_kube_config(client_configuration=configuration, context=context, persist_config=False)  # type: ignore[no-untyped-call]
        _check(records)
        chosen = _chosen(contexts, current, context)
        return Context(chosen["name"], chosen["context"].get("namespace") or "default", _shown(configuration.host))
    except Exception as error:
        # The parts come from an admin, a cloud's login program and the client's parsers, which raise errors of any type.
        message = f"the kubeconfig cannot be used: {kube_config.KUBE_CONFIG_DEFAULT_LOCATION}: {_in_a_line(error)}"
        raise KubeconfigError(message) from error


@contextmanager
def _captured_log() -> Iterator[list[logging.LogRecord]]:
    """The client's log records, withheld from every other handler: when a login program fails, the client logs its output, secrets too."""
    root = logging.getLogger()
    others = root.handlers[:]
    handler = logging.handlers.BufferingHandler(capacity=MAX_LOG_RECORDS)
    for other in others:
        other.addFilter(_is_from_elsewhere)
    root.addHandler(handler)
    try:
        yield handler.buffer
    finally:
        root.removeHandler(handler)
        for other in others:
            other.removeFilter(_is_from_elsewhere)


def _is_from_elsewhere(record: logging.LogRecord) -> bool:
    return "kubernetes" not in PurePath(record.pathname).parts


def _check(records: Iterable[logging.LogRecord]) -> None:
    if any(record.levelno >= logging.ERROR and not _is_from_elsewhere(record) for record in records):
        message = "its login program returned no credentials; run any kubectl command to see why"
        raise ConfigException(message)


def _chosen(contexts: list[dict[str, Any]], current: dict[str, Any], name: str | None) -> dict[str, Any]:
    return next(one for one in contexts if one["name"] == name) if name else current


def _shown(url: str) -> str:
    """The URL without the user name and password that it may hold."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _in_a_line(error: Exception) -> str:
    """The problem in one line. Of a YAML error it is the position alone: the text of a line may hold a token."""
    paths = kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(kube_config.ENV_KUBECONFIG_PATH_SEPARATOR)
    if not any(Path(path).expanduser().exists() for path in paths if path):
        return "there is no such file; the environment variable KUBECONFIG names another one"
    if isinstance(error, yaml.YAMLError | ConfigException | OSError):
        return yaml_problem(error)[:MAX_MESSAGE_CHARACTERS]
    return f"it is not in the form of a kubeconfig ({type(error).__name__})"
