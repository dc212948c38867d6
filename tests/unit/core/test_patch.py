"""Operations and their proof."""

from __future__ import annotations

import copy
import sys
from typing import Any, Final

import jsonpatch
import jsonpointer
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import UnsoundPatchError
from webhook.core.patch import (
    MAX_ANNOTATION_BYTES,
    Operation,
    add,
    add_entries,
    add_items,
    annotations_are_full,
    move,
    pointer,
    prove,
    remove,
)
from webhook.core.pod import Pod

KEYS = st.text(max_size=10)


def pod(**changes: Any) -> Pod:
    """A small pod."""
    base = {"name": "base", "volumeMounts": [{"name": "a", "mountPath": "/a"}], "volumeDevices": [{"devicePath": "/dev/a"}]}
    inits = [{"name": "prepare"}]
    spec = {"containers": [base, {"name": "istio-proxy"}], "initContainers": inits, **changes.pop("spec", {})}
    return msgspec.json.decode(msgspec.json.encode({"metadata": {"labels": {"a": "b"}, **changes}, "spec": spec}), type=Pod)


@given(st.dictionaries(KEYS, KEYS, min_size=1), st.none() | st.dictionaries(KEYS, KEYS))
def test_entries_are_set_in_a_map_that_may_be_absent_or_null_whatever_is_in_the_keys(
    wanted: dict[str, str], present: dict[str, str] | None
) -> None:
    before = {"labels": present}
    after = jsonpatch.apply_patch(before, list(add_entries(wanted, present, "labels")))

    assert after == {"labels": (present or {}) | wanted}


def test_entries_that_are_so_already_need_no_operation() -> None:
    assert list(add_entries({"a": "b"}, {"a": "b", "c": "d"}, "labels")) == []


@pytest.mark.parametrize("present", [None, [], [{"name": "a"}]])
def test_items_are_appended_to_a_list_that_may_be_absent_null_or_empty(present: list[Any] | None) -> None:
    after = jsonpatch.apply_patch({"volumes": present}, list(add_items([{"name": "b"}], present, "volumes")))

    assert after == {"volumes": [*(present or ()), {"name": "b"}]}


def test_tildes_and_slashes_in_a_key_are_escaped() -> None:
    assert pointer("metadata", "annotations", "a/b~c", 0) == "/metadata/annotations/a~1b~0c/0"


NOT_APPLIED: Final = "the patch does not apply: JsonPointerException"
INVALID: Final = "the patch makes the pod invalid: "

