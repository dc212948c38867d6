"""The peers: other ways to write the same webhook."""

from __future__ import annotations
