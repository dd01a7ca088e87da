"""What is to be encoded: image files, arrays of items, or codes that are there already."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from typing_extensions import override

from nsh_core.array_files import map_array, read_archive
from nsh_core.backbones import check_weights
from nsh_core.codes import PackedCodes
from nsh_core.data.checks import scale_of
from nsh_core.data.dataset import batch_of_images, scaled
from nsh_core.data.decode import NoImage, key_of, read_square
from nsh_core.data.features import FACTS
from nsh_core.data.lists import LIST_ENDING, read_paths
from nsh_core.data.pixels import square
from nsh_core.data.sources import IMAGE_ENDINGS, image_files
from nsh_core.errors import UserError
from nsh_core.files import status_of
from nsh_core.frozen import FrozenBackbone
from nsh_core.registry import nearest, nearest_file
from nsh_core.search.beside import names_file, read_facts, read_names
from nsh_core.search.model import Model
from nsh_core.sections import ImageConfig

_MEMBER = re.compile(r"(.+\.npz):(.+)", re.DOTALL)
_SEEN_AT_ONCE = 64  # images, by a frozen backbone
_CODES = 2**16


class CodeBatch(NamedTuple):
    """Codes of some items.

    Attributes:
        codes: Packed, of those that could be read.
        unread: Position and reason of those that could not.
        done: How many items of the source are done with it.
    """

    codes: PackedCodes
    unread: dict[int, str]
    done: int


class Source(ABC):
    """Items in an order.

    Args:
        where: Where they are.
        kind: What they are.
        key: Identifies them as they are now.

    Attributes:
        where: As given.
        words: What and where they are.
        key: As given.
        names: Of the items, where they are files: their paths from `root`.
        root: The folder that they are in.
    """

    names: list[str] | None = None
    root: Path | None = None

    def __init__(self, where: str | Path, kind: str, key: str) -> None:
        self.where, self.words, self.key = where, f"{where}: {kind}", key

    @abstractmethod
    def __len__(self) -> int:
        """How many items there are."""

    @abstractmethod
    def code_batches(self, done: int = 0) -> Iterator[CodeBatch]:
        """Codes of the items in order, behind those that are done; the same batches wherever they begin.

        Args:
            done: As an earlier batch had it.

        Raises:
            UserError: Items cannot be read, or do not suit the hasher.
        """


class Codes(Source):
    """Packed codes [N, ceil(K / 8)], and the names of what they are of, if they are known."""

    def __init__(self, where: str | Path, key: str, codes: PackedCodes, bits: int) -> None:
        super().__init__(where, f"{len(codes):,} codes of {bits} bits", key)
        self._codes, self._beyond = codes, (1 << -bits % 8) - 1

    @override
    def __len__(self) -> int:
        return len(self._codes)

    @override
    def code_batches(self, done: int = 0) -> Iterator[CodeBatch]:
        for start in range(done, len(self), _CODES):
            codes = self._codes[start : start + _CODES]
            if (codes[:, -1] & self._beyond).any():
                raise UserError(f"{self.where} holds no codes of this length: bits behind the last one are set")
            yield CodeBatch(codes, {}, start + len(codes))


class Rows(Source):
    """Items of an array [N, D], or images [N, 3, H, W]."""

    def __init__(self, where: str | Path, key: str, array: npt.NDArray, model: Model, any_scale: bool) -> None:
        super().__init__(where, f"{array.dtype} {list(array.shape)}", key)
        self._array, self._model, self._any_scale = array, model, any_scale

    @override
    def __len__(self) -> int:
        return len(self._array)

    @override
    def code_batches(self, done: int = 0) -> Iterator[CodeBatch]:
        try:
            batches = self._model.batches(self._array, any_scale=self._any_scale)
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from None
        for batch in batches.after(done):
            done += len(batch)
            yield CodeBatch(self._model.encode_batch(batch), {}, done)


class Pictures(Source):
    """Image files, decoded by all cores a batch ahead; those that are no images, or damaged, have no code."""

    def __init__(self, where: Path, names: list[str], root: Path, model: Model) -> None:
        self._paths = [root / name for name in names]
        super().__init__(where, f"{len(names):,} images" if len(names) > 1 else "an image", key_of(self._paths))
        self.names, self.root = names, root
        self._side, self._at_once, self._encode = _image_encoder(model)

    @override
    def __len__(self) -> int:
        return len(self._paths)

    @override
    def code_batches(self, done: int = 0) -> Iterator[CodeBatch]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                ahead = self._begun(pool, done)
                while ahead:
                    current, ahead = ahead, self._begun(pool, done + len(ahead))
                    yield self._codes_of(current, done)
                    done += len(current)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _begun(self, pool: ThreadPoolExecutor, done: int) -> list[Future[npt.NDArray[np.uint8]]]:
        paths = self._paths[done : done + self._at_once]
        return [pool.submit(_square, path, self._side) for path in paths]

    def _codes_of(self, decoding: list[Future[npt.NDArray[np.uint8]]], done: int) -> CodeBatch:
        images, unread = [], {}
        for place, one in enumerate(decoding, done):
            try:
                images.append(one.result())
            except NoImage as error:
                unread[place] = str(error)
        codes = self._encode(scaled(np.stack(images), 1 / 255)) if images else np.empty((0, 0), np.uint8)
        return CodeBatch(codes, unread, done + len(decoding))


def _square(path: Path, side: int) -> npt.NDArray[np.uint8]:
    if "\n" in str(path):
        raise NoImage(f"{path} has a line break in its name, and names are kept a line each")
    return read_square(path, side)


def _image_encoder(model: Model) -> tuple[int, int, Callable[[torch.Tensor], PackedCodes]]:
    """The side of the images, how many at once, and what makes codes of images [n, 3, side, side] in [0, 1]."""
    facts = None if model.data is None else model.data.images
    if facts is None:
        raise UserError(
            f"the hasher takes {model.takes()}, and does not know how image files become those: give an array of them"
        )
    if not facts.backbone:
        return facts.side, batch_of_images((1, 3, facts.side, facts.side)), model.encode_batch
    seen = {"backbone": facts.backbone, "weights": facts.weights, "size": facts.size}
    image = ImageConfig.model_validate(seen)
    check_weights(image, facts.weights_version)
    backbone = FrozenBackbone(image)

    def encode(images: torch.Tensor) -> PackedCodes:
        return model.encode_batch(scaled(backbone(images).astype(facts.dtype), 1.0))

    return facts.side, _SEEN_AT_ONCE, encode


def code_of_image(image: Image.Image, model: Model) -> PackedCodes:
    """The packed code [1, ceil(K / 8)] of an image in memory, as of a file of it.

    Args:
        image: Of any size and mode.
        model: That is to encode it.

    Raises:
        UserError: The model takes no images, or the image cannot be read.
    """
    side, _, encode = _image_encoder(model)
    return encode(scaled(square("'items'", image, side)[None], 1 / 255))


def open_source(where: str | Path, model: Model, *, any_scale: bool = False) -> Source:
    """Items at a place.

    Args:
        where: An image; a folder of images, which may lie in folders; a list of their paths, a .txt file of a line
            each, from the list's folder (labels behind them are left out); an array [N, D] or [N, 3, H, W] in a .npy
            file, or as FILE.npz:ARRAY, times `scale` where the file has one, as feature files do; or codes uint8
            [N, ceil(K / 8)].
        model: That is to encode them.
        any_scale: Also items that are of another scale than those that the model was trained on.

    Raises:
        UserError: There is nothing of that kind.
    """
    member = _MEMBER.fullmatch(str(where))
    if member is not None and not Path(where).exists():
        return _of_archive(Path(member[1]), member[2], model, any_scale)
    path = Path(where)
    if path.is_dir():
        files = image_files(path)
        if not files:
            raise UserError(f"{path} holds no images, files that end in {', '.join(sorted(IMAGE_ENDINGS))}")
        names = [file.relative_to(path).as_posix() for file in files]
        return Pictures(path, names, path, model)
    try:
        status_of(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}{nearest_file(path)}") from None
    kind = path.suffix.lower()
    if kind == ".npy":
        return _of_array(path, key_of([path]), map_array(path), model, any_scale)
    if kind == ".npz":
        return _of_archive(path, None, model, any_scale)
    if kind in IMAGE_ENDINGS:
        return Pictures(path, [path.name], path.parent, model)
    if kind != LIST_ENDING:
        known = f"{', '.join(sorted(IMAGE_ENDINGS))}, {LIST_ENDING} (a list of images), .npy and .npz (arrays)"
        raise UserError(f"the ending of {path} must tell what it holds, known: {known}")
    return Pictures(path, read_paths(path), path.parent, model)


def _of_archive(path: Path, member: str | None, model: Model, any_scale: bool) -> Source:
    names = [name for name in read_archive(path, ())[1] if name != FACTS]
    if member is None and len(names) == 1:
        [member] = names
    if member not in names:
        asked = f"no array {member!r}" if member else f"{len(names)} arrays"
        near = nearest(member, names) if member else ""
        raise UserError(f"{path} holds {asked}: say which, {path}:ARRAY, one of {', '.join(names)}{near}")
    arrays, _ = read_archive(path, (member, "scale"))
    array, key = arrays[member], f"{key_of([path])}:{member}"
    if "scale" in arrays and array.dtype.kind in "uif" and not is_codes(array, model):
        array = array.astype(np.float32) * np.float32(scale_of(path, arrays))
    return _of_array(f"{path}:{member}", key, array, model, any_scale)


def _of_array(where: str | Path, key: str, array: npt.NDArray, model: Model, any_scale: bool) -> Source:
    if not is_codes(array, model):
        return Rows(where, key, array, model, any_scale)
    codes = Codes(where, key, array, model.config.code_length)
    facts = read_facts(Path(where))
    if facts is None:
        print(f"note: nothing beside {where} tells which model made these codes")
    elif facts["model"] != model.digest():
        raise UserError(f"{where} holds codes of another model, {facts['model']}, this one is {model.digest()}")
    elif facts["root"] is not None:
        names = names_file(Path(where))
        try:
            codes.names, codes.root = read_names(names), Path(facts["root"])
        except OSError as error:
            raise UserError(f"cannot read {names}, the names of {where}: {error.strerror or error}") from None
    return codes


def is_codes(array: npt.NDArray, model: Model) -> bool:
    """Whether an array holds packed codes of a model's length, and no items.

    Args:
        array: Of any shape.
        model: Whose codes.
    """
    width = -(-model.config.code_length // 8)
    return array.dtype == np.uint8 and array.ndim == 2 and array.shape[1] == width != model.dim
