"""The folder of scored pictures on its own: a growing .npy, a log, and what counts after a kill at any byte."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draem_core.disk import Stamp
from draem_core.scoring.map_file import MapFile, _write_at, checksum, write_maps
from draem_core.scoring.score_log import Record, ScoreLog
from draem_core.scoring.store import ScoreStore, exclusive

SHAPE = (3, 5)
STAMP = Stamp(1, 2)


def map_of(number: int) -> np.ndarray:
    return np.full(SHAPE, number / 7, np.float32)


def record_of(number: int, **fields: object) -> Record:
    return Record(f"{number}.png", STAMP, f"digest {number}", score=number / 7, **fields)


def fill(store: ScoreStore, *numbers: int) -> None:
    store.add([(record_of(number), map_of(number)) for number in numbers])


def known(folder: Path, *numbers: int, key: str = "key") -> dict[int, float]:
    """What a new store knows of the numbers, by the value of their maps."""
    store = ScoreStore(folder, key, SHAPE)
    found = [number for number in numbers if store.get(f"{number}.png")]
    if found:
        store.install([f"{number}.png" for number in found])
    return {number: float(store.maps[row][0, 0]) for row, number in enumerate(found)}


# --- maps ---------------------------------------------------------------------------------------------------------


def test_a_sealed_file_is_what_numpy_writes(tmp_path):
    grown = MapFile(tmp_path / "grown.npy", SHAPE)
    assert grown.rows == 0
    for row in (1, 0, 2, 3):
        grown.write(row, map_of(row))
    assert grown.rows == 4
    grown.seal(3)
    maps = [map_of(row) for row in range(3)]
    np.save(tmp_path / "numpy.npy", np.stack(maps))
    with (tmp_path / "written.npy").open("wb") as file:
        write_maps(file, 3, SHAPE, maps)
    assert grown.path.read_bytes() == (tmp_path / "numpy.npy").read_bytes() == (tmp_path / "written.npy").read_bytes()
    np.testing.assert_array_equal(np.load(grown.path, mmap_mode="r")[2], map_of(2))
    with pytest.raises(IndexError, match="has no row 3"):
        grown[3]


def test_a_write_that_takes_a_part_only_is_gone_on_with():
    class Slow(io.BytesIO):
        def write(self, content):
            return super().write(bytes(content[:7]))

    file = Slow(b"0123456789")
    _write_at(file, 3, b"a map of more than seven bytes")
    assert file.getvalue() == b"012a map of more than seven bytes"


def test_the_checksum_sees_every_value_whatever_the_memory_layout():
    values = np.arange(15, dtype=np.float32).reshape(SHAPE)
    assert checksum(values) == checksum(np.asfortranarray(values)) == checksum(values.astype(np.float64))
    values[2, 4] = np.nextafter(values[2, 4], np.float32(100))
    assert checksum(values) != checksum(np.arange(15, dtype=np.float32).reshape(SHAPE))


# --- log ------------------------------------------------------------------------------------------------------


def test_a_log_gives_back_its_records_and_leaves_out_torn_lines(tmp_path):
    log = ScoreLog(tmp_path / "log", "key")
    assert log.read() is None
    log.start()
    assert log.read() == []
    odd = Record('größe "\n\\udcff.png', STAMP, "d", 0.5, score=float(np.float32(0.1)), row=3, checksum=2**32 - 1)
    log.append([record_of(0), odd])
    whole = log.path.read_bytes()
    assert log.read() == [record_of(0), odd]
    for cut in range(1, 100):
        log.path.write_bytes(whole[:-cut])
        log.append([record_of(2)])
        assert log.read() == [record_of(0), *([odd] if cut == 1 else []), record_of(2)]
    assert ScoreLog(tmp_path / "log", "another key").read() is None


@pytest.mark.parametrize("line", [b"{}", b"[]", b"7", b'{"name": "a"}', b"\xff", b'{"name":"a","stamp":3,"digest":""}'])
def test_lines_that_are_no_record(tmp_path, line):
    log = ScoreLog(tmp_path / "log", "key")
    log.start()
    log.path.write_bytes(log.path.read_bytes() + line + b"\n")
    assert log.read() == []


# --- store --------------------------------------------------------------------------------------------------------


def test_pictures_are_found_again(tmp_path):
    store = ScoreStore(tmp_path, "key", SHAPE)
    assert not store.replaces_another
    fill(store, 0, 1)
    fill(store, 2)
    assert known(tmp_path, 0, 1, 2) == {0: 0, 1: pytest.approx(1 / 7), 2: pytest.approx(2 / 7)}


def test_another_network_starts_from_nothing(tmp_path):
    fill(ScoreStore(tmp_path, "key", SHAPE), 0, 1)
    assert ScoreStore(tmp_path, "other", SHAPE).replaces_another
    assert known(tmp_path, 0, 1) == {}


def test_a_map_of_each_order_and_of_each_file(tmp_path):
    store = ScoreStore(tmp_path, "key", SHAPE)
    fill(store, 4, 2)
    store.install(["4.png", "2.png"])
    fill(store, 3)
    assert not store.is_installed(["2.png", "3.png", "4.png"])
    store.install(["2.png", "3.png", "4.png"])
    assert store.is_installed(["2.png", "3.png", "4.png"])
    assert not store.is_installed(["2.png", "3.png"])
    assert not store.is_installed(["3.png", "2.png", "4.png"])
    np.testing.assert_array_equal(np.load(tmp_path / "maps.npy"), [map_of(2), map_of(3), map_of(4)])


def test_a_reader_keeps_the_maps_that_it_opened(tmp_path):
    store = ScoreStore(tmp_path, "key", SHAPE)
    fill(store, 0)
    store.install(["0.png"])
    reader = np.load(tmp_path / "maps.npy", mmap_mode="r")
    store.add([(record_of(0), map_of(7))])
    store.install(["0.png"])
    np.testing.assert_array_equal(reader, [map_of(0)])
    np.testing.assert_array_equal(np.load(tmp_path / "maps.npy"), [map_of(7)])


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=4), data=st.data())
def test_whatever_bytes_are_lost_no_map_is_mistaken_for_another(batches, data, tmp_path_factory):
    """Cut both files anywhere, between installing and not: a picture has its own map afterwards or none."""
    folder = tmp_path_factory.mktemp("store")
    for batch in batches:
        store = ScoreStore(folder, "key", SHAPE)
        fill(store, *dict.fromkeys(batch))
        names = [f"{number}.png" for number in range(6) if store.get(f"{number}.png")]
        if names and data.draw(st.booleans()):
            store.install(names)
        name = data.draw(st.sampled_from(["maps.partial.npy", "maps.npy", "records.jsonl"]))
        if (folder / name).exists():
            content = (folder / name).read_bytes()
            (folder / name).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for number, value in known(folder, *range(6)).items():
        assert value == np.float32(number / 7)


def test_a_folder_belongs_to_one_writer(tmp_path):
    with exclusive(tmp_path), pytest.raises(Exception, match="Somebody else is scoring into"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass
