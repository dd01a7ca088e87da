"""What the commands from items to codes to hits do: encode, index, search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from nsh_core.errors import UserError, printable
from nsh_core.files import partial_of
from nsh_core.hasher import Hasher
from nsh_core.progress import progress_bar
from nsh_core.registry import nearest_file
from nsh_core.search.beside import facts_file, names_file
from nsh_core.search.encoding import encode_to, encoded
from nsh_core.search.index import MODEL, SearchIndex
from nsh_core.search.kinds import faiss, kind_named
from nsh_core.search.sheet import MOST_QUERIES, check_ending, contact_sheet, name_of
from nsh_core.search.sources import Codes, Source, open_source
from nsh_core.shortened import shortened

_SHOWN = 3


def encode(model: Path, items: str, out: Path, bits: int | None, any_scale: bool) -> None:
    """Encodes items into packed codes.

    Args:
        model: Folder of the hasher.
        items: Where they are.
        out: .npy of the codes.
        bits: Of the codes, fewer than the model's; none: all of them.
        any_scale: Whether items of another scale will do.

    Raises:
        UserError: What does not fit.
    """
    if out.resolve() == Path(items.partition(":")[0]).resolve():
        raise UserError(f"{out} holds the items, whose place their codes would take: choose another")
    hasher = _on_the_gpu(Hasher.load(model))
    hasher = hasher if bits is None else shortened(hasher, bits)
    source = _opened(items, hasher, any_scale)
    if isinstance(source, Codes):
        raise UserError(f"{source.words} already: nothing is left to encode")
    with _progress(source) as show:
        done = encode_to(out, source, hasher, show)
    _print_unread(source, done.unread, facts_file(out))
    print(f"codes: {len(done.codes)} of {hasher.config.code_length} bits in {out}")
    if done.names is not None:
        print(f"names: {names_file(out)}")


def index(model: Path, database: str, out: Path, kind: str, any_scale: bool) -> None:
    """Makes a folder of items that `search` searches.

    Args:
        model: Folder of the hasher.
        database: Where the items, or their codes, are.
        out: The folder.
        kind: Of the index, or "auto".
        any_scale: Whether items of another scale will do.

    Raises:
        UserError: What does not fit.
    """
    faiss()
    if out.exists():
        raise UserError(f"{out} is there already: remove it, or choose another place")
    hasher = _on_the_gpu(Hasher.load(model))
    source = _opened(database, hasher, any_scale)
    kind_named(kind, len(source), hasher.config.code_length)  # a wrong name is refused before the work
    with _progress(source) as show:
        done = encode_to(partial_of(out) / "codes.npy", source, hasher, show)
    with _progress(source, "in the index") as show:
        made = SearchIndex.of(hasher, done, kind, show)
    made.save(out)
    _print_unread(source, done.unread, out / "index.json")
    print(f"index: {made.in_words()} in {out}")


def search(index: Path, query: str, top: int, sheet: Path | None, any_scale: bool) -> None:
    """Prints rank, Hamming distance and name of each hit.

    Args:
        index: Its folder.
        query: Where the items, or their codes, are.
        top: Hits of each query.
        sheet: File of a contact sheet; none: there is none.
        any_scale: Whether items of another scale will do.

    Raises:
        UserError: What does not fit.
    """
    if sheet is not None:
        check_ending(sheet)
    if not (index / MODEL).is_dir():
        near = nearest_file(index)
        raise UserError(f"{index} is no index, which python -m nsh_core index makes{near}")
    hasher = _on_the_gpu(Hasher.load(index / MODEL))
    known = SearchIndex.load(index, hasher)
    source = open_source(query, hasher, any_scale=any_scale)
    with _progress(source) as show:
        queries = encoded(source, show)
    hits = known.search(queries, top)
    print(f"index: {known.in_words()}")
    for number, (row, distances) in enumerate(zip(hits.indices.tolist(), hits.distances.tolist(), strict=True)):
        print(f"query: {name_of(queries.names, number)}")
        for rank, (place, distance) in enumerate(zip(row, distances, strict=True), 1):
            if place >= 0:
                print(f"{rank:4d} {distance:4d}  {name_of(known.names, place)}")
    _print_unread(source, queries.unread)
    if sheet is not None:
        contact_sheet(sheet, known, hits)
        most = f", the first {MOST_QUERIES} queries" if len(hits.indices) > MOST_QUERIES else ""
        print(f"sheet: {sheet}{most}")


def _on_the_gpu(hasher: Hasher) -> Hasher:
    """The hasher, on a GPU where there is one and its config does not say otherwise."""
    if torch.cuda.is_available() and hasher.config.train.device != "cpu":
        hasher.model.to("cuda")
    return hasher


def _opened(where: str, hasher: Hasher, any_scale: bool) -> Source:
    source = open_source(where, hasher, any_scale=any_scale)
    print(f"expects: {hasher.takes()}")
    print(f"got: {printable(source.words)}")
    return source


@contextmanager
def _progress(source: Source, unit: str = "items") -> Iterator[Callable[[int], None]]:
    with progress_bar(unit) as progress:
        task = progress.add_task(unit, total=len(source))
        yield lambda done: progress.update(task, completed=done)


def _print_unread(source: Source, unread: dict[str, str], told: Path | None = None) -> None:
    """Notes what was left out: all of it where no file tells."""
    shown = list(unread.values())[: None if told is None else _SHOWN]
    for reason in shown:
        print(f"note: left out: {printable(reason)}")
    if told is not None and unread:
        print(f"note: {len(unread):,} of {len(source):,} images are left out; {told} tells which")
