"""Every example of the catalogue is what the rules make of it, and every row, marker and exception has an example."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
import yaml

from docs.generate_sidecars import PAGE
from tests.support.each import each
from tests.support.examples import EXAMPLES, FOLDER, FOREIGN_IMAGE, MAIN, Example, Expected, examples_in
from tests.support.pods import ABLE_CLUSTER, admitted
from webhook.core import (
    PREFIX,
    UNKNOWN_CLUSTER,
    Catalogue,
    Cluster,
    NotConvertedReason,
    Policy,
    Sidecar,
    Status,
    built_in_sidecars,
    parse_sidecars,
    read_progress,
)
from webhook.core.pod import Container, Pod

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from webhook.core.condition import Condition

SIDECARS: Final = built_in_sidecars()
MATCHED: Final = [row for row in SIDECARS if row.match is not None]
WITH_EXAMPLE: Final = [row for row in MATCHED if any(example.row == row.id for example in EXAMPLES)]
WITH_HINT: Final = [row for row in SIDECARS if row.hint or (row.native and row.native.hint)]
WITH_SIDECAR: Final = [example for example in EXAMPLES if example.sidecar]
IDENTIFIED: Final = [example for example in WITH_SIDECAR if example.row]
ROWS: Final = {row.id: row for row in SIDECARS}
CLUSTERS: Final = {"without": UNKNOWN_CLUSTER, "with": ABLE_CLUSTER}


def has_names(example: Example) -> bool:
    """Whether its row identifies a container by its name as well."""
    match = ROWS[example.row or ""].match
    return match is not None and bool(match.names)


def read(pod: JSONObject) -> Pod:
    """The pod as the rules read it."""
    return msgspec.json.decode(msgspec.json.encode(pod), type=Pod)


def is_renamed(example: Example) -> bool:
    """Whether its row identifies the container by something else than its name."""
    row = ROWS[example.row or ""]
    pod = read(example.pod)
    container = next(one for one in pod.spec.containers if one.name == example.sidecar)
    return row.match is not None and any(one.holds(pod, container) for one in row.match.any_name_with)


NAMED: Final = [example for example in IDENTIFIED if has_names(example)]
UNNAMED: Final = [example for example in IDENTIFIED if not has_names(example)]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_webhook_makes_of_an_example_what_it_expects(example: Example, policy: Policy) -> None:
    """Endpoints, end, place and annotations, through the whole of a review and the API server's checks."""
    inits = [one["name"] for one in example.initContainers]
    native = [example.sidecar] if example.sidecar and example.expect.with_native == "native" else []
    expected = msgspec.to_builtins(example.expect) | {"init_containers": list(example.expect.init_containers or (*inits, *native))}

    assert found(example, policy) == expected


