"""An HTTP server for tests whose clients may leave at any moment."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    """A thread for each connection, whose end by the client is no error.

    Its traceback would be on the stderr of whichever test runs then: a browser, for one, resets its connections when it ends.
    """

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what is a fault of the test; a connection that is closed or reset, or a certificate that is rejected, is none."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
