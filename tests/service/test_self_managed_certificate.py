"""A service that keeps its own certificates, as far as it shows without a cluster; the rest is in tests/e2e."""

from __future__ import annotations

import pytest

from tests.service.running_service import start

NEEDED = {"certificates": "self-managed", "service_namespace": "airflow-webhook", "port": 0, "health_port": 0}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (NEEDED, "found neither a service account token nor a kubeconfig"),
        (NEEDED | {"service_namespace": ""}, "service_namespace: required"),
    ],
    ids=["no cluster", "no namespace"],
)
def test_what_it_cannot_do_without_is_said_at_the_start(settings: dict[str, object], told: str) -> None:
    process = start(settings)
    output, errors = process.communicate(timeout=30)

    assert process.returncode == 2
    assert told in errors
    assert "listening" not in output
