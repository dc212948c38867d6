"""The files that contestants are started with, in one directory that goes when the run is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.certificates import CertificateFiles, write_certificates
from benchmarks.review import review_body

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Material:
    """Paths in that directory; the answer and the treatment exist once the webhook has answered."""

    directory: Path
    certificates: CertificateFiles

    @property
    def review(self) -> Path:
        """The review that everyone is sent."""
        return self.directory / "review.json"

    @property
    def answer(self) -> Path:
        """The webhook's answer to it."""
        return self.directory / "answer.json"

    @property
    def treatment(self) -> Path:
        """The change that this answer makes to the pod."""
        return self.directory / "treatment.json"

    def output(self, name: str) -> Path:
        """Return where a contestant's standard output and error go."""
        return self.directory / f"{name}.log"


def prepare(directory: Path) -> Material:
    """Write the certificates and the review."""
    material = Material(directory, write_certificates(directory))
    material.review.write_bytes(review_body())
    return material
