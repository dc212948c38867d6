"""The course of a pod that lives: how far it has come, what keeps it Running, and what ends it now. For ``explain`` and for the doctor.

`pod_course` says it in values and in words. `course_reader` reads it from a pod: what ends a pod is the reaper's rule. `stuck_pod` adds
why the webhook did not let it end, and what to change for the pods to come.
"""
