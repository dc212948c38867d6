"""The current kubeconfig's API server, asked as whoever runs this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kubernetes.client import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from webhook.kube.connection import CONNECT_SECONDS, Connection
from webhook.kube.errors import UnreachableError
from webhook.kube.kubeconfig import MAX_MESSAGE_CHARACTERS, use_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.kube.kubeconfig import Context

CREATE_SECONDS: Final = 65.0
"""For a creation: the API server gives up itself after 60 s, and each webhook may take up to 30."""


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
    used = use_kubeconfig(configuration, context)
    return Access(configuration), used
