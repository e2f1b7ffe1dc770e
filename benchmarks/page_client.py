"""A reader without a browser: one websocket session that speaks Streamlit's protocol.

It does what the browser does: opens an address, keeps the state of every widget that it is sent,
changes one, and waits until the script has finished.
"""

import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a page: how long the reader waited, and what was sent."""

    seconds: float
    sent_bytes: int
    messages: int
    errors: int


@dataclass(slots=True)
class Widget:
    """A filter: its address in the protocol, what may be chosen, and what is."""

    id: str
    options: tuple[str, ...]
    several: bool
    chosen: tuple[str, ...]


@dataclass(slots=True)
class Reader:
    """One open session on one page."""

    address: str
    page: str
    title: str = ""
    widgets: dict[str, Widget] = field(default_factory=dict)
    _socket: ClientConnection | None = None
    _script: str = ""
    _query: str = ""

    async def __aenter__(self) -> Self:
        at = urlsplit(self.address)
        self._socket = await connect(
            f"ws://{at.netloc}/_stcore/stream",
            origin=self.address,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            ping_interval=None,
            proxy=None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def choose(self, key: str, *options: str) -> Run:
        """Choose options of a filter, by their words, and wait for the page."""
        self.widgets[key].chosen = options
        return await self.run()

    async def run(self) -> Run:
        """Run the page with the widgets as they are."""
        assert self._socket is not None
        asked = BackMsg()
        asked.rerun_script.query_string = self._query
        asked.rerun_script.page_script_hash = self._script
        asked.rerun_script.page_name = "" if self._script else self.page
        for widget in self.widgets.values():
            state = asked.rerun_script.widget_states.widgets.add(id=widget.id)
            if widget.several:
                state.string_array_value.data.extend(widget.chosen)
            elif widget.chosen:
                state.string_value = widget.chosen[0]
        began = time.perf_counter()
        await self._socket.send(asked.SerializeToString())
        return await self._finished(began)

    async def _finished(self, began: float) -> Run:
        assert self._socket is not None
        size = count = errors = 0
        async for data in self._socket:
            assert isinstance(data, bytes)
            said = ForwardMsg.FromString(data)
            size, count = size + len(data), count + 1
            kind = said.WhichOneof("type")
            if kind == "delta" and said.delta.WhichOneof("type") == "new_element":
                errors += self._note(said.delta.new_element)
            elif kind == "navigation":
                self._script = said.navigation.page_script_hash
            elif kind == "page_config_changed":
                self.title = said.page_config_changed.title
            elif kind == "page_info_changed":
                self._query = said.page_info_changed.query_string
            elif kind == "script_finished":
                return Run(time.perf_counter() - began, size, count, errors)
        raise ConnectionError("the server closed the session")

    def _note(self, element: Element) -> int:
        """Remember a filter; 1 where the page shows an error instead."""
        kind = element.WhichOneof("type")
        if kind in ("selectbox", "multiselect"):
            widget = getattr(element, kind)
            key = widget.id.rpartition("-")[2]
            options, several = tuple(widget.options), kind == "multiselect"
            known = self.widgets.get(key)
            chosen = known.chosen if known is not None and known.id == widget.id else ()
            if widget.set_value:
                chosen = tuple(widget.raw_values) if several else (widget.raw_value,)
            elif known is None and several:
                chosen = tuple(options[number] for number in widget.default)
            elif known is None and widget.HasField("default"):
                chosen = (options[widget.default],)
            self.widgets[key] = Widget(widget.id, options, several, chosen)
        return kind == "exception" or (kind == "alert" and element.alert.format == 1)
