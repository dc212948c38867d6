"""An admin's client of an API server: JSON objects in and out, nothing typed in between, so that no field is lost on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    JSONObject = dict[str, Any]

REQUEST_SECONDS = 40
"""Longer than the 30 s that a webhook may take at most."""


class ApiError(Exception):
    """The API server refused: its Status says why."""

    def __init__(self, response: httpx.Response) -> None:
        """Keep the status code and the Status object."""
        response.read()
        self.code = response.status_code
        self.status: JSONObject = response.json() if "json" in response.headers.get("content-type", "") else {"message": response.text}
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.code} {self.status.get('message')}")


class Api:
    """A connection to one API server."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        """Connect when first asked. ``server``: like ``https://127.0.0.1:6443``."""
        self.server = server
        self._client = httpx.Client(base_url=server, verify=tls, timeout=REQUEST_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(self, method: str, path: str, body: object = None, **parameters: str) -> httpx.Response:
        """One request as it is, for whoever looks at the status or the headers. httpx.TransportError: nobody answered."""
        content = None if body is None else json.dumps(body)
        return self._client.request(method, path, content=content, params=parameters, headers={"Content-Type": "application/json"})

    def create(self, resource: JSONObject, **parameters: str) -> JSONObject:
        """Create an object. ApiError: it was refused."""
        return self._answer(self.request("POST", collection(resource), resource, **parameters))

    def get(self, path: str) -> JSONObject:
        """What is at a path. ApiError, with code 404 where there is nothing."""
        return self._answer(self.request("GET", path))

    def replace(self, resource: JSONObject) -> JSONObject:
        """Put an object in the place of the one of its name. ApiError."""
        return self._answer(self.request("PUT", path_of(resource), resource))

    def patch(self, path: str, merge: JSONObject) -> JSONObject:
        """Merge into what is at a path (RFC 7386). ApiError."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._answer(self._client.patch(path, content=json.dumps(merge), headers=headers))

    def apply(self, resource: JSONObject) -> JSONObject:
        """Create an object, or make the one of its name like it (server-side apply). ApiError."""
        headers = {"Content-Type": "application/apply-patch+yaml"}
        parameters = {"fieldManager": "cluster", "force": "true"}
        return self._answer(self._client.patch(path_of(resource), content=json.dumps(resource), params=parameters, headers=headers))

    def delete(self, path: str, **parameters: str) -> None:
        """Ask for an object's deletion; one that is gone already is fine. ApiError."""
        response = self.request("DELETE", path, **parameters)
        if response.status_code != httpx.codes.NOT_FOUND:
            self._answer(response)

    def watch(self, path: str, **parameters: str) -> Iterator[JSONObject]:
        """The events of a collection, from its present state on, for as long as somebody listens. ApiError."""
        asked = {"watch": "true", **parameters}
        with self._client.stream("GET", path, params=asked, timeout=httpx.Timeout(REQUEST_SECONDS, read=None)) as response:
            if response.is_error:
                raise ApiError(response)
            for line in response.iter_lines():
                yield json.loads(line)

    def _answer(self, response: httpx.Response) -> JSONObject:
        if response.is_error:
            raise ApiError(response)
        answer: JSONObject = response.json()
        return answer


def collection(resource: JSONObject) -> str:
    """The path that an object is created at; an object without a namespace is the cluster's."""
    version, kind = resource["apiVersion"], resource["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = resource["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def path_of(resource: JSONObject) -> str:
    """The path of an object that has a name."""
    return f"{collection(resource)}/{resource['metadata']['name']}"
