"""Errors of the certificate manager. Each message is one line that a log can show.

* CertificatesError
  + ApiUnreachableError: no response, or only a part of it.
  + ApiUnreadableError: the response is not what this API returns.
  + ApiRefusedError: the API server answered with an error.
    - ConflictError: somebody else changed the object first; read it again.
  + ImmutableSecretError: the Secret is immutable; no write is attempted.
"""

from __future__ import annotations


class CertificatesError(Exception):
    """A reconcile failed; what is served stays."""


class ApiUnreachableError(CertificatesError):
    """There was no response, or only a part of it. The request may have been carried out."""


class ApiUnreadableError(CertificatesError):
    """The response is not what this API returns."""


class ApiRefusedError(CertificatesError):
    """The API server answered with an error. For a missing right, its message names user, verb and resource."""


class ConflictError(ApiRefusedError):
    """The object was changed, created or deleted since it was read."""


class ImmutableSecretError(CertificatesError):
    """The Secret is immutable, so no keyring can be written to it. Only somebody who deletes it can change that."""
