"""The most that framework and server allow: the webhook with a handler that answers a constant.

Run as `python -m benchmarks.peers.constant`, with the webhook's own settings and the file of its
answer in `ANSWER_FILE`.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from fastapi import FastAPI, Request, Response

from webhook.server import serve as service
from webhook.server.app import NO_TELEMETRY, PATH
from webhook.settings import read_settings

ANSWER = Path(os.environ["ANSWER_FILE"]).read_bytes()


def create_constant_app(*_: object) -> FastAPI:
    """Return an application like the webhook's, with the same one route."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, telemetry=NO_TELEMETRY)

    async def mutate(request: Request) -> Response:
        """Read the whole body and answer what the webhook answered to the same review."""
        await request.body()
        return Response(ANSWER, media_type="application/json")

    app.add_route(PATH, mutate, methods=["POST"])
    return app


if __name__ == "__main__":
    # The only difference: TLS, limits, loop, parser, heap and log are those of the webhook.
    with patch.object(service, "create_app", create_constant_app):
        service.serve(read_settings(os.environ))
