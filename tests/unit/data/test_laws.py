"""The laws of the catalogue: what holds for every row, so that nothing dangerous happens by default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.each import each
from tests.support.pods import FIXTURES, pods_in
from tests.unit.data.test_examples import MATCHED, SIDECARS, identified
from webhook.core.condition import any_holds
from webhook.core.pod import read_pod

if TYPE_CHECKING:
    from webhook.core.condition import Condition
    from webhook.core.sidecar import Sidecar

QUIT_ORDERS: Final = {10, 20, 30, 40, 50, 80, 90, 99}
"""Secrets, databases, telemetry, identity, the rest, network, mesh, what outlives the task: docs/sidecars.md, Add a sidecar."""

MESH_QUIT_ORDER: Final = 90
PROTECTED_QUIT_ORDER: Final = 99

TRUE: Final = {"true", "True", "TRUE", "t", "T", "1"}
"""Go's words for true (strconv.ParseBool)."""

each_row: Final = each("row", SIDECARS, name=lambda row: row.id)
each_match: Final = each("row", MATCHED, name=lambda row: row.id)


def test_no_two_rows_have_one_id() -> None:
    """Over all files; the parser sees one file."""
    ids = [row.id for row in SIDECARS]
    assert len(set(ids)) == len(ids)


@each_row
def test_every_row_names_its_sources(row: Sidecar) -> None:
    """And says what they are for."""
    assert row.sources
    assert all(len(source) > len("owner/repo:path") for source in row.sources)


@each_match
def test_no_row_is_identified_by_a_name_alone(row: Sidecar) -> None:
    """A row without a name is identified by its image or its program, never by something that belongs to the whole pod."""
    assert row.match is not None
    assert row.match.markers
    if not row.match.names:
        assert all(marker.image or marker.argument for marker in row.match.markers)


@each_match
def test_a_container_of_any_name_is_identified_by_what_belongs_to_it_alone(row: Sidecar) -> None:
    """Else the task's own container would be a sidecar."""
    assert row.match is not None
    assert all(condition.mount or condition.env or condition.flag or condition.image for condition in row.match.any_name_with)


@each_match
def test_only_a_row_that_no_injector_names_has_no_names(row: Sidecar) -> None:
    """Injectors name their containers; people who write a sidecar themselves give it any name."""
    assert row.match is not None
    by_injector = row.injected_by or row.hint or (row.native and (row.native.hint or row.native.by_injector))
    assert row.match.names or not by_injector


@each_match
def test_an_image_glob_that_begins_with_a_star_needs_a_name_beside_it(row: Sidecar) -> None:
    """Alone it would match images that nobody has thought of; and neither a name nor a marker matches everything."""
    assert row.match is not None
    assert row.match.names or not any((marker.image or "").startswith("*") for marker in row.match.markers)
    assert not any(text.strip("*?") == "" for text in (*row.match.names, *(marker.image or "x" for marker in row.match.markers)))


@each_row
def test_nothing_is_done_for_a_product_without_a_container(row: Sidecar) -> None:
    assert row.match or not (row.ready or row.alive or row.quit or row.hint or row.native or row.must_outlive_task or row.ends_by_itself)


@each_row
def test_the_container_itself_says_that_it_runs_once(row: Sidecar) -> None:
    """An annotation or a label is the whole pod's, and an image has no one-time form only."""
    assert all(one.flag or one.argument or one.property or one.env for one in row.one_time)


@each_row
def test_what_must_outlive_the_task_is_neither_ended_nor_converted(row: Sidecar) -> None:
    """Something reads from it after the task, as Airflow reads the result from the XCom sidecar."""
    if row.must_outlive_task:
        assert not any((row.quit, row.ready, row.alive, row.hint, row.native, row.ends_by_itself))
        assert row.quit_order == PROTECTED_QUIT_ORDER


def test_the_result_of_a_task_outlives_it() -> None:
    """Airflow reads it from the XCom sidecar."""
    assert next(row for row in SIDECARS if row.id == "airflow-xcom").must_outlive_task


@each_match
def test_the_quit_order_is_one_of_the_documented_steps(row: Sidecar) -> None:
    """The last calls of an agent go through the mesh proxy, so a mesh proxy, which starts first, quits last."""
    assert row.quit_order in QUIT_ORDERS
    assert row.must_outlive_task or row.quit_order < PROTECTED_QUIT_ORDER
    if row.native and row.native.convert and row.native.convert.starts_first:
        assert row.quit_order == MESH_QUIT_ORDER


