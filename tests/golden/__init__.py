"""Golden pairs: for each sidecar with a rule a pod as its injector leaves it, and what the webhook makes of it."""