UNSOUND: Final[dict[str, tuple[tuple[Operation, ...], str]]] = {
    "a missing parent": ((add("x", "metadata", "annotations", "a"),), NOT_APPLIED),
    "something that is not there": ((remove("spec", "containers", 0, "command"),), "the patch does not apply: JsonPatchPathNotFound"),
    "an index beyond the end": ((add("x", "spec", "containers", 7, "command"),), NOT_APPLIED),
    "a mount behind others where there are none": (
        (add({"name": "v", "mountPath": "/v"}, "spec", "containers", 1, "volumeMounts", "-"),), NOT_APPLIED),
    "no container left": (
        (remove("spec", "containers", 0), remove("spec", "containers", 0)), f"{INVALID}spec.containers: at least one is required"),
    "a container twice": ((add({"name": "base"}, "spec", "containers", "-"),), f"{INVALID}two containers have the same name"),
    "an init container called like a regular one": (
        (add([{"name": "base"}], "spec", "initContainers"),), f"{INVALID}two containers have the same name"),
    "a volume twice": ((add([{"name": "v"}, {"name": "v"}], "spec", "volumes"),), f"{INVALID}two volumes have the same name"),
    "a label over 63 characters": ((add("a" * 64, "metadata", "labels", "a"),), f"{INVALID}label a has an invalid key or value"),
    "a label whose key is none": ((add("a", "metadata", "labels", "a key"),), f"{INVALID}label a key has an invalid key or value"),
    "an annotation whose key is none": ((add({"a/b/c": ""}, "metadata", "annotations"),), f"{INVALID}annotation a/b/c has an invalid key"),
    "a mount at the path of another": (
        (add({"name": "v", "mountPath": "/a"}, "spec", "containers", 0, "volumeMounts", "-"),), f"{INVALID}container base has a mountPath twice"),
    "a mount at the path of a block device": (
        (add({"name": "v", "mountPath": "/dev/a"}, "spec", "containers", 0, "volumeMounts", "-"),), f"{INVALID}container base has a mountPath twice"),
    "a variable whose name is none": (
        (move(("spec", "containers", 0), "spec", "initContainers", 0), add([{"name": "1=2"}], "spec", "initContainers", 0, "env")),
        f"{INVALID}container base has a variable with an invalid name",
    ),
    "a variable whose name is not ASCII": (
        (move(("spec", "containers", 0), "spec", "initContainers", 0), add([{"name": "\u00e4"}], "spec", "initContainers", 0, "env")),
        f"{INVALID}container base has a variable with an invalid name",
    ),
    "a probe on a plain init container": (
        (add([{"name": "i", "startupProbe": {}}], "spec", "initContainers"),), f"{INVALID}init container i has a field for native sidecars only"),
    "two faults": (
        (add("-", "metadata", "labels", "a"), add([{"name": "v"}, {"name": "v"}], "spec", "volumes")),
        f"{INVALID}label a has an invalid key or value; two volumes have the same name",
    ),
    "too many annotations": ((add({"a": "x" * MAX_ANNOTATION_BYTES}, "metadata", "annotations"),), "the annotations are over 256 KiB"),
    "too many annotations in bytes": (
        (add({"a": "é" * (MAX_ANNOTATION_BYTES // 2)}, "metadata", "annotations"),), "the annotations are over 256 KiB"),
}  # fmt: skip


@pytest.mark.parametrize(("operations", "message"), UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_patch_never_leaves_and_the_error_says_why(operations: tuple[Operation, ...], message: str) -> None:
    with pytest.raises(UnsoundPatchError) as raised:
        prove(pod(), operations)

    assert str(raised.value) == message


SIDECAR: Final = {
    "name": "istio-proxy",
    "command": ["pilot-agent"],
    "args": ["proxy"],
    "env": [{"name": "A", "value": "b"}],
    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    "livenessProbe": {"httpGet": {"port": 1}},
    "readinessProbe": {"httpGet": {"port": 1}},
    "startupProbe": {"httpGet": {"port": 1}},
    "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
}
FULL_POD: Final[dict[str, Any]] = {
    "annotations": {"a/b": "c"},
    "spec": {
        "containers": [{"name": "base", "command": ["sh"], "args": ["-c"]}, SIDECAR],
        "initContainers": [{"name": "prepare"}, {"name": "native", "restartPolicy": "Always", "startupProbe": {}}],
        "volumes": [{"name": "v"}],
    },
}
MOVED: Final = (move(("spec", "containers", 1), "spec", "initContainers", 1), add("Always", "spec", "initContainers", 1, "restartPolicy"))
HERE: Final = ("spec", "initContainers", 1)

SOUND: Final[dict[str, tuple[Operation, ...]]] = {
    "a label beside others": (add("x", "metadata", "labels", "b"),),
    "an annotation beside others": (add("x", "metadata", "annotations", "b"),),
    "command and args": (remove("spec", "containers", 0, "command"), remove("spec", "containers", 0, "args")),
    "one more word of args": (add("x", "spec", "containers", 0, "args", "-"),),
    "a command of a sidecar": (remove("spec", "containers", 1, "command"), remove("spec", "containers", 1, "args")),
    "an init container before all": (add({"name": "helper"}, "spec", "initContainers", 0),),
    "a native init container with a probe": (add({"name": "i", "startupProbe": {}, "restartPolicy": "Always"}, "spec", "initContainers", "-"),),
    "a volume, and a mount of it": (
        add({"name": "w"}, "spec", "volumes", "-"), add({"name": "w", "mountPath": "/w"}, "spec", "containers", 1, "volumeMounts", "-")),
    "a second mount of a volume at a path of its own": (add({"name": "v", "mountPath": "/b"}, "spec", "containers", 1, "volumeMounts", "-"),),
    "the first mount of a container": (add([{"name": "v", "mountPath": "/v"}], "spec", "containers", 0, "volumeMounts"),),
    "a startup probe of a native sidecar": (add({}, "spec", "initContainers", 1, "startupProbe"),),
    "an init container at another place": (move(("spec", "initContainers", 1), "spec", "initContainers", 0),),
    "a moved sidecar": MOVED,
    "a moved sidecar with one more mount": (add({"name": "v", "mountPath": "/b"}, "spec", "containers", 1, "volumeMounts", "-"), *MOVED),
    "a moved sidecar with other hooks": (*MOVED, add({"preStop": {}}, *HERE, "lifecycle")),
    "a moved sidecar with no hooks": (*MOVED, remove(*HERE, "lifecycle")),
    "a moved sidecar with another startup probe": (*MOVED, add({}, *HERE, "startupProbe")),
    "a moved sidecar with one more variable": (*MOVED, add({"name": "B.c-d_1", "value": ""}, *HERE, "env", "-")),
    "a moved sidecar with a variable again": (*MOVED, add({"name": "A", "value": ""}, *HERE, "env", "-")),
    "a moved sidecar without a resize policy": (*MOVED, remove(*HERE, "resizePolicy")),
    "a sidecar that is removed": (remove("spec", "containers", 1),),
}  # fmt: skip


@pytest.mark.parametrize("operations", SOUND.values(), ids=SOUND)
def test_a_sound_patch_may_leave(operations: tuple[Operation, ...]) -> None:
    prove(pod(**copy.deepcopy(FULL_POD)), operations)


CONTAINER: Final = {"name": "new"}
VALUES: Final[dict[tuple[str | int, ...], object]] = {
    ("metadata", "labels"): {"x": "y"},
    ("metadata", "labels", "x"): "y",
    ("metadata", "labels", "x", "y"): "z",
    ("metadata", "annotations", "0"): "y",
    ("spec", "containers"): [CONTAINER],
    ("spec", "containers", 0): CONTAINER,
    ("spec", "containers", 2): CONTAINER,
    ("spec", "containers", 3): CONTAINER,
    ("spec", "containers", "-"): CONTAINER,
    ("spec", "containers", "x"): CONTAINER,
    ("spec", "containers", 1, "command"): ["x"],
    ("spec", "containers", 1, "command", 0): "x",
    ("spec", "containers", 1, "command", "-"): "x",
    ("spec", "containers", "-", "command"): ["x"],
    ("spec", "initContainers"): [],
    ("spec", "initContainers", 1): CONTAINER,
    ("spec", "initContainers", 1, "restartPolicy"): "Always",
}
"""Places, and what may be added there."""

ADDITIONS: Final = st.sampled_from([add(value, *place) for place, value in VALUES.items()])
REMOVALS: Final = st.sampled_from([remove(*place) for place in VALUES if place != ("spec", "containers")])
MOVES: Final = st.builds(
    move,
    st.tuples(st.just("spec"), st.sampled_from(["containers", "initContainers"]), st.integers(0, 3) | st.just("-")),
    st.just("spec"),
    st.just("initContainers"),
    st.integers(0, 3) | st.just("-"),
)


@given(st.lists(ADDITIONS | REMOVALS | MOVES, max_size=4))
def test_a_patch_applies_where_it_applies_by_the_library(operations: list[Operation]) -> None:
    """The short cuts of the proof included."""
    before = pod(annotations={"a": "b"}, spec=FULL_POD["spec"])
    document = {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}, "spec": FULL_POD["spec"]}
    written = copy.deepcopy(operations)
    try:
        jsonpatch.apply_patch(document, copy.deepcopy(operations))
        error = ""
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as problem:
        error = f"the patch does not apply: {type(problem).__name__}"

    try:
        prove(before, tuple(operations))
        found = ""
    except UnsoundPatchError as unsound:
        found = str(unsound) if str(unsound).startswith("the patch does not apply") else ""
    assert found == error
    assert operations == written, "the operations are sent as they are"


def test_the_operations_are_sent_as_they_are_whatever_a_later_one_changes() -> None:
    operations = (
        add({"x": "y"}, "metadata", "annotations"),
        add("changed", "metadata", "annotations", "x"),
        add([], "spec", "initContainers"),
        move(("spec", "containers", 1), "spec", "initContainers", 0),
    )
    prove(pod(annotations=None, spec={"initContainers": None}), operations)

    assert (operations[0]["value"], operations[2]["value"]) == ({"x": "y"}, [])


USUAL: Final = (
    add("x", "metadata", "labels", "b"),
    add("x", "metadata", "annotations", "b"),
    add(["sh"], "spec", "containers", 0, "command"),
    move(("spec", "containers", 1), "spec", "initContainers", 11),
    add("Always", "spec", "initContainers", 11, "restartPolicy"),
    add("/dev/stderr", "spec", "initContainers", 11, "terminationMessagePath"),
)
"""No other test sets the last field: a pointer is parsed once in a process."""


def test_the_usual_operations_take_none_of_the_librarys_slower_code() -> None:
    inits = [{"name": f"prepare-{number}"} for number in range(11)]
    before = pod(annotations={"a": "b"}, spec={"containers": [{"name": "base"}, SIDECAR], "initContainers": inits})
    prove(before, USUAL)
    files: set[str] = set()
    profile = sys.getprofile()
    sys.setprofile(lambda frame, _event, _argument: files.add(frame.f_code.co_filename))
    try:
        prove(before, USUAL)
    finally:
        sys.setprofile(profile)

    assert prove.__code__.co_filename in files
    assert files.isdisjoint({jsonpatch.__file__, jsonpointer.__file__})


BREAKING: Final[dict[str, tuple[tuple[Operation, ...], str]]] = {
    "a moved sidecar that is no native one": (MOVED[:1], "init container istio-proxy has a field for native sidecars only"),
    "a volume of a name that is there": ((add({"name": "v"}, "spec", "volumes", "-"),), "two volumes have the same name"),
    "an init container of a name that is there": ((add({"name": "native"}, "spec", "initContainers", "-"),), "two containers have the same name"),
    "a mount at a path that is taken": (
        (add({"name": "v", "mountPath": "/v"}, "spec", "containers", 1, "volumeMounts", "-"),), "container istio-proxy has a mountPath twice"),
}  # fmt: skip


@pytest.mark.parametrize(("operations", "fault"), BREAKING.values(), ids=BREAKING)
def test_a_patch_that_clashes_with_what_is_there_never_leaves(operations: tuple[Operation, ...], fault: str) -> None:
    with pytest.raises(UnsoundPatchError) as raised:
        prove(pod(**copy.deepcopy(FULL_POD)), operations)

    assert str(raised.value) == INVALID + fault


@pytest.mark.parametrize("field", ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"])
def test_each_field_for_native_sidecars_only_is_refused_on_a_plain_init_container(field: str) -> None:
    container = {"name": "sidecar", field: {"preStop": {}} if field == "lifecycle" else {}}

    with pytest.raises(UnsoundPatchError) as raised:
        prove(pod(spec={"containers": [{"name": "base"}, container]}), MOVED[:1])

    assert str(raised.value) == f"{INVALID}init container sidecar has a field for native sidecars only"


def test_a_field_that_no_operation_changes_is_not_read() -> None:
    unread = {"env": "wrong", "volumeMounts": "wrong", "volumeDevices": "wrong"}

    prove(pod(spec={"containers": [{"name": "base", **unread}, {"name": "istio-proxy", **unread}]}), MOVED)


@pytest.mark.parametrize("key", ["a", "app.kubernetes.io/name", "a" * 63, "a" * 253 + "/" + "b" * 63])
def test_a_key_that_the_api_server_takes_is_sound(key: str) -> None:
    prove(pod(), (add("x", "metadata", "labels", key), add({key: "any text"}, "metadata", "annotations")))


@pytest.mark.parametrize("key", ["", "/", "a/", "/a", "-a", "a-", "a" * 64, "A/b", "a" * 254 + "/b", "ä"])
def test_a_key_that_it_does_not_take_never_leaves(key: str) -> None:
    with pytest.raises(UnsoundPatchError):
        prove(pod(), (add("x", "metadata", "labels", key),))


WRONG_BEFORE: Final[dict[str, Any]] = {
    "labels": {"a": "b" * 64},
    "annotations": {"no key": "b"},
    "spec": {
        "containers": [{"name": "base"}, {"name": "base"}],
        "initContainers": [{"name": "plain", "restartPolicy": "Always"}],
        "volumes": [{"name": "v"}, {"name": "v"}],
    },
}


def test_what_was_wrong_before_is_not_our_patchs_fault() -> None:
    prove(pod(**WRONG_BEFORE), (add("x", "metadata", "labels", "b"), add({"name": "w"}, "spec", "volumes", "-")))


def test_of_a_pod_that_was_wrong_before_only_the_faults_of_the_patch_are_named() -> None:
    with pytest.raises(UnsoundPatchError) as raised:
        prove(pod(**WRONG_BEFORE), (add("-", "metadata", "labels", "b"), add({"name": "w"}, "spec", "volumes", "-")))

    assert str(raised.value) == f"{INVALID}label b has an invalid key or value"


@pytest.mark.parametrize(
    ("value", "is_full"),
    [
        ("x" * (MAX_ANNOTATION_BYTES - 1), False),
        ("x" * MAX_ANNOTATION_BYTES, True),
        ("é" * (MAX_ANNOTATION_BYTES // 2 - 1), False),
        ("é" * (MAX_ANNOTATION_BYTES // 2), True),
        ("é" * (MAX_ANNOTATION_BYTES - 1), True),
        ("\U0001f600" * (MAX_ANNOTATION_BYTES // 4), True),
        ("\ud800" * (MAX_ANNOTATION_BYTES // 4), False),
    ],
    ids=[
        "ascii",
        "ascii, a byte more",
        "two bytes each",
        "two bytes each, a byte more",
        "two bytes each, as many characters as bytes may be",
        "four bytes each",
        "half a pair: three bytes each",
    ],
)
def test_annotations_are_full_at_256_kib_of_utf_8_with_their_keys(value: str, *, is_full: bool) -> None:
    assert annotations_are_full({"k": value}) is is_full


def test_the_pod_itself_is_not_touched_by_the_proof() -> None:
    before = pod()
    prove(before, (add("x", "metadata", "labels", "b"),))

    assert before == pod()


@pytest.mark.parametrize(
    "operations", [(add({"a": "x"}, "metadata", "annotations"),), (add({"a": "x"}, "metadata", "labels"),)], ids=["annotation", "label"]
)
def test_a_pod_without_labels_and_annotations_may_get_the_first_ones(operations: tuple[Operation, ...]) -> None:
    prove(pod(labels=None), operations)


@pytest.mark.parametrize("present", [None, {}], ids=str)
def test_entries_of_a_mapping_that_is_absent_or_empty_are_added_as_a_whole(present: dict[str, str] | None) -> None:
    assert add_entries({"a": "b"}, present, "metadata", "labels") == [add({"a": "b"}, "metadata", "labels")]
