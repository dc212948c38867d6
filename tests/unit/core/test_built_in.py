"""The policy of the package's own data."""

from __future__ import annotations

from webhook.core.built_in import built_in_entrypoints, built_in_script, built_in_sidecars, default_policy


def test_the_default_policy_has_the_packages_catalogue_entrypoints_and_wrapper() -> None:
    policy = default_policy()

    assert policy.catalogue.sidecars == built_in_sidecars()
    assert policy.entrypoints == built_in_entrypoints()
    assert policy.script == built_in_script()
    assert policy.entrypoints.images != ()
