"""How long each report takes from the command line, in a process of its own.

    .venv/bin/python benchmarks/reports.py --home var --times 5

Prints for each report and format the median seconds by the clock and of the processor, and the
size of the file. Warm: what Python and the disk keep of an earlier start is there.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPORTS = ("channels", "service-lines", "reactivation", "board")
FORMATS = ("csv", "xlsx", "pdf", "pptx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("var"))
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}")
    print(f"{'report':<15}{'format':<8}{'seconds':>9}{'processor':>11}{'bytes':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for report in REPORTS:
            for fmt in FORMATS:
                out = Path(folder) / f"{report}.{fmt}"
                made(options.home, report, fmt, out)  # once, so that all is warm
                runs = [made(options.home, report, fmt, out) for _ in range(options.times)]
                clock, processor = (statistics.median(each) for each in zip(*runs, strict=True))
                size = out.stat().st_size
                print(f"{report:<15}{fmt:<8}{clock:>9.2f}{processor:>11.2f}{size:>10,}")


def made(home: Path, report: str, fmt: str, out: Path) -> tuple[float, float]:
    """Seconds by the clock, and of the processor, that one report takes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "attribution.cli", "export", report, "--format", fmt]
    command += ["--small-cells", "--out", str(out)]
    environment = {**os.environ, "CARETRACE_HOME": str(home)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


if __name__ == "__main__":
    main()
