"""The comparison: all contestants up at once, each shown to do its work, then measured in turns."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import contestants, rounds
from benchmarks.server import running
from benchmarks.treatment import (
    ObservedTreatment,
    check_treatment,
    send_review,
    treated_pod,
    treatment_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.material import Material
    from benchmarks.server import Contestant, RunningServer
    from tests.support.json_object import JSONObject


@dataclass(frozen=True)
class OptionalContestants:
    """Where the contestants are that not every machine has, or None: the Go peer's binary, and a checkout of an earlier commit."""

    go_peer: Path | None
    earlier: Path | None


def compare(plan: rounds.Plan, material: Material, optional: OptionalContestants, progress: Callable[[str], None]) -> rounds.Results:
    """Measure the webhook and its peers by the plan, once the treatment is written down.

    Raises:
        AnswerError: A contestant's answer is not what a fair comparison needs.
        LoadError: A contestant failed under load.
        ServerError: A contestant did not come up.

    """
    with ExitStack() as stack:

        def start(contestant: Contestant) -> RunningServer:
            return stack.enter_context(running(contestant, material.output(contestant.name)))

        started = [start(it) for it in contestants_of(material, optional)]
        for server in started:
            check(server, material)
        progress("comparing the webhook with its peers")
        return rounds.run(plan, started, material.review, progress)


def contestants_of(material: Material, optional: OptionalContestants) -> Iterator[Contestant]:
    """Yield the webhook and those whom it is compared with."""
    yield contestants.webhook(material)
    if optional.earlier is not None:
        yield contestants.earlier(material, optional.earlier)
    yield contestants.constant(material)
    if optional.go_peer is not None:
        yield contestants.controller_runtime(material, optional.go_peer)
    yield contestants.naive(material)


def agree(webhook: RunningServer, material: Material) -> ObservedTreatment:
    """Send the webhook one review, and write its answer and its change of the pod to the files that the peers read."""
    answer, before, after = answered(webhook, material)
    material.answer.write_bytes(answer)
    treatment = treatment_of(before, after)
    treatment.write(material.treatment)
    return treatment


def check(server: RunningServer, material: Material) -> None:
    """Send a contestant one review and check its answer. The patch of an earlier commit may differ from today's.

    Raises:
        AnswerError: The answer has no patch that applies, or the pod did not get the treatment.

    """
    _, before, after = answered(server, material)
    if server.name != contestants.EARLIER:
        check_treatment(server.name, before, after, ObservedTreatment.read(material.treatment))


def answered(server: RunningServer, material: Material) -> tuple[bytes, JSONObject, JSONObject]:
    """The answer to one review, and the pod before and after its patch. AnswerError: it has none that applies."""
    body = material.review.read_bytes()
    answer = send_review(server, body, material.certificates.authority)
    review = json.loads(body)
    return answer, review["request"]["object"], treated_pod(server.name, review, answer)
