"""Names that are no UTF-8 beside good ones: every list leaves them out, and the pages say so."""

import os

import numpy as np

from draem_core.checkpoints import list_checkpoints
from draem_core.data.images import encode_png
from draem_core.data.textures import load_textures
from draem_core.runs.review import find_reviews

ODD = os.fsdecode(b"\xff")


def test_checkpoints_runs_and_textures_leave_them_out(tmp_path):
    for name in ("good", ODD):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "metrics.csv").touch()
        (folder / "weights.ckpt").touch()
        (folder / f"{ODD}.ckpt").touch()
    assert list_checkpoints(tmp_path) == [tmp_path / "good/weights.ckpt"]
    assert find_reviews(tmp_path) == [tmp_path / "good"]
    (tmp_path / "good/a.png").write_bytes(encode_png(np.zeros((8, 8), np.uint8)))
    (tmp_path / "good" / f"{ODD}.png").write_bytes(encode_png(np.zeros((8, 8), np.uint8)))
    secret = tmp_path / "secret.png"
    secret.write_bytes(encode_png(np.zeros((8, 8), np.uint8)))
    (tmp_path / "good/link.png").symlink_to(secret)
    assert len(load_textures(tmp_path / "good", (8, 8))) == 1
