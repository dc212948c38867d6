"""An admin's client of a Kubernetes API server: JSON objects in and out, untyped, so that no unknown field is dropped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    JSONObject = dict[str, Any]

REQUEST_SECONDS = 40
"""Longer than the 30 s that the API allows a webhook at most."""


class ApiError(Exception):
    """An error response of the API server, with its Status."""

    def __init__(self, response: httpx.Response) -> None:
        """Keep the status code and the Status object."""
        response.read()
        self.code = response.status_code
        self.status: JSONObject = response.json() if "json" in response.headers.get("content-type", "") else {"message": response.text}
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.code} {self.status.get('message')}")


class ApiClient:
    """A connection to one API server."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        """Connect at the first request. ``server``: like ``https://127.0.0.1:6443``."""
        self.server = server
        self._client = httpx.Client(base_url=server, verify=tls, timeout=REQUEST_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(self, method: str, path: str, body: object = None, **parameters: str) -> httpx.Response:
        """One request; the raw response, whatever its status. httpx.TransportError: there was no response."""
        content = None if body is None else json.dumps(body)
        return self._client.request(method, path, content=content, params=parameters, headers={"Content-Type": "application/json"})

    def create(self, resource: JSONObject, **parameters: str) -> JSONObject:
        """Create an object; the API server's version of it. ApiError: it was refused."""
        return self._body(self.request("POST", collection(resource), resource, **parameters))

    def get(self, path: str) -> JSONObject:
        """The object or list at a path. ApiError; its code is 404 where there is none."""
        return self._body(self.request("GET", path))

    def replace(self, resource: JSONObject) -> JSONObject:
        """Replace the object of the same name (PUT). ApiError."""
        return self._body(self.request("PUT", path_of(resource), resource))

    def patch(self, path: str, merge: JSONObject) -> JSONObject:
        """Merge into the object at a path (RFC 7386). ApiError."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._body(self._client.patch(path, content=json.dumps(merge), headers=headers))

    def apply(self, resource: JSONObject) -> JSONObject:
        """Create or change an object by server-side apply, with force. ApiError."""
        headers = {"Content-Type": "application/apply-patch+yaml"}
        parameters = {"fieldManager": "testbed", "force": "true"}
        return self._body(self._client.patch(path_of(resource), content=json.dumps(resource), params=parameters, headers=headers))

    def delete(self, path: str, **parameters: str) -> None:
        """Request an object's deletion; an object that does not exist is no error. ApiError."""
        response = self.request("DELETE", path, **parameters)
        if response.status_code != httpx.codes.NOT_FOUND:
            self._body(response)

    def watch(self, path: str, **parameters: str) -> Iterator[JSONObject]:
        """The watch events of a collection, starting with its present objects, until the caller stops reading. ApiError."""
        parameters = {"watch": "true", **parameters}
        with self._client.stream("GET", path, params=parameters, timeout=httpx.Timeout(REQUEST_SECONDS, read=None)) as response:
            if response.is_error:
                raise ApiError(response)
            for line in response.iter_lines():
                yield json.loads(line)

    def _body(self, response: httpx.Response) -> JSONObject:
        if response.is_error:
            raise ApiError(response)
        body: JSONObject = response.json()
        return body


def collection(resource: JSONObject) -> str:
    """The path to create an object at; an object without a namespace is cluster-scoped."""
    version, kind = resource["apiVersion"], resource["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = resource["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def path_of(resource: JSONObject) -> str:
    """The path of an object that has a name."""
    return f"{collection(resource)}/{resource['metadata']['name']}"
