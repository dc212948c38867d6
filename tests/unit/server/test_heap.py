"""What the process returns to the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]

PROGRAM: Final = """
import asyncio
from webhook.server.heap import ENDED_CONNECTIONS, HeapTrim, return_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4

async def ends():
    blocks = [bytearray(20_000) for _ in range(5000)]
    del blocks[:-1]  # The last one holds the heap's end.
    trim, before = HeapTrim(), resident()
    for _ in range(ENDED_CONNECTIONS - 1):
        trim.connection_ended()
    for _ in range(3):
        await asyncio.sleep(0)
    print(resident() > before // 2)
    trim.connection_ended()
    while resident() > before // 2:
        await asyncio.sleep(0.01)

return_freed_memory()
asyncio.run(ends())
"""


def test_the_heap_is_trimmed_after_many_connections_have_ended() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True\n", "not after fewer"
