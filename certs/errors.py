"""What goes wrong between a keeper of certificates and an API server. The text is one line for a log.

* CertificatesError
  + UnreachableError: nobody answered, or not to the end.
  + UnreadableError: the answer is not what this API gives.
  + RefusedError: the API server answered with an error.
    - ConflictError: somebody else was first; look again.
"""

from __future__ import annotations


class CertificatesError(Exception):
    """Nothing was done, as far as is known."""


class UnreachableError(CertificatesError):
    """Nobody answered, or not to the end: what was asked for may have been done all the same."""


class UnreadableError(CertificatesError):
    """The answer is not what this API gives."""


class RefusedError(CertificatesError):
    """The API server answered with an error; its own words name user, verb and resource where a right is missing."""


class ConflictError(RefusedError):
    """The object was changed, made or deleted in between."""
