"""How the webhook gets into a cluster: the chart, the manifest that is rendered from it, and what its image is made of."""
