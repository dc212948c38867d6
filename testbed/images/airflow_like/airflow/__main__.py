"""A stand-in for Airflow's command line: prints its arguments, then runs the shell line in STAND_IN_COMMAND, or nothing."""

import json
import os
import sys


def main() -> int:
    """Print, and become the shell; 0 where there is nothing to run."""
    print(json.dumps({"stand_in_airflow": sys.argv[1:]}), flush=True)
    command = os.environ.get("STAND_IN_COMMAND")
    if command:
        os.execv("/bin/bash", ["bash", "-c", command])  # noqa: S606  the stand-in's purpose
    return 0


if __name__ == "__main__":
    sys.exit(main())
