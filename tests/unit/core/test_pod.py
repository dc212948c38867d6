"""What is read of a pod, and what an error about one says: the place, and never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from webhook.core.errors import MalformedPodError
from webhook.core.names import HELPER_CONTAINER
from webhook.core.pod import MAX_BRACKETS, MAX_COMMAS, MAX_WORDS, USUAL_CONTAINERS, encode_pod, is_too_large, read_pod

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject
    from webhook.core.pod import Container

NOT_JSON: Final = "the pod is not JSON, or is nested deeper than any pod"


def pod(**fields: Any) -> JSONObject:
    """A pod with one container that has these fields."""
    return {"metadata": {}, "spec": {"containers": [{"name": "base", **fields}]}}


def container(**fields: Any) -> Container:
    """The container of that pod."""
    return read_pod(pod(**fields)).spec.containers[0]


def nested(depth: int) -> JSONObject:
    """A mapping in a mapping, this deep."""
    inner: JSONObject = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


PROBES: Final[dict[str, tuple[JSONObject, str | None]]] = {
    "a number": ({"httpGet": {"path": "/ready", "port": 9902}}, "9902"),
    "the highest number": ({"httpGet": {"port": 65535}}, "65535"),
    "a number too high": ({"httpGet": {"port": 65536}}, None),
    "zero": ({"httpGet": {"port": 0}}, None),
    "a name": ({"httpGet": {"port": "http"}}, None),
    "no number": ({"httpGet": {"port": True}}, None),
    "a number without end": ({"httpGet": {"port": 10**4000}}, None),
    "no port": ({"httpGet": {}}, None),
    "no request over HTTP": ({"tcpSocket": {"port": 9902}}, None),
    "a request that is none": ({"httpGet": [9902]}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("probe", "port"), PROBES.values(), ids=PROBES)
def test_the_port_of_a_readiness_probe_is_read_where_it_is_a_number(probe: JSONObject, port: str | None) -> None:
    assert container(readinessProbe=probe).readiness_port == port


UNREADABLE: Final[dict[str, tuple[JSONObject | bytes, str]]] = {
    "no spec": ({"metadata": {}}, "Object missing required field `spec`"),
    "a name that is a number": (
        pod() | {"spec": {"containers": [{"name": 1}]}},
        "Expected `str`, got `int` - at `$.spec.containers[0].name`",
    ),
    "no JSON": (b"{", NOT_JSON),
    "no UTF-8": (b'{"metadata": {"name": "\xff"}}', NOT_JSON),
    "too deep": (b'{"metadata":' * 100_000, NOT_JSON),
    "a mapping with what JSON does not have": ({"metadata": object()}, NOT_JSON),
    "a mapping that is too deep": (nested(100_000), NOT_JSON),
}


@pytest.mark.parametrize(("data", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_pod_is_refused_with_the_place(data: JSONObject | bytes, message: str) -> None:
    with pytest.raises(MalformedPodError) as raised:
        read_pod(data)

    assert str(raised.value) == message


def test_a_mapping_that_is_not_json_cannot_be_encoded() -> None:
    with pytest.raises(MalformedPodError) as raised:
        encode_pod({"metadata": object()})

    assert str(raised.value) == NOT_JSON


# Fields that are read when a rule needs them: the field, a value of a wrong type, what reads it.
LATE: Final[dict[str, tuple[Any, Callable[[Container], object], str]]] = {
    "env": ([{"name": 1}], lambda one: one.environment, "Expected `str`, got `int` - at `$[0].name` of env"),
    "volumeMounts": (1, lambda one: one.mounts, "Expected `array | null`, got `int` of volumeMounts"),
    "volumeDevices": (1, lambda one: one.device_paths, "Expected `array | null`, got `int` of volumeDevices"),
    "ports": (1, lambda one: one.open_ports, "Expected `array | null`, got `int` of ports"),
    "lifecycle": (1, lambda one: one.lifecycle_hooks, "Expected `object | null`, got `int` of lifecycle"),
    "readinessProbe": (1, lambda one: one.readiness, "Expected `object | null`, got `int` of readinessProbe"),
    "securityContext": (1, lambda one: one.security, "Expected `object | null`, got `int` of securityContext"),
    "resources": (1, lambda one: one.demands, "Expected `object | null`, got `int` of resources"),
}


@pytest.mark.parametrize(("field", "value", "read", "message"), [(field, *row) for field, row in LATE.items()], ids=LATE)
def test_a_field_that_is_read_late_is_refused_with_its_name(
    field: str, value: Any, read: Callable[[Container], object], message: str
) -> None:
    one = container(**{field: value})
    with pytest.raises(MalformedPodError) as raised:
        read(one)

    assert str(raised.value) == message


def test_a_security_context_of_another_type_is_refused_with_its_name() -> None:
    """Of a container, and of the pod."""
    spec = read_pod({"metadata": {}, "spec": {"securityContext": 1, "containers": [{"name": "base", "securityContext": 1}]}}).spec
    for one in (spec, spec.containers[0]):
        with pytest.raises(MalformedPodError, match=r"^Expected `object \| null`, got `int` of securityContext$"):
            _ = one.has_windows_options


@pytest.mark.parametrize(
    ("security", "has_options"),
    [
        ({"windowsOptions": {"runAsUserName": "ContainerUser"}, "runAsNonRoot": True}, True),
        ({"windowsOptions": {}}, False),
        ({"runAsUser": 50000}, False),
        (None, False),
    ],
    ids=["a user of Windows", "empty options", "a user of Linux", "none"],
)
def test_options_of_windows_are_read_of_a_container_and_of_the_pod(security: JSONObject | None, *, has_options: bool) -> None:
    of_pod = read_pod({"metadata": {}, "spec": {"securityContext": security, "containers": []}}).spec

    assert [of_pod.has_windows_options, container(securityContext=security).has_windows_options] == [has_options] * 2


def test_any_field_that_cannot_be_decoded_is_named() -> None:
    one = read_pod(b'{"metadata": {}, "spec": {"containers": [{"name": "base", "livenessProbe": {"a": "\xff"}}]}}').spec.containers[0]

    with pytest.raises(MalformedPodError, match=r"^livenessProbe is not UTF-8, or nested deeper than any pod$"):
        one.field("livenessProbe")


@pytest.mark.parametrize("data", [b'{"name": "\xff"}', b"[" * 100_000], ids=["no UTF-8", "too deep"])
def test_a_late_field_that_cannot_be_decoded_is_named(data: bytes) -> None:
    body = b'{"metadata": {}, "spec": {"containers": [{"name": "base", "lifecycle": %s}]}}' % data
    with pytest.raises(MalformedPodError, match="lifecycle is not UTF-8, or nested deeper than any pod|" + NOT_JSON):
        _ = read_pod(body).spec.containers[0].lifecycle_hooks


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["agent", "--port", "1"], ["agent", "--port", "1"]),
        (["sh", "-c", "agent --port=1 && sleep 5"], ["sh", "-c", "agent", "--port=1", "sleep", "5"]),
        (["bash", "-ec", "(\"agent\" --name='a b'; exit)|cat"], ["bash", "-ec", "", "agent", "--name=a", "b", "exit", "cat"]),
        (["agent", "-c", "a b", "c d"], ["agent", "-c", "a", "b", "c d"]),
    ],
)
def test_a_script_is_taken_apart_into_its_words(argv: list[str], words: list[str]) -> None:
    assert container(command=argv[:1], args=argv[1:]).words == words


@pytest.mark.parametrize(("count", "words"), [(USUAL_CONTAINERS, MAX_WORDS), (2 * USUAL_CONTAINERS, MAX_WORDS // 2)])
def test_of_the_containers_of_a_pod_no_more_words_are_read_than_of_as_many_as_usual(count: int, words: int) -> None:
    """The webhook's helper does not count: the pod is read as it was before it had that."""
    containers = [{"name": f"c{number}", "args": ["a"] * 1000} for number in range(count // 2)]
    inits = [{"name": f"i{number}", "command": ["sh", "-c", "a " * 1000]} for number in range(count // 2)]
    spec = {"containers": containers, "initContainers": [{"name": HELPER_CONTAINER}, *inits]}
    read = read_pod({"metadata": {}, "spec": spec})

    assert {len(one.words) for one in (*read.spec.containers, *read.init_containers[1:])} == {words}


def test_many_containers_with_the_helpers_name_do_not_raise_what_is_read_of_another() -> None:
    """The API server refuses such a pod."""
    helpers = [{"name": HELPER_CONTAINER}] * (2 * USUAL_CONTAINERS)
    spec = {"containers": [{"name": "base", "args": ["a"] * (2 * MAX_WORDS)}], "initContainers": helpers}

    assert len(read_pod({"metadata": {}, "spec": spec}).spec.containers[0].words) == MAX_WORDS


def test_volumes_are_found_by_their_driver_and_by_whether_they_can_be_written() -> None:
    volumes = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "bucket", "csi": {"driver": "gcsfuse.csi.storage.gke.io"}},
        {"name": "other", "csi": {"driver": "secrets-store.csi.k8s.io"}},
        {"name": "odd", "csi": {"driver": 1}},
        *({"name": source, source: {}} for source in ("configMap", "downwardAPI", "image", "projected", "secret")),
    ]
    spec = read_pod({"metadata": {}, "spec": {"containers": [], "volumes": volumes}}).spec

    assert spec.volumes_of("gcsfuse.csi.storage.gke.io") == {"bucket"}
    assert spec.volumes_of("nfs.csi.k8s.io") == frozenset()
    assert read_pod(pod()).spec.volumes_of("gcsfuse.csi.storage.gke.io") == frozenset()
    assert spec.writable_volumes == {"scratch", "bucket", "other", "odd"}


@pytest.mark.parametrize(
    ("body", "is_large"),
    [
        (b"," * MAX_COMMAS, False),
        (b"," * (MAX_COMMAS + 1), True),
        (b"x" * (MAX_COMMAS + 1), False),
        (b"x" * MAX_COMMAS + b",", False),
        (b'{"":[' * (MAX_BRACKETS // 2) + b"," * MAX_COMMAS, False),
        (b'{"":[' * (MAX_BRACKETS // 2) + b"[", True),
        (b"[" * MAX_BRACKETS + b"{", True),
    ],
    ids=[
        *("as many fields as are read", "one more", "a long text", "a long text and a field"),
        *("as many objects and lists, too", "one list more", "one object more"),
    ],
)
def test_a_pod_is_too_large_by_its_fields_and_items(body: bytes, *, is_large: bool) -> None:
    assert is_too_large(body) is is_large
