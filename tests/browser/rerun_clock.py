"""How long reruns of a Streamlit page take, heard at the websocket: shared by the browser tests and the benchmark.

Knows no page's content.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PATIENCE = 120.0  # seconds
_SMALL = 4096  # bytes; the messages looked for are far below, pictures are not parsed


class RerunClock:
    """Listens to one page from before it is opened; ``seconds`` has the time of each rerun that has finished.

    A rerun's time runs from the browser's message that asks for it to the server's that it is finished.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seconds: list[float] = []
        self._asked = 0.0
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, frame: bytes | str) -> None:
        if isinstance(frame, bytes) and BackMsg.FromString(frame).HasField("rerun_script"):
            self._asked = time.perf_counter()

    def _received(self, frame: bytes | str) -> None:
        if not isinstance(frame, bytes) or len(frame) > _SMALL:
            return
        if ForwardMsg.FromString(frame).HasField("script_finished"):
            self.seconds.append(time.perf_counter() - self._asked)

    @contextmanager
    def rerun(self) -> Iterator[None]:
        """Wait, at the end of the block, for a rerun that what happened in it led to."""
        before = len(self.seconds)
        yield
        deadline = time.monotonic() + PATIENCE
        while len(self.seconds) == before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"The page did not rerun within {PATIENCE:g} s.")
            self.page.wait_for_timeout(5)
