"""The texts of remedies: whatever names a pod has, they are printable, on one line, and hold nothing secret."""

from __future__ import annotations

import ast
import re
from string import Formatter
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.support.pods import ABLE_CLUSTER, container
from tests.unit.core.test_remedy import CLOUD_SQL, EVERY_POD, POLICY, REASONS, UPLOADER, in_mesh, operator_pod
from webhook.core import UNKNOWN_CLUSTER, ContainerReason, LinePlace, PodNames, treat
from webhook.core.remedy_line import MAX_LINE_CHARACTERS
from webhook.core.review import MAX_WARNING_CHARACTERS

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import ExplainedWord


@pytest.mark.parametrize("reason", REASONS)
def test_remedy_and_line_name_nothing_but_the_names_of_a_pod(reason: ExplainedWord) -> None:
    value = reason.line.value if reason.line else ""
    texts = [reason.remedy, value if isinstance(value, str) else ""]
    places = {field for text in texts for _, field, _, _ in Formatter().parse(text) if field is not None}

    assert places <= PodNames.__annotations__.keys()
    assert "{" not in reason.sentence


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_with_a_line_says_what_to_do(reason: ExplainedWord) -> None:
    assert reason.remedy or not reason.line


HOSTILE: Final = ["a\nb", "\x1b[31mred", "it's", 'say "hi"', "back\\slash", "{braces}", "x" * 63, "ünï", "'; drop: 1", "a: b\n- c"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_pod_changes_the_form_of_a_remedy(name: str) -> None:
    pod = operator_pod({"name": name, "image": name * 1000}, {**CLOUD_SQL, "name": f"{name[:60]}sql"[:63]}, UPLOADER)
    base = container(pod, "base")
    del base["command"]
    base |= {"image": f"example.com/{name * 1000}"}
    for cluster in (UNKNOWN_CLUSTER, ABLE_CLUSTER):
        outcome = treat(pod, POLICY, cluster)
        assert outcome.remedies
        for remedy in outcome.remedies:
            for text in (remedy.sentence, remedy.text, remedy.where, remedy.line, remedy.subject):
                assert re.fullmatch(r"[ -~]*", text)
            assert len(remedy.line) <= MAX_LINE_CHARACTERS
            assert all(len(warning) <= MAX_WARNING_CHARACTERS for warning in remedy.warnings)
            if remedy.place is LinePlace.ANNOTATIONS:
                assert len(yaml.safe_load(remedy.line)) == 1


def test_no_remedy_has_args_or_a_value_of_env() -> None:
    secret = {"args": ["--password", "s3cr3t"], "env": [{"name": "TOKEN", "value": "s3cr3t"}]}
    pod = in_mesh(operator_pod(UPLOADER | secret, CLOUD_SQL | secret))
    container(pod, "base").update(secret)

    assert "s3cr3t" not in str([treat(pod, POLICY, cluster).remedies for cluster in (UNKNOWN_CLUSTER, ABLE_CLUSTER)])


@pytest.mark.parametrize("pod", EVERY_POD[:60])
def test_a_line_of_annotations_or_labels_is_the_same_in_yaml_and_in_python(pod: JSONObject) -> None:
    for remedy in treat(pod, POLICY, ABLE_CLUSTER).remedies:
        if remedy.place in {LinePlace.ANNOTATIONS, LinePlace.LABELS}:
            assert ast.literal_eval(f"{{{remedy.line}}}") == yaml.safe_load(remedy.line)


@pytest.mark.parametrize(("more", "has_line"), [(0, True), (1, False)])
def test_a_line_that_is_longer_than_people_paste_is_not_shown(more: int, has_line: bool) -> None:
    def line(characters: int) -> str:
        tolerations = [{"key": "spot", "value": "x" * characters}, {"key": "virtual-kubelet.io/provider", "operator": "Exists"}]
        (remedy,) = treat(in_mesh(operator_pod(), tolerations=tolerations), POLICY, ABLE_CLUSTER).remedies
        return remedy.line

    assert (line(MAX_LINE_CHARACTERS - len(line(0)) + more) != "") == has_line


def test_the_warning_to_whoever_creates_the_pod_has_the_line() -> None:
    pod = operator_pod(UPLOADER)

    assert treat(pod, POLICY, ABLE_CLUSTER).warnings == (
        f"airflow-sidecar-webhook: uploader (not-in-catalogue): {ContainerReason.UNKNOWN.sentence}",
        f"airflow-sidecar-webhook: {ContainerReason.UNKNOWN.remedy}",
        (
            "airflow-sidecar-webhook: add to annotations of the operator (KubernetesPodOperator): "
            '"airflow-sidecar-webhook/sidecars": \'[{"name": "uploader", "native": true}]\''
        ),
    )
