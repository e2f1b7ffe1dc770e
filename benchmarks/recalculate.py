"""Whether another program comes to the same numbers: LibreOffice computes every formula anew.

    .venv/bin/python benchmarks/recalculate.py --home var

Needs LibreOffice Calc (`soffice`), which no test needs. Of every report, whole and folded, each
value kept beside a formula is first made wrong, so that one which is not computed is found.
Prints for each how many formulas there are, and the largest difference relative to our value.
"""

import argparse
import io
import re
import subprocess
import tempfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl

from attribution.errors import BadInput
from attribution.paths import Home
from attribution.reports import catalog
from attribution.warehouse import current_generation

WRONG = "-987654321"
NEAR = 1e-9
# Calc's own setting that what comes from other programs is always computed anew.
ALWAYS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode"
oor:op="fuse"><value>0</value></prop></item></oor:items>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("var"))
    parser.add_argument("--period", default="13w", help="of the reports: 4w 13w 26w 52w all")
    options = parser.parse_args()
    home = Home(options.home.resolve())
    generation = current_generation(home)
    if generation is None:
        raise SystemExit(f"{home.folder} has nothing published. Run `caretrace demo --no-serve`.")
    print(f"{'report':<15}{'cells':<8}{'formulas':>9}{'largest difference':>20}")
    with tempfile.TemporaryDirectory() as folder:
        for report in catalog.REPORTS:
            for small in (True, False):
                words = "whole" if small else "folded"
                try:
                    made = catalog.render(
                        home, generation, report, "xlsx",
                        said={"period": options.period}, small_cells=small,
                        since_generation=catalog.earlier(home, generation),
                    )  # fmt: skip
                except BadInput as error:
                    print(f"{report:<15}{words:<8}  {error}")
                    continue
                count, worst = compared(made.content, Path(folder))
                print(f"{report:<15}{words:<8}{count:>9,}{worst:>20.1e}")
                if worst > NEAR:
                    raise SystemExit("LibreOffice comes to other numbers.")


def compared(content: bytes, folder: Path) -> tuple[int, float]:
    """How many formulas a workbook has, and how far LibreOffice's values are from ours."""
    ours = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    live = openpyxl.load_workbook(io.BytesIO(content))
    theirs = openpyxl.load_workbook(recalculated(content, folder), data_only=True)
    count, worst = 0, 0.0
    for sheet in live:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type != "f":
                    continue
                count += 1
                known = ours[sheet.title][cell.coordinate].value
                found = theirs[sheet.title][cell.coordinate].value
                if (known in (None, "")) != (found in (None, "")):
                    raise SystemExit(f"{sheet.title}!{cell.coordinate}: {known!r}, {found!r}")
                if known not in (None, ""):
                    worst = max(worst, abs(found - known) / max(abs(known), 1e-12))
    return count, worst


def recalculated(content: bytes, folder: Path) -> Path:
    """The workbook as LibreOffice saves it, after it has computed every formula."""
    profile = folder / "profile" / "user"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "registrymodifications.xcu").write_text(ALWAYS)
    (folder / "in").mkdir(exist_ok=True)
    given = folder / "in" / "report.xlsx"
    given.write_bytes(spoilt(content))
    command = ["soffice", f"-env:UserInstallation=file://{folder / 'profile'}", "--headless"]
    command += ["--convert-to", "xlsx", "--outdir", str(folder / "out"), str(given)]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "out" / "report.xlsx"


def spoilt(content: bytes) -> bytes:
    """The workbook with a wrong value kept beside each formula."""
    file = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as old, ZipFile(file, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = old.read(name)
            if name.startswith("xl/worksheets/sheet"):
                kept = r'<c ([^>]*?)(?: t="str")?>(<f>.*?</f>)(?:<v>.*?</v>|<v/>)?</c>'
                said = re.sub(kept, rf"<c \1>\2<v>{WRONG}</v></c>", part.decode())
                part = said.encode()
            new.writestr(name, part)
    return file.getvalue()


if __name__ == "__main__":
    main()
