"""Microsoft Advertising's reports: how each is asked for, and how its file is read.

A report is a zip file with one CSV. Lines above its columns say how many rows there are and
whether the days are complete; a line below them names the owner.
"""

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import Any

from connectors.errors import SourceChanged
from connectors.source import Window

_GOT = ("Impressions", "Clicks", "Spend", "ConversionsQualified", "Revenue")
_CAMPAIGN = ("TimePeriod", "CampaignId", "CampaignName", "CampaignType")
MOST_BYTES = 2_000_000_000  # of one report, unpacked


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the reports that a window needs."""

    name: str
    request: str  # the class that asks for it
    scope: str
    columns: tuple[str, ...]


# `Conversions` has been zero since 2022; `ConversionsQualified` is what replaced it.
KINDS = (
    Kind(
        "campaigns",
        "CampaignPerformanceReportRequest",
        "AccountThroughCampaignReportScope",
        (*_CAMPAIGN, *_GOT),
    ),
    Kind(
        "ad_groups",
        "AdGroupPerformanceReportRequest",
        "AccountThroughAdGroupReportScope",
        (*_CAMPAIGN, "AdGroupId", "AdGroupName", *_GOT),
    ),
    Kind(
        "claims",
        "CampaignPerformanceReportRequest",
        "AccountThroughCampaignReportScope",
        (
            *_CAMPAIGN,
            "Goal",
            "ConversionsQualified",
            "Revenue",
            "ViewThroughConversionsQualified",
            "ViewThroughRevenue",
        ),
    ),
    Kind(
        "account",
        "AccountPerformanceReportRequest",
        "AccountReportScope",
        ("TimePeriod", "AccountId", *_GOT),
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a report, and whether Microsoft had finished all its days."""

    rows: list[dict[str, str]]
    complete: bool = True


def request(models: Any, kind: Kind, account: str, window: Window) -> Any:
    """The question that asks for a report by day, in the library's own classes."""

    def day(value: Any) -> Any:
        return models.Date(Day=value.day, Month=value.month, Year=value.year)

    asked = getattr(models, kind.request)(
        ReportName=f"caretrace {kind.name}",
        Format="Csv",
        FormatVersion="2.0",
        ReturnOnlyCompleteData=False,
        ExcludeReportHeader=False,
        ExcludeReportFooter=False,
        ExcludeColumnHeaders=False,
        Aggregation="Daily",
        Columns=list(kind.columns),
        Scope=getattr(models, kind.scope)(AccountIds=[account]),
        Time=models.ReportTime(
            CustomDateRangeStart=day(window.since), CustomDateRangeEnd=day(window.until)
        ),
    )
    return models.SubmitGenerateReportRequest(ReportRequest=asked)


def unpacked(payload: bytes) -> str:
    """The CSV of a zip file; a BadZipFile where it is cut or something else."""
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(files) != 1 or files[0].file_size > MOST_BYTES:
            raise SourceChanged(
                "Microsoft Advertising's report is not one file of a size that we expect; refresh "
                "with a shorter history, or update caretrace."
            )
        return archive.read(files[0]).decode("utf-8-sig")


def parsed(text: str, kind: Kind) -> Report:
    """The rows of a CSV; a ValueError where it says that there are more than it has."""
    lines = csv.reader(io.StringIO(text))
    said: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    columns: list[str] = []
    for line in lines:
        if len(line) < 2:
            if not columns:
                name, _, value = "".join(line).partition(": ")
                said[name] = value
            continue
        if not columns:
            columns = line
            _check(columns, kind)
        else:
            rows.append(dict(zip(columns, line, strict=True)))
    count = said.get("Rows", "").strip()
    if not columns or (count.isdigit() and int(count) != len(rows)):
        raise ValueError
    return Report(rows, said.get("Potential Incomplete Data", "").strip().lower() != "true")


def _check(columns: list[str], kind: Kind) -> None:
    """Columns that were added are ignored; one that is missing is not guessed."""
    missing = [name for name in kind.columns if name not in columns]
    if missing:
        raise SourceChanged(
            f"Microsoft Advertising's report has no {' and no '.join(missing)}; update caretrace."
        )


def days(window: Window) -> str:
    """A window in words."""
    return f"{window.since} to {window.until}"
