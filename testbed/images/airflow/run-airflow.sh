#!/bin/bash
# An entry point like Stackable's (stackabletech/docker-images airflow/stackable/utils/run-airflow.sh): after the task it runs a hook,
# which ends the log agent beside it.
/entrypoint "$@"
result=$?
eval "$_STACKABLE_POST_HOOK"
exit $result
