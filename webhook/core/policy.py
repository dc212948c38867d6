"""What the decision is made by, beside the pod: the settings, the catalogue and the entrypoint table, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from webhook.core.pod_options import Mode, WhenNotReady
from webhook.core.short_name import ShortNamePolicy

if TYPE_CHECKING:
    from webhook.core.catalogue import Catalogue
    from webhook.core.entrypoint import EntrypointTable


class Enforcement(StrEnum):
    """What is done with the decision about a pod."""

    ENFORCE = "enforce"
    """The pod is changed."""

    AUDIT = "audit"
    """The pod is not changed. Its status annotation and its treatment label say what would have been done."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One for the life of the process.

    Args:
        catalogue: The known sidecars.
        entrypoints: What images run.
        script: The wrapper, as `webhook.core.wrapper.wrapper_script` makes it.
        enforcement: Whether pods are changed. No pod can override it.
        mode: For pods that say nothing.
        wait_seconds: How long a wrapped task waits for its sidecars.
        when_not_ready: What it does after that.
        guesses_entrypoint: Whether an image of Airflow's whose entrypoint is not known runs the first candidate that exists in it.
        helper_image: The image that holds a static busybox at ``/busybox``; empty: pods whose image may have no shell are left alone.
        injectors: Ids of catalogue rows whose injector works on every pod of the opted-in namespaces, without a mark on the pod.
        short_name: How pods are named.

    """

    catalogue: Catalogue = field(repr=False)
    entrypoints: EntrypointTable = field(repr=False)
    script: str = field(repr=False)
    enforcement: Enforcement = Enforcement.ENFORCE
    mode: Mode = Mode.AUTO
    wait_seconds: int = 120
    when_not_ready: WhenNotReady = WhenNotReady.FAIL
    guesses_entrypoint: bool = False
    helper_image: str = ""
    injectors: frozenset[str] = frozenset()
    short_name: ShortNamePolicy = field(default_factory=ShortNamePolicy)
