"""Indices of packed codes, searched by Hamming distance."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from nsh_core.arguments import count, path
from nsh_core.codes import PackedCodes
from nsh_core.data import Split
from nsh_core.errors import UserError, in_a_line
from nsh_core.files import partial_of, write_atomically
from nsh_core.registry import nearest_file
from nsh_core.search.beside import digest_of, read_names, write_names
from nsh_core.search.encoding import Encoded, Progress, encoded
from nsh_core.search.kinds import AUTO, Kind, faiss, kind_named
from nsh_core.search.model import Model
from nsh_core.search.sources import Codes, code_of_image, is_codes, open_source

Items = npt.ArrayLike | torch.Tensor | Image.Image | Split | str | Path | Encoded

MODEL = "model"
_INDEX, _NAMES, _FACTS = "index.faiss", "names.txt", "index.json"
_AT_ONCE = 100_000
_SAMPLE, _RECALL_AT = 200, 10
_SHOWN = 5


@dataclass(frozen=True)
class Hits:
    """What a search found.

    Attributes:
        queries: What was searched for.
        indices: Of the database, best first [Q, top], ties in the order of the database; -1 where an inexact index
            finds fewer.
        distances: Hamming distances [Q, top].
        names: Of the hits, where the database has names.
    """

    queries: Encoded
    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int32]
    names: list[list[str]] | None

    def __repr__(self) -> str:
        queries, top = self.indices.shape
        names = self.indices if self.names is None else self.names
        first = [(names[0][place], self.distances[0, place]) for place in range(top) if self.indices[0, place] >= 0]
        shown = [f"{name} ({distance})" for name, distance in first[:_SHOWN]] + ["..."] * (len(first) > _SHOWN)
        asked = "a query" if queries == 1 else f"{queries:,} queries"
        return f"Hits of {asked}, {top} each; of the first, with Hamming distances: {', '.join(shown)}"


class SearchIndex:
    """A database of packed codes that is searched by Hamming distance. Hasher.index makes one, `load` reads one.

    Attributes:
        model: The hasher of the codes.
        kind: How it searches.
        names: Of the items, where they have any.
        root: The folder that those are in, where they are files.
        unread: Name and reason of each file that was left out, being no image, or a damaged one.
        recall: Share of the 10 nearest that an inexact index finds for codes of its own; none for an exact one.
    """

    def __init__(
        self,
        model: Model,
        kind: Kind,
        index: Any,
        names: list[str] | None = None,
        root: Path | None = None,
        unread: dict[str, str] | None = None,
        recall: float | None = None,
    ) -> None:
        self.model, self.kind, self.recall = model, kind, recall
        self.names, self.root, self.unread = names, root, unread or {}
        self._index = index

    @classmethod
    def of(cls, model: Model, database: Encoded, kind: str = AUTO, on_progress: Progress | None = None) -> SearchIndex:
        """An index of codes.

        Args:
            model: Their hasher.
            database: The codes.
            kind: See kind_named.
            on_progress: Called with the number of codes that are in the index.

        Raises:
            UserError: There is no such kind, faiss cannot be imported, or there is not a name for each code.
        """
        codes, names = database.codes, database.names
        if names is not None and len(names) != len(codes):
            raise UserError(f"an index wants a name for each item, got {len(names)} names of {len(codes)} items")
        chosen = kind_named(kind, len(codes), model.config.code_length)
        index = chosen.make(len(codes), 8 * codes.shape[1])
        for start in range(0, len(codes), _AT_ONCE):
            index.add(np.ascontiguousarray(codes[start : start + _AT_ONCE]))
            if on_progress is not None:
                on_progress(index.ntotal)
        recall = None if chosen.exact else _recall(chosen, index, codes)
        return cls(model, chosen, index, names, database.root, database.unread, recall)

    def __len__(self) -> int:
        return self._index.ntotal

    def __repr__(self) -> str:
        return f"<SearchIndex: {self.in_words()}>"

    def in_words(self) -> str:
        """What it is, in a line."""
        how = "exact" if self.recall is None else f"approximate: {self.recall:.1%} of the {_RECALL_AT} nearest found"
        bits = self.model.config.code_length
        return f"{len(self):,} codes of {bits} bits, {self.kind.name} ({self.kind.words}; {how})"

    def search(self, items: Items, top: int = 10, *, any_scale: bool = False) -> Hits:
        """The nearest items of the database.

        Args:
            items: Queries: items as Hasher.encode takes them, packed codes, an image of Pillow, or a place of any, or
                of image files (see open_source), or what those came to.
            top: How many hits a query has; more than there are: all.
            any_scale: See Hasher.encode.

        Raises:
            UserError: The queries do not suit the hasher, `top` is no number of at least 1, or a place holds no
                queries.
        """
        most = count("top", top)
        queries = encoded_items(self.model, items, any_scale)
        codes = np.ascontiguousarray(queries.codes)
        distances, indices = self.kind.search(self._index, codes, min(most, len(self)))
        known = self.names
        names = None if known is None else [[known[one] if one >= 0 else "" for one in row] for row in indices]
        return Hits(queries, indices, distances, names)

    def save(self, folder: str | Path) -> None:
        """Writes the index, the names and the hasher into a folder, which needs nothing else.

        Args:
            folder: That is not there yet.

        Raises:
            UserError: It is, or cannot be written.
        """
        folder = path("folder", folder)
        if folder.exists():
            raise UserError(f"{folder} is there already: remove it, or choose another place")
        ready = partial_of(folder) / "ready"
        try:
            shutil.rmtree(ready, ignore_errors=True)
            ready.mkdir(parents=True)
            faiss().write_index_binary(self._index, str(ready / _INDEX))
            self.model.save(ready / MODEL)
            write_names(ready / _NAMES, self.names or [])
            facts = {
                "kind": self.kind.name,
                "model": self.model.digest(),
                "bits": self.model.config.code_length,
                "codes": len(self),
                "named": self.names is not None,
                "root": None if self.root is None else str(self.root.absolute()),
                "unread": self.unread,
                "recall": self.recall,
                "sha256": {name: digest_of(ready / name) for name in (_INDEX, _NAMES)},
            }
            write_atomically(ready / _FACTS, json.dumps(facts, indent=1))
            os.replace(ready, folder)
            shutil.rmtree(partial_of(folder))
        except (OSError, RuntimeError) as error:
            raise UserError(f"cannot write {folder}: {getattr(error, 'strerror', None) or in_a_line(error)}") from None

    @classmethod
    def load(cls, folder: str | Path, model: Model) -> SearchIndex:
        """Reads what save wrote.

        Args:
            folder: As given to save.
            model: Hasher of the queries; the one that was saved with it is in the folder `model`.

        Raises:
            UserError: The index is missing or damaged, or its codes are another hasher's.
        """
        folder = path("folder", folder)
        try:
            facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            for name, digest in facts["sha256"].items():
                if digest_of(folder / name) != digest:
                    raise ValueError(f"{name} is not what was saved")
            if facts["model"] != model.digest():
                raise UserError(
                    f"{folder} holds codes of another model, {facts['model']}, this one is {model.digest()}: queries "
                    f"must come from the hasher in {folder / MODEL}"
                )
            index = faiss().read_index_binary(str(folder / _INDEX))
            kind = kind_named(facts["kind"], facts["codes"], facts["bits"])
            names = read_names(folder / _NAMES) if facts["named"] else None
            root = None if facts["root"] is None else Path(facts["root"])
            return cls(model, kind, index, names, root, facts["unread"], facts["recall"])
        except OSError as error:
            raise UserError(
                f"cannot read {error.filename or folder}: {error.strerror or error}{nearest_file(folder)}"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise UserError(f"{folder} is no index of this project or is damaged: {in_a_line(error)}") from None


def _recall(kind: Kind, index: Any, codes: PackedCodes) -> float:
    """Share of the nearest of some codes of the database that are found, others of the same distance as good."""
    sample = np.ascontiguousarray(codes[np.linspace(0, len(codes) - 1, min(_SAMPLE, len(codes))).astype(np.int64)])
    top = min(_RECALL_AT, len(codes))
    true, _ = faiss().downcast_IndexBinary(index.storage).search(sample, top)
    distances, _ = kind.search(index, sample, top)
    return float((distances <= true[:, -1:]).mean())


def encoded_items(model: Model, items: Items, any_scale: bool = False) -> Encoded:
    """Codes of items of any origin.

    Args:
        model: That encodes them.
        items: As for SearchIndex.search.
        any_scale: See Hasher.encode.

    Raises:
        UserError: They do not suit the hasher, or a place holds no items.
    """
    if isinstance(items, Encoded):
        return items
    if isinstance(items, str | Path):
        return encoded(open_source(items, model, any_scale=any_scale))
    if isinstance(items, Image.Image):
        return Encoded(code_of_image(items, model))
    if isinstance(items, np.ndarray) and is_codes(items, model):
        return encoded(Codes("'items'", "", items, model.config.code_length))
    batches = items.batches() if isinstance(items, Split) else model.batches(items, any_scale=any_scale)
    return Encoded(np.concatenate([model.encode_batch(batch) for batch in batches]))
