"""A cluster of one node: pods run and end, wrapped and native, beside a stand-in for Istio's agent.

`namespace` is a namespace whose pods run, with what tests read from them; `pods` makes pods; `native` starts webhooks that watch the node.
Each file creates its pods at once, so that they run while its first tests wait.
"""
