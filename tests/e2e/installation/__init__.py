"""The webhook installed on a node as an operator does it, by the chart and by the manifest, with its own image.

`installation` installs, upgrades and reads it; `creations` creates pods under load and finds those that were missed; `clean_node` starts
the node without the webhook.
"""
