"""One case: a pod that a real situation made, and what the commands must say about it.

``NAME.yaml`` is the pod, with a comment that says what it is and where it was seen. ``NAME.expected.yaml`` beside it lists command lines of
``explain``, and what each must say. A case without it, or without some command line, is not right yet: whoever makes it right adds that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import yaml

FOLDER: Final = Path(__file__).parent
EXPECTED: Final = ".expected"


class ExpectedExplanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one command line of ``explain`` must say. What is left out is not checked, unless its description says otherwise.

    Args:
        result: What happened: a treatment, or ``skipped``.
        reason: Why.
        arguments: The options of the command line; none: a cluster of which nothing is known.
        settings: The webhook's settings, by their names.
        main: The container that the status names as the task's.
        sidecars: How each container beside the task ends, of all that the status lists.
        may_keep_running: The containers that nobody knows. Left out: none, where ``sidecars`` says something.
        not_converted: Why a known sidecar stays a regular container, of all that the status lists. Left out: the status lists none.
        moved: The containers that become init containers, in their order there. Left out: none does.
        init_containers: All init containers afterwards, in their order.
        annotations: Annotations of the pod afterwards; null: it does not have this one.
        startup_probes: The startup probe that a container has afterwards, as ``GET :3501/path``.
        says: Texts that occur in what people read: sentence, remedy, status or a warning.

    """

    result: str
    reason: str
    arguments: tuple[str, ...] = ()
    settings: dict[str, str] = {}
    main: str | None = None
    sidecars: dict[str, str] | None = None
    may_keep_running: tuple[str, ...] = ()
    not_converted: dict[str, str] = {}
    moved: tuple[str, ...] = ()
    init_containers: tuple[str, ...] | None = None
    annotations: dict[str, str | None] = {}
    startup_probes: dict[str, str] = {}
    says: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True):
    """A pod in its file, and one command line about it."""

    path: Path
    expected: ExpectedExplanation

    def __str__(self) -> str:
        """As the test's name shows it."""
        return " ".join((self.path.stem, *self.expected.arguments, *(f"{key}={text}" for key, text in self.expected.settings.items())))


def _expected(path: Path) -> tuple[ExpectedExplanation, ...]:
    file = path.with_suffix(f"{EXPECTED}.yaml")
    return msgspec.convert(yaml.safe_load(file.read_text("utf-8")), tuple[ExpectedExplanation, ...]) if file.exists() else ()


PODS: Final = tuple(path for path in sorted(FOLDER.glob("*.yaml")) if not path.stem.endswith(EXPECTED))
"""The files of all cases."""

CASES: Final = tuple(Case(path, expected) for path in PODS for expected in _expected(path))
