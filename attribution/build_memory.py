"""How much memory a build may take of the engine: what was said, or half of what there is."""

import os
from contextlib import suppress
from pathlib import Path

# Less than the first builds nothing of use. With the second, a hundred million touchpoints are
# built in a process of 3.9 GiB (docs/benchmarks.md); what does not fit goes to disk.
LEAST, MOST = 10**9, 26 * 10**8
# What a container may take, by the kernel's newer interface and by its older one.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def build_memory() -> str:
    """`CARETRACE_MEMORY` as it stands, else by what this computer, or the container, has."""
    return os.environ.get("CARETRACE_MEMORY") or share(there_is())


def share(there: int) -> str:
    """Half of so many bytes within bounds, as the engine reads it: the other half is the pages'."""
    return f"{min(max(there // 2, LEAST), MOST) // 10**6}MB"


def there_is() -> int:
    """Bytes of memory of this computer, or of the container where that may take less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(limit.read_text(encoding="ascii")))
    return min(found)
