"""The report of a fleet: what became of the task pods that a cluster still has, what is stuck, and how many slot-hours were wasted.

`tally` adds pods up, `document` is the result, `page` writes it as HTML. Nothing here reads from the cluster: `webhook.doctor.fleet` does.
"""
