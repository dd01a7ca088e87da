import mmap

import numpy as np
import pytest

from nsh_core.data import scattered
from nsh_core.data.scattered import scattered_rows


@pytest.mark.parametrize("shape", [(300, 5, 77), (300, 5, 4096)])
def test_rows_are_those_of_the_array_however_they_are_read(tmp_path, monkeypatch, shape):
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape).astype(np.float16)
    np.save(tmp_path / "x.npy", values)
    monkeypatch.setattr(scattered, "_LARGE", 1)
    array = np.load(tmp_path / "x.npy", mmap_mode="r")
    items, views = rng.integers(0, shape[0], 200), rng.integers(0, shape[1], 200)
    items[:3], views[:3] = (0, shape[0] - 1, 7), (0, shape[1] - 1, 2)
    for part in (array, array[40:], array.transpose(1, 0, 2)[:, :200].transpose(1, 0, 2)):
        found = scattered_rows(part, items % len(part), views)
        np.testing.assert_array_equal(found, np.asarray(part)[items % len(part), views])
    flat = array.reshape(-1, shape[2])
    np.testing.assert_array_equal(scattered_rows(flat, items), values.reshape(-1, shape[2])[items])


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="this system takes no advice")
def test_each_row_is_asked_for_where_it_lies_and_arrays_in_memory_are_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(64 * 3000, dtype=np.uint8).reshape(64, 3000))
    monkeypatch.setattr(scattered, "_LARGE", 1)
    asked = []

    class Watched(mmap.mmap):
        def madvise(self, *advice: int) -> None:
            asked.append(advice)

    with path.open("rb") as file:
        mapped = Watched(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = np.frombuffer(mapped, np.uint8, offset=128).reshape(64, 3000)
    monkeypatch.setattr(scattered, "_map_of", lambda array: mapped)
    scattered_rows(array, np.array([7, 2]))
    first, *rows, last = asked
    assert (first, last) == ((mmap.MADV_RANDOM,), (mmap.MADV_NORMAL,))
    for row, (advice, start, length) in zip((2, 7), rows, strict=True):
        assert advice == mmap.MADV_WILLNEED
        assert start % mmap.PAGESIZE == 0
        assert start <= 128 + 3000 * row < start + mmap.PAGESIZE
        assert start + length == 128 + 3000 * (row + 1)
    monkeypatch.undo()
    np.testing.assert_array_equal(scattered_rows(np.eye(3), np.array([1])), [[0, 1, 0]])