@each_row
def test_what_is_not_verified_leads_to_no_request(row: Sidecar) -> None:
    """A source that calls a quit or a readiness unverified says why the row has none."""
    unverified = " ".join(source for source in row.sources if source.startswith("unverified"))
    assert not (row.quit and "quit" in unverified)
    assert not (row.ready and "readiness" in unverified)


@each_row
def test_a_condition_that_takes_two_of_gos_words_for_true_takes_all(row: Sidecar) -> None:
    """Go's programs and injectors read all of them (strconv.ParseBool)."""
    for conditions in (row.quit.enabled_by if row.quit else (), row.hint.when if row.hint else ()):
        for subject in {subject_of(one) for one in conditions if one.value == "True"}:
            assert {one.value for one in conditions if subject_of(one) == subject} == TRUE
        assert all(one.one_of == TRUE for one in conditions if "True" in one.one_of)


@each_row
def test_a_row_with_an_injector_says_by_what_it_is_known_that_it_has_injected(row: Sidecar) -> None:
    """A name and an image are a user's: he may customise by them what will be injected."""
    has_injector = row.injected_by or row.hint or (row.native and (row.native.hint or row.native.by_injector))
    assert bool(row.left_by_injector) or not has_injector, f"{row.id} needs left_by_injector: a placeholder must not be moved"
    for entry in row.left_by_injector:
        assert entry
        assert not all(condition.image for condition in entry)


@each("row", [row for row in SIDECARS if row.injection_off and row.not_injected_when], name=lambda row: row.id)
def test_the_line_that_switches_an_injection_off_is_one_of_the_conditions_by_which_that_is_known(row: Sidecar) -> None:
    off = row.injection_off
    assert off is not None
    place, key = ("labels", off.label) if off.label else ("annotations", off.annotation)
    pod = read_pod({"metadata": {place: {key: off.value}}, "spec": {"containers": [{"name": "base"}]}})

    assert any_holds(row.not_injected_when, pod, None)


@each_row
def test_one_place_alone_says_which_pods_an_injector_handles(row: Sidecar) -> None:
    """The hint, where the row has one."""
    assert not row.injected_when or not (row.hint or (row.native and row.native.hint))


@each_row
def test_words_that_are_read_in_any_case_are_written_in_small_letters(row: Sidecar) -> None:
    hints = [hint for hint in (row.hint, row.native and row.native.hint) if hint]
    lists = [(hint.any_case, hint.yes_words) for hint in hints]
    of_hints = [one for hint in hints for one in (*hint.when, *hint.unless)]
    lists += [(one.any_case, one.one_of | one.none_of) for one in (*of_hints, *row.injected_when, *row.not_injected_when)]

    assert [words for any_case, words in lists if any_case and words != {word.lower().strip() for word in words}] == []


def subject_of(condition: Condition) -> tuple[str | None, str | None]:
    """The key that the condition reads."""
    return condition.annotation, condition.env


def test_airflows_own_pods_hold_exactly_these_sidecars() -> None:
    """In several shapes each (two Airflows, one admission review). No row identifies helper, of an image of its own."""
    pods = [(Path(path).stem, pod) for path, pod in pods_in("") if is_pod(path)]
    found = {
        (stem, container["name"], row)
        for stem, pod in pods
        for container in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ()))
        for row in identified(pod, container["name"])
    }
    assert len(pods) > 90  # an empty folder would pass
    assert found == {
        ("ke_kerberos_sidecar_template", "worker-kerberos", "airflow-kerberos"),
        ("ke_multi_container_template", "git-sync", "git-sync"),
        ("ke_multi_container_template", "git-sync-init", "git-sync"),
        ("ke_multi_container_template", "vector", "vector"),
        ("kpo_task_decorator", "airflow-xcom-sidecar", "airflow-xcom"),
        ("kpo_template_multi", "cloud-sql-proxy", "cloud-sql-proxy"),
        ("kpo_xcom", "airflow-xcom-sidecar", "airflow-xcom"),
        ("kpo_xcom_neither", "airflow-xcom-sidecar", "airflow-xcom"),
    }


def is_pod(path: str) -> bool:
    """Whether the file holds a pod or its review, and not a workload."""
    document = json.loads((FIXTURES / path).read_text("utf-8"))
    return document["kind"] in {"Pod", "AdmissionReview"}
