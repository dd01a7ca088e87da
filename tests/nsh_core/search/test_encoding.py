import io
import json
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from nsh_core import Hasher, UserError, fit, frozen, load_dataset, make_config
from nsh_core.__main__ import app
from nsh_core.inputs import ImageFacts
from nsh_core.preparation import prepared
from nsh_core.search import encoding, sources
from nsh_core.search.encoding import encode_to
from nsh_core.search.sources import open_source
from tests.conftest import feature_arrays
from tests.nsh_core.images import make_list
from tests.nsh_core.test_extraction import Colours
from tests.study.commands import Fork


def test_a_folder_gets_the_codes_of_its_data_set(of_images, tmp_path, monkeypatch, capsys):
    photos, model = of_images
    monkeypatch.setenv("NSH_CACHE", str(tmp_path))
    out = tmp_path / "codes.npy"
    app(["encode", "--model", str(model), "--input", str(photos / "train"), "--out", str(out)], standalone_mode=False)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "expects: images [N, 3, H, W], uint8 or floats in [0, 1]; image files are scaled to a shorter side of 16 pixels"
        " and cut to the middle square",
        f"got: {photos / 'train'}: 36 images",
        f"codes: 36 of 12 bits in {out}",
        f"names: {out.with_suffix('.names.txt')}",
    ]
    dataset = load_dataset(f"imagefolder:{photos}")
    rows = np.argsort(dataset.splits()["database"])  # the database is shuffled
    np.testing.assert_array_equal(np.load(out), Hasher.load(model).encode(dataset.database)[rows])
    names = out.with_suffix(".names.txt").read_text().splitlines()
    assert names == sorted(names, key=lambda name: Path(name).parts)
    assert (len(names), names[0]) == (36, "class 0/0.png")


def test_an_image_that_cannot_be_read_is_left_out_and_named(of_images, tmp_path, capsys):
    photos, model = of_images
    hasher = Hasher.load(model)
    whole = encode_to(tmp_path / "whole.npy", open_source(photos, hasher), hasher)
    listed = [*whole.names[:5], str(tmp_path / "bad.jpg"), *whole.names[5:], str(tmp_path / "a\nb.png")]
    (tmp_path / "bad.jpg").write_bytes((photos / "train/class 1/0.jpg").read_bytes()[:300])
    (tmp_path / "a\nb.png").write_bytes((photos / whole.names[0]).read_bytes())
    source = sources.Pictures(photos, listed, photos, hasher)
    done = encode_to(tmp_path / "some.npy", source, hasher)
    np.testing.assert_array_equal(done.codes, whole.codes)
    assert done.names == whole.names
    assert list(done.unread) == [str(tmp_path / "bad.jpg"), str(tmp_path / "a\nb.png")]
    facts = json.loads((tmp_path / "some.facts.json").read_text())
    assert list(facts["unread"]) == ["5", "49"]
    assert facts["unread"]["5"].startswith(f"{tmp_path / 'bad.jpg'} is no readable image: OSError")
    command = ["encode", "--model", str(model), "--input", str(tmp_path / "bad.jpg"), "--out", str(tmp_path / "x.npy")]
    with pytest.raises(UserError, match=r"^\S+bad\.jpg is no readable image: "):
        app(command, standalone_mode=False)


