"""Arrays as the bytes that the components' JavaScript unpacks: a length-prefixed JSON header, then the body."""

import json


def with_header(header: dict[str, object], body: bytes) -> bytes:
    """``body`` behind its header: uint32 length, JSON padded with spaces to 4 bytes."""
    text = padded(json.dumps(header).encode(), b" ")
    return len(text).to_bytes(4, "little") + text + body


def padded(blob: bytes, fill: bytes = b"\0") -> bytes:
    """``blob`` made a multiple of 4 bytes long."""
    return blob + fill * (-len(blob) % 4)
