"""The kinds of Argo CD and of Flux, from the sources of their projects: an API server that has them checks an object as theirs would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import yaml

from testbed import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import JSONObject

MODULE: Final = "gitops-definitions"
FILES: Final = {
    "github.com/argoproj/argo-cd/v3": ("manifests/crds/application-crd.yaml",),
    "github.com/fluxcd/helm-controller": ("config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml",),
    "github.com/fluxcd/kustomize-controller": ("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",),
    "github.com/fluxcd/source-controller": (
        "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
        "config/crd/bases/source.toolkit.fluxcd.io_helmrepositories.yaml",
        "config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml",
    ),
}
"""Of each project, the files with definitions."""


def gitops_definitions() -> Iterator[JSONObject]:
    """The CustomResourceDefinitions of Application, HelmRelease, Kustomization and the sources. NoGoError, BuildError."""
    for project, files in FILES.items():
        folder = binaries.source_folder(MODULE, project)
        for file in files:
            yield yaml.safe_load((folder / file).read_text("utf-8"))
