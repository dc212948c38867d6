"""The shell that serves the rules over HTTPS."""