def test_a_disk_that_fails_ends_the_work_and_the_same_call_goes_on(of_images, tmp_path, monkeypatch):
    photos, model = of_images
    hasher = Hasher.load(model)
    source = open_source(photos, hasher)
    whole = encode_to(tmp_path / "whole.npy", source, hasher)
    monkeypatch.setattr(sources, "batch_of_images", lambda shape: 5)
    place = photos / whole.names[23]
    read = sources.read_square

    def failing(path: Path, side: int) -> np.ndarray:
        if path == place:
            raise UserError(f"cannot read {path}: Input/output error")
        return read(path, side)

    monkeypatch.setattr(sources, "read_square", failing)
    monkeypatch.setattr(encoding, "_SAVE_SECONDS", 0)
    with pytest.raises(UserError, match="Input/output error"):
        encode_to(tmp_path / "codes.npy", open_source(photos, hasher), hasher)
    assert json.loads((tmp_path / "codes.npy.partial" / "state.json").read_text())["done"] == 20
    asked = []
    monkeypatch.setattr(sources, "read_square", lambda path, side: asked.append(path) or read(path, side))
    encode_to(tmp_path / "codes.npy", open_source(photos, hasher), hasher)
    assert len(asked) == 48 - 20
    assert (tmp_path / "codes.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def array_command(hasher: Hasher, items: np.ndarray, folder: Path, *options: str) -> list[str]:
    hasher.save(folder / "model")
    np.save(folder / "items.npy", items)
    base = ["encode", "--model", str(folder / "model"), "--input", str(folder / "items.npy")]
    return [*base, "--out", str(folder / "codes.npy"), *options]


@pytest.mark.slow(4)
def test_killed_at_random_moments_the_files_are_the_same_byte_for_byte(digits, hasher, tmp_path):
    items = np.resize(digits.database.items, (12 * 4096 + 5, 64))
    command = array_command(hasher, items, tmp_path)
    rng = random.Random(0)
    kills = 0
    for delay in (0, rng.uniform(0, 0.2), rng.uniform(0, 0.4)):
        process = Fork("nsh_core", *command)
        while process.poll() is None and not (tmp_path / "codes.npy.partial").exists():
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        process.wait()
        kills += not (tmp_path / "codes.npy").exists()
    assert kills > 0
    app(command, standalone_mode=False)
    buffer = io.BytesIO()
    np.save(buffer, hasher.encode(items))
    assert (tmp_path / "codes.npy").read_bytes() == buffer.getvalue()
    assert not (tmp_path / "codes.npy.partial").exists()
    written = (tmp_path / "codes.npy").stat().st_mtime_ns
    app(command, standalone_mode=False)
    assert (tmp_path / "codes.npy").stat().st_mtime_ns == written  # nothing was left to do


def test_work_of_others_is_refused(digits, hasher, tmp_path, monkeypatch):
    command = array_command(hasher, digits.database.items, tmp_path)
    monkeypatch.setattr(Hasher, "encode_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        app(command, standalone_mode=False)
    monkeypatch.undo()
    partial = tmp_path / "codes.npy.partial"
    state = {"facts": {"model": "another"}, "done": 0, "rows": 0, "unread": {}}
    (partial / "state.json").write_text(json.dumps(state))
    message = f"{partial} holds work with another model, bits, device, items, count: remove it, or choose another file"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        app(command, standalone_mode=False)
    with FileLock(partial / "lock"), pytest.raises(UserError, match=f"^another command works in {partial}: wait"):
        app(command, standalone_mode=False)


def test_features_get_the_codes_that_their_images_get(tmp_path, monkeypatch):
    """By a frozen backbone: one that needs no package stands in for a pre-trained one."""
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(frozen, "build_backbone", lambda image: Colours())
    make_list(tmp_path)
    dataset = load_dataset(f"list:{tmp_path / 'images.txt'}")
    image = {"backbone": "efficientnet_lite0", "size": 32, "stored_views": 2}
    config = make_config({"code_length": 16, "image": image, "method": {"name": "itq"}, "train": {"batch_size": 16}})
    trained = fit(config, dataset)
    features = prepared(config, dataset)
    codes = trained.index(tmp_path / "images.txt").search(tmp_path / "images.txt").queries.codes
    np.testing.assert_array_equal(codes[features.splits()["database"]], trained.encode(features.database))
    np.testing.assert_array_equal(codes[features.splits()["test"]], trained.encode(features.test))
    app(
        ["features", "--dataset", f"list:{tmp_path / 'images.txt'}", "--backbone", "efficientnet_lite0", "--views", "2",
         "--out", str(tmp_path / "f.npz")], standalone_mode=False,
    )  # fmt: skip
    by_file = fit(make_config({"code_length": 16, "train": {"epochs": 1, "batch_size": 16}}),
                  load_dataset(f"features:{tmp_path / 'f.npz'}"))  # fmt: skip
    assert by_file.data.images == ImageFacts(16, "efficientnet_lite0", 224, "pretrained", "float16")
    by_file.save(tmp_path / "model")
    loaded = Hasher.load(tmp_path / "model")
    assert loaded.digest() == by_file.digest()
    codes = loaded.index(tmp_path / "images.txt").search(tmp_path / "images.txt").queries.codes
    np.testing.assert_array_equal(codes[features.splits()["test"]], by_file.encode(features.test))


def test_arrays_of_an_archive_are_scaled_as_a_feature_file_says(tmp_path):
    arrays = feature_arrays(stored=np.uint8)
    np.savez(tmp_path / "f.npz", **arrays)
    dataset = load_dataset(f"features:{tmp_path / 'f.npz'}")
    trained = fit(make_config({"code_length": 8, "train": {"epochs": 1, "batch_size": 16}}), dataset)
    queries = trained.index(dataset.database).search(f"{tmp_path / 'f.npz'}:database").queries
    np.testing.assert_array_equal(queries.codes, trained.encode(dataset.database))
    np.savez(tmp_path / "one.npz", items=dataset.database.items * np.float32(0.05))
    queries = trained.index(dataset.database).search(tmp_path / "one.npz").queries
    np.testing.assert_array_equal(queries.codes, trained.encode(dataset.database))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("f.npz", r"f\.npz holds 7 arrays: say which, \S+f\.npz:ARRAY, one of train_views, "),
        ("f.npz:databas", r"holds no array 'databas': say which, .*; did you mean 'database'\?"),
        ("f.npz:train_views", r"f\.npz:train_views: 'items' must have shape \[N, 64\], N >= 1, got \[80, 3, 12\]"),
        ("empty", r"empty holds no images, files that end in \.bmp, "),
        ("a.png", r"the hasher takes 64 values an item \(in training .*\), and does not know how image files become"),
        ("b.png", r"cannot read \S+b\.png: No such file or directory; did you mean 'a\.png'\?"),
        (
            "cauchy.py",
            r"the ending of \S+/cauchy\.py must tell what it holds, known: \.bmp, .*, \.txt \(a list of im",
        ),
        ("noend", r"the ending of \S+/noend must tell what it holds, known: "),
        ("list.txt", r"2 of 2 images are missing, the first: \S+/x\.png"),
        ("far.npy", r"far\.npy: 'items' are of another scale than what the hasher was trained on"),
        ("codes.npy", r"codes\.npy: 3 codes of 8 bits already: nothing is left to encode"),
    ],
)
def test_what_cannot_be_encoded_is_one_line(hasher, tmp_path, where, message):
    np.savez(tmp_path / "f.npz", **feature_arrays(stored=np.uint8))
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    for name in ("list.txt", "cauchy.py", "noend"):
        (tmp_path / name).write_text("x.png\ny.png\n")
    np.save(tmp_path / "codes.npy", np.zeros((3, 1), np.uint8))
    np.save(tmp_path / "far.npy", np.full((3, 64), 200.0))
    hasher.save(tmp_path / "model")
    command = ["encode", "--model", str(tmp_path / "model"), "--input", str(tmp_path / where)]
    with pytest.raises(UserError, match=message):
        app([*command, "--out", str(tmp_path / "out.npy")], standalone_mode=False)


def test_codes_are_written_as_npy(digits, hasher, tmp_path):
    command = array_command(hasher, digits.test.items, tmp_path)
    command[command.index("--out") + 1] = str(tmp_path / "codes.bin")
    with pytest.raises(UserError, match=r"^codes are written as a file that ends in \.npy, got \S+/codes\.bin$"):
        app(command, standalone_mode=False)