def test_the_example_of_the_page_is_what_the_webhook_makes_of_it(policy: Policy, tmp_path: Path) -> None:
    row, example = re.findall(r"^```yaml\n(- id: .*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    file = tmp_path / "db-tunnel.yaml"
    file.write_text(row + example.partition("…\n")[2])
    catalogue = Catalogue((*parse_sidecars(yaml.safe_load(row)), *SIDECARS))

    (typical,) = examples_in(file)
    assert found(typical, replace(policy, catalogue=catalogue)) == msgspec.to_builtins(typical.expect) | {"init_containers": []}


def found(example: Example, policy: Policy) -> dict[str, Any]:
    """What the webhook makes of an example, as an example expects it."""
    nothing: dict[str, Any] = msgspec.to_builtins(Expected())
    (status_without, without), (status_with, able) = (reviewed(example, policy, cluster) for cluster in CLUSTERS.values())
    return nothing | {
        **endpoints(example, policy),
        "without_native": status_without.sidecars.get(example.sidecar or ""),
        "with_native": status_with.sidecars.get(example.sidecar or ""),
        "is_unknown": {example.sidecar in status.may_keep_running for status in (status_without, status_with)} == {True},
        "not_converted": status_with.not_converted.get(example.sidecar or ""),
        "init_containers": [one["name"] for one in able["spec"].get("initContainers", ())],
        "annotations_without_native": added(example, without),
        "annotations_with_native": added(example, able),
    }


def reviewed(example: Example, policy: Policy, cluster: Cluster) -> tuple[Status, JSONObject]:
    """The status that the webhook wrote, and the pod that the API server would store."""
    outcome, after = admitted(example.pod, policy, cluster)
    assert outcome.status is not None
    return outcome.status, after


def added(example: Example, pod: JSONObject) -> dict[str, str]:
    """The annotations that the webhook added for others."""
    before = example.pod["metadata"]["annotations"]
    return {key: value for key, value in pod["metadata"]["annotations"].items() if key not in before and not key.startswith(f"{PREFIX}/")}


def endpoints(example: Example, policy: Policy) -> dict[str, str]:
    """The requests that the sidecar answers, as the rules locate them in the pod while it runs."""
    states = [{"name": one["name"], "state": {"running": {}}} for one in example.pod["spec"]["containers"]]
    live = example.pod | {"status": {"containerStatuses": states}}
    progress = read_progress(live, policy.catalogue)
    assert progress is not None
    located = {
        name: endpoint
        for running in progress.running
        for name in ("ready", "alive", "quit")
        if running.sidecar and running.name == example.sidecar and (endpoint := getattr(running.sidecar, name))
    }
    return {name: f"{one.method} :{one.port}{one.path}" for name, one in located.items()}


def identified(pod: JSONObject, name: str | None) -> list[str]:
    """The ids of all rows that identify this container."""
    facts = read(pod)
    container = next(one for one in (*facts.spec.containers, *facts.init_containers) if one.name == name)
    return [row.id for row in MATCHED if identifies(row, facts, container)]


def identifies(row: Sidecar, pod: Pod, container: Container) -> bool:
    """Whether this row alone identifies the container."""
    match = row.match.narrowed(container.name, container.image or "") if row.match else None
    return match is not None and match.fits(pod, container)


def renamed(example: Example, name: str) -> JSONObject:
    """The pod with another name of the sidecar's container."""
    pod = example.pod
    for container in pod["spec"]["containers"]:
        container["name"] = name if container["name"] == example.sidecar else container["name"]
    return pod


@each("example", WITH_SIDECAR)
def test_one_row_at_most_identifies_a_container_so_their_order_does_not_matter(example: Example) -> None:
    """And none identifies the task's own."""
    assert identified(example.pod, example.sidecar) == ([example.row] if example.row else [])
    assert identified(example.pod, "base") == []


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
@each("example", EXAMPLES)
def test_a_second_review_of_an_example_changes_nothing(example: Example, cluster: Cluster, policy: Policy) -> None:
    assert admitted(reviewed(example, policy, cluster)[1], policy, cluster)[0].operations == ()


@each("example", IDENTIFIED)
def test_a_name_alone_identifies_nothing(example: Example) -> None:
    """Whoever writes a container called vault-agent gets no request from our rules."""
    bare = Example(None, "name alone", containers=({"name": example.sidecar, "image": FOREIGN_IMAGE},))

    assert identified(bare.pod, example.sidecar) == []


@each("example", [example for example in NAMED if not is_renamed(example)])
def test_a_marker_beside_another_name_identifies_nothing(example: Example) -> None:
    """Annotations and labels belong to the whole pod: they must not turn its other containers into sidecars."""
    assert example.row not in identified(renamed(example, "some-helper"), "some-helper")


@each("example", UNNAMED)
def test_a_row_without_names_identifies_a_container_of_any_name(example: Example) -> None:
    """By its image or its program."""
    assert identified(renamed(example, "some-helper"), "some-helper") == [example.row]


@each("row", MATCHED, name=lambda row: row.id)
def test_every_row_has_a_typical_example(row: Sidecar) -> None:
    missing = (
        f"{row.id} has no example. Behind the '---' of its file in {FOLDER.name}/ add one with `row: {row.id}`, `name: {MAIN}`, `about`, "
        "`containers` and `expect`, then run python -m tests.golden; see docs/sidecars.md, Add a sidecar"
    )
    assert any(example.row == row.id and example.name == MAIN and example.about and example.sidecar for example in EXAMPLES), missing


@each("row", [row for row in WITH_HINT if row.match is None or row in WITH_EXAMPLE], name=lambda row: row.id)
def test_every_row_with_a_hint_has_an_example_before_the_injection(row: Sidecar) -> None:
    missing = f"{row.id} has no example with `about` and without `containers`: a pod that the injector has yet to see, and the annotations it gets"
    assert any(
        one.row == row.id and not one.sidecar and one.about and one.expect.annotations_with_native | one.expect.annotations_without_native
        for one in EXAMPLES
    ), missing


@each("row", WITH_EXAMPLE, name=lambda row: row.id)
def test_every_marker_has_an_example_in_which_it_is_the_only_one(row: Sidecar) -> None:
    """So that none can be wrong without a test failing."""
    assert row.match is not None
    alone = [true[0] for example in IDENTIFIED if example.row == row.id and len(true := true_markers(row, example)) == 1]
    missing = [written(marker) for marker in row.match.markers if marker not in alone]

    assert not missing, f"add an example of {row.id} with this marker and no other"


def true_markers(row: Sidecar, example: Example) -> list[object]:
    """The row's markers that are true of the example."""
    assert row.match is not None
    pod, container = pod_and_sidecar(example)
    return [marker for marker in row.match.markers if marker.holds(pod, container)]


def written(condition: Condition) -> dict[str, str]:
    """The condition as a row writes it."""
    return {key: value for key, value in msgspec.structs.asdict(condition).items() if value is not None}


def pod_and_sidecar(example: Example) -> tuple[Pod, Container]:
    """The example's pod, and the container beside the task's."""
    pod = read(example.pod)
    return pod, next(one for one in pod.spec.containers if one.name == example.sidecar)


@each("row", [row for row in WITH_EXAMPLE if row.match and row.match.unless], name=lambda row: row.id)
def test_every_exception_has_an_example_that_the_row_would_identify_without_it(row: Sidecar) -> None:
    assert row.match is not None
    for exception in row.match.unless:
        others = tuple(one for one in row.match.unless if one is not exception)
        tolerant = msgspec.structs.replace(row, match=msgspec.structs.replace(row.match, unless=others))
        examples = [one for one in WITH_SIDECAR if one.row != row.id and identifies(tolerant, *pod_and_sidecar(one))]

        assert examples, f"add an example with {written(exception)} and `row: null`, or the row that identifies it instead of {row.id}"


@each("row", [row for row in WITH_EXAMPLE if row.one_time], name=lambda row: row.id)
def test_every_condition_of_a_one_time_form_has_an_example_that_is_left_to_end(row: Sidecar) -> None:
    """Neither waited for, nor sent a request, nor native."""
    left = {"without_native": "ends-by-itself", "with_native": "ends-by-itself", "not_converted": "one-time"}
    examples = [
        one for one in IDENTIFIED if one.row == row.id and msgspec.to_builtins(one.expect) == msgspec.to_builtins(Expected()) | left
    ]
    alone = [
        true[0] for one in examples if len(true := [condition for condition in row.one_time if condition.holds(*pod_and_sidecar(one))]) == 1
    ]
    missing = [written(condition) for condition in row.one_time if condition not in alone]

    assert not missing, f"add an example of {row.id} with this condition of its one-time form and no other"


@each("row", WITH_EXAMPLE, name=lambda row: row.id)
def test_every_condition_against_a_conversion_has_an_example_that_stays_regular(row: Sidecar) -> None:
    convert = row.native.convert if row.native else None
    opted_out = [
        pod_and_sidecar(one) for one in IDENTIFIED if one.row == row.id and one.expect.not_converted is NotConvertedReason.OPTED_OUT
    ]
    missing = [written(one) for one in (convert.unless if convert else ()) if not any(one.holds(*example) for example in opted_out)]

    assert not missing, f"add an example of {row.id} with this condition and `not_converted: opted-out`"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_in_the_file_of_its_row_under_a_name_of_its_own(path: Path) -> None:
    """The file of a product begins with the product's row."""
    text = path.read_text("utf-8")
    examples = examples_in(path)
    names = [str(example) for example in examples]

    assert text.startswith(f"- id: {path.stem}\n")
    assert all(f"- id: {example.row}\n" in text for example in examples if example.row)
    assert sorted(set(names)) == sorted(names)
