"""What Flux' engines see and do: no drift of a release while the service renews its certificates, and what a Kustomization applies and prunes.

`gitops_engines` says what is real, and what is not part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from testbed.api import path_of
from tests.e2e.api_server.chart import only
from tests.e2e.api_server.gitops_engines import DifferenceError, FluxLikeKustomization, FluxLikeRelease
from tests.e2e.api_server.test_gitops_argo import MOST_OF_THE_CHART, exists, rotate

if TYPE_CHECKING:
    from tests.e2e.api_server.chart_release import Release

SERVER_SIDE: Final = ("apply", "--server-side", "--force-conflicts", "--field-manager=helm-controller")
"""How helm-controller applies since it has Helm 4, which does not run here."""


pytestmark = pytest.mark.usefixtures("stand_in_kinds")


def test_a_rotation_is_no_drift_of_a_release_and_the_next_upgrade_takes_nothing_back(release: Release) -> None:
    release.helm("install")
    flux = FluxLikeRelease(release)
    release.until_reconciled()
    for _ in rotate(release):
        flux.assert_no_drift()
    written = release.written

    release.helm("upgrade", webhook={"timeoutSeconds": 12})

    assert release.written == written
    flux.assert_no_drift()


def test_with_server_side_apply_the_same_holds(release: Release) -> None:
    release.helm("install")
    release.kubectl(*SERVER_SIDE, given=release.manifest)
    flux = FluxLikeRelease(release)
    release.until_reconciled()
    for _ in rotate(release):
        flux.assert_no_drift()
    written = release.written

    release.kubectl(*SERVER_SIDE, given=release.manifest)

    assert release.written == written
    flux.assert_no_drift()


@pytest.mark.parametrize("values", MOST_OF_THE_CHART)
def test_no_default_that_the_api_server_adds_is_drift_of_a_release(values: str, release: Release) -> None:
    release.helm("install", **MOST_OF_THE_CHART[values])

    FluxLikeRelease(release).assert_no_drift()


def test_a_change_of_a_field_of_the_charts_would_be_drift_of_a_release(release: Release) -> None:
    release.helm("install")
    (webhook,) = release.webhooks
    release.level.api.patch(release.configuration, {"webhooks": [{**webhook, "failurePolicy": "Fail"}]})

    with pytest.raises(DifferenceError, match="failurePolicy"):
        FluxLikeRelease(release).assert_no_drift()


def test_a_secret_that_the_service_had_to_make_again_is_drift_until_it_is_corrected(release: Release) -> None:
    release.helm("install")
    release.until_reconciled()
    release.level.api.delete(release.secret)
    release.reconcile_certificates()

    differing = {one: state for one, state in FluxLikeRelease(release).drift().items() if state != "none"}
    assert differing == {f"Secret/{release.name}-authority": "update"}


def test_what_an_autoscaler_sets_is_no_drift_of_a_release(release: Release) -> None:
    release.helm("install", autoscaling={"enabled": True})
    deployment = path_of(only("Deployment", release.manifest))
    release.level.api.patch(f"{deployment}/scale", {"spec": {"replicas": 4}})

    FluxLikeRelease(release).assert_no_drift()


@pytest.mark.parametrize("options", [(), ("--replace",)], ids=["default", "spec.force"])
def test_a_kustomization_applies_nothing_after_a_rotation(options: tuple[str, ...], release: Release) -> None:
    flux, given = FluxLikeKustomization(release), release.rendered()
    assert set(flux.apply(given, *options).values()) == {"created"}
    release.until_reconciled()
    for _ in rotate(release):
        assert set(flux.apply(given, *options).values()) == {"unchanged"}
    written = release.written

    changed = flux.apply(release.rendered(webhook={"timeoutSeconds": 12}), *options)

    assert {one for one, state in changed.items() if state != "unchanged"} == {f"MutatingWebhookConfiguration/{release.name}"}
    assert release.written == written


def test_a_kustomization_takes_over_what_kubectl_applied_and_keeps_what_the_service_wrote(release: Release) -> None:
    given = release.rendered()
    release.kubectl("apply", given=given)
    release.until_reconciled()
    written = release.written
    flux = FluxLikeKustomization(release)

    flux.apply(given)

    assert release.written == written
    assert set(flux.apply(given).values()) == {"unchanged"}


def test_a_kustomization_prunes_every_object_of_the_chart(release: Release) -> None:
    values: dict[str, Any] = {"policy": {"enabled": True}, "reaper": {"enabled": True, "allNamespaces": True}}
    flux, given = FluxLikeKustomization(release), release.rendered(**values)
    flux.apply(given)
    release.until_reconciled()

    assert set(flux.delete(given).values()) == {"deleted"}
    assert [path_of(one) for one in given if exists(release, one)] == []


def test_a_secret_that_the_service_had_to_make_again_is_pruned_after_the_next_reconcile(release: Release) -> None:
    flux, given = FluxLikeKustomization(release), release.rendered()
    flux.apply(given)
    release.until_reconciled()
    release.level.api.delete(release.secret)
    release.reconcile_certificates()
    secret = [only("Secret", given)]

    assert set(flux.delete(secret).values()) == {"skipped"}
    flux.apply(given)
    assert set(flux.delete(secret).values()) == {"deleted"}
