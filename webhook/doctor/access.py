"""The current kubeconfig's API server, asked as whoever runs this."""

from __future__ import annotations

import logging
import logging.handlers
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml
from kubernetes.client import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config
from urllib3.exceptions import HTTPError

from webhook.cluster.connection import CONNECT_SECONDS, MAX_MESSAGE_CHARACTERS, Connection
from webhook.cluster.errors import UnreachableError
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CREATE_SECONDS: Final = 65.0
"""For a creation: the API server gives up itself after 60 s, and each webhook may take up to 30."""

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


class Access(Connection):
    """A connection that also tries creations."""

    def create(self, path: str, body: object, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer to a POST, whatever they are. UnreachableError: nobody answered in time."""
        request = self._client.param_serialize(
            "POST",
            path,
            query_params=list(parameters.items()),
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*request, _request_timeout=(CONNECT_SECONDS, CREATE_SECONDS))
            return int(response.status), bytes(response.response.data)
        except (HTTPError, ApiException, ConfigException, OSError) as error:
            raise UnreachableError(" ".join(str(error).split())[:MAX_MESSAGE_CHARACTERS]) from error


def connect(context: str | None) -> tuple[Access, Context]:
    """As a context of the kubeconfig says, by default the current one. KubeconfigError."""
    configuration = Configuration()
    try:
        contexts, current = list_kube_config_contexts()  # type: ignore[no-untyped-call]
        with _complaints() as complaints:
            # Nothing is written back: a refreshed token stays here.
            load_kube_config(client_configuration=configuration, context=context, persist_config=False)  # type: ignore[no-untyped-call]
        _check(complaints)
        chosen = _chosen(contexts, current, context)
        return Access(configuration), Context(chosen["name"], chosen["context"].get("namespace") or "default", _shown(configuration.host))
    except Exception as error:
        # Its parts come from an admin, a cloud's login program and the client's parsers, which raise what they like.
        message = f"the kubeconfig cannot be used: {_in_a_line(error)}"
        raise KubeconfigError(message) from error


@contextmanager
def _complaints() -> Iterator[list[logging.LogRecord]]:
    """What the client logs meanwhile. It does not raise where a login program fails, and repeats what that said, secrets and all."""
    handler = logging.handlers.BufferingHandler(capacity=MAX_COMPLAINTS)
    logging.getLogger().addHandler(handler)
    try:
        yield handler.buffer
    finally:
        logging.getLogger().removeHandler(handler)


def _check(complaints: Iterable[logging.LogRecord]) -> None:
    if any(record.levelno >= logging.ERROR for record in complaints):
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
