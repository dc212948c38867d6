"""A service with a self-managed certificate, without a cluster; the rest is in tests/e2e."""

from __future__ import annotations

import pytest

from tests.service.running_service import DEADLINE_SECONDS, start

NEEDED = {"certificates": "self-managed", "service_namespace": "airflow-webhook", "port": 0, "health_port": 0}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (NEEDED, "found neither a service account token nor a kubeconfig"),
        (NEEDED | {"service_namespace": ""}, "service_namespace: required"),
    ],
    ids=["no cluster", "no namespace"],
)
def test_a_missing_requirement_is_an_error_at_the_start(settings: dict[str, object], problem: str) -> None:
    process = start(settings)
    output, errors = process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 2
    assert problem in errors
    assert "listening" not in output
