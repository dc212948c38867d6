"""The stand-in for Istio's agent as a sidecar that the webhook found in a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.core.catalogue import FoundSidecar
from webhook.core.sidecar import Endpoint

if TYPE_CHECKING:
    from demo.stand_in_istio_agent import StandInIstioAgent


def istio(agent: StandInIstioAgent) -> FoundSidecar:
    """The sidecar of webhook/data/sidecars/istio.yaml, with the ports of a stand-in."""
    return FoundSidecar(
        name="istio-proxy",
        id="istio",
        ready=Endpoint(agent.ready_port, "/healthz/ready"),
        alive=Endpoint(agent.status_port, "/healthz/ready"),
        quit=Endpoint(agent.status_port, "/quitquitquit", "POST"),
        quit_order=90,
        ends_by_itself=False,
    )
