"""``make demo``: the webhook and the wrapper at work, without a cluster."""
