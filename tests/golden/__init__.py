"""Golden pairs: a pod as an injector leaves it, and what the webhook makes of it, for each sidecar of the catalogue."""
