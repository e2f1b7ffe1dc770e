"""Draws what a report looks like before it is sent: its pages, or the first rows of its parts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from attribution.reports.catalog import Rendered, pages
from attribution.reports.channels import every_number
from attribution.reports.document import Document
from attribution.schedule.managing import Manager
from attribution.schedule.plans import Plan
from attribution.ui import draw_table, formats

MIME = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_KEPT = "report_preview"
_Of = tuple[Plan, tuple[int | None, int | None]]
_TALL, _ROWS = 720, 8  # pixels of pages at a time; rows of a part


def look(mine: Manager, plan: Plan) -> None:
    """Make the file that would be sent now, and keep it to be looked at."""
    with st.spinner("The file is made as it would be sent."):
        of = _of(mine, plan)  # looked up first: what changes meanwhile drops what is made
        made = mine.preview(plan.name)
        st.session_state[_KEPT] = (of, made, pages(made))


def preview(mine: Manager, plan: Plan) -> None:
    """The file that would be sent now, with what its manifest says.

    A file of another plan, or made before it or the data changed, is not what would be sent.
    """
    kept: tuple[_Of, Rendered, tuple[bytes, ...]] | None = st.session_state.get(_KEPT)
    if kept is None:
        return
    if kept[0] != _of(mine, plan):
        del st.session_state[_KEPT]
        return
    made = kept[1]
    rows = made.manifest.get("rows")
    counted = sum(rows.values()) if isinstance(rows, dict) else rows
    st.caption(
        f"Generation {made.manifest['generation']}, {counted:,} rows, "
        f"{made.manifest.get('suppressed_cells', 0):,} small cells told together with others. "
        f"SHA-256 {made.sha256[:16]}…"
    )
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            f"{made.file_name}",
            made.content,
            made.file_name,
            MIME[made.file_name.rpartition(".")[2]],
            key="report_file",
            icon=":material/download:",
            on_click="ignore",
        )
        manifest(made.manifest, "report_preview_manifest")
    if kept[2]:
        _pages(kept[2])
    elif made.document is not None:
        _tables(made.document, str(made.manifest["format"]))


def _of(mine: Manager, plan: Plan) -> _Of:
    """What a file is made of; it is another file where any of this differs."""
    return plan, mine.stands_on(plan.name)


def _pages(pictures: tuple[bytes, ...]) -> None:
    """The pages of the file as it is printed."""
    with st.container(height=_TALL, key="report_pages"):
        for number, picture in enumerate(pictures, start=1):
            st.image(picture, f"Page {number} of {len(pictures)}", width="stretch")


def _tables(document: Document, fmt: str) -> None:
    """The first rows of each part of the file."""
    if fmt == "csv":
        shown = [("File", document.csv or every_number(document))]
    else:
        for sentence in (*document.news, *document.sentences):
            st.caption(formats.prose(sentence))
        shown = [(section.name, section.table) for section in document.sections]
    for tab, (_, table) in zip(st.tabs([name for name, _ in shown]), shown, strict=True):
        part = replace(table, frame=table.frame.head(_ROWS))
        with tab:
            draw_table.frame(part, document.currency, key=f"report_part_{table.title}")
            if (more := len(table.frame) - _ROWS) > 0:
                st.caption(f"{more:,} more rows are in the file.")


def manifest(said: Mapping[str, Any], key: str) -> None:
    """How a file was made: to read, and to take along."""
    with st.popover("Manifest", icon=":material/receipt_long:", key=key):
        st.json(dict(said))
