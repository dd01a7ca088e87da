import numpy as np
import pytest

from nsh_core import UserError, load_dataset
from nsh_core.data import stl10

PARTS = (("train", 50), ("test", 80))  # a hundredth, to be quick


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """STL-10's files with the right sizes: of each image the pixel in row 2, column 5 of the second channel is set."""
    monkeypatch.setenv("NSH_DATA", str(tmp_path))
    monkeypatch.setattr(stl10, "_PARTS", PARTS)
    folder = tmp_path / "stl10" / "stl10_binary"
    folder.mkdir(parents=True)
    for part, count in PARTS:
        pixels = np.zeros((count, 3 * 96 * 96), np.uint8)
        pixels[:, 96 * 96 + 5 * 96 + 2] = np.arange(count) % 10 + 1  # column by column
        pixels.tofile(folder / f"{part}_X.bin")
        (np.arange(count) % 10 + 1).astype(np.uint8).tofile(folder / f"{part}_y.bin")
    return folder


def test_files_are_read_columns_first(folder):
    dataset = load_dataset("stl10")
    assert (dataset.num_train, len(dataset.database), len(dataset.test)) == (50, 50, 40)
    for split in (dataset.database, dataset.validation, dataset.test):
        pixels = split.rows(slice(0, 40))
        np.testing.assert_array_equal(pixels[:, 1, 2, 5], split.labels[:40])
        assert np.count_nonzero(pixels) == 40
    (folder / "test_y.bin").write_bytes(b"x")
    with pytest.raises(UserError, match=r"test_y\.bin must hold 80 times 1 bytes, got 1"):
        load_dataset("stl10")
    (folder / "test_y.bin").unlink()
    with pytest.raises(UserError, match=r"cannot read .*test_y\.bin: No such file"):
        load_dataset("stl10")
    with pytest.raises(UserError, match="dataset stl10 takes no argument, got 'all'"):
        load_dataset("stl10:all")
