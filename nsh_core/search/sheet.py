"""Contact sheets: queries and what was found for them, as pictures, in one HTML or PNG file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jinja2
from PIL import Image, ImageDraw, ImageFont, ImageOps

from nsh_core.data.decode import read_image
from nsh_core.errors import UserError, printable
from nsh_core.files import write_atomically
from nsh_core.search.index import Hits, SearchIndex

MOST_QUERIES = 50
_SIDE, _GAP, _LINE = 128, 12, 16
_COLUMNS = 10
_INK, _FAINT, _LINES, _BLANK, _QUERY = "#1c2733", "#5b6b7a", "#dfe5ea", "#eef1f4", "#0173b2"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
  body { font: 14px/1.35 system-ui, "DejaVu Sans", sans-serif; color: {{ ink }}; background: #fff; margin: 1.5rem; }
  p, figcaption b { color: {{ faint }}; font-weight: normal; }
  section { display: flex; gap: 1.5rem; border-top: 1px solid {{ lines }}; padding: 1rem 0; }
  section > div { display: flex; flex-wrap: wrap; gap: .8rem; }
  figure { margin: 0; width: {{ side }}px; flex: none; }
  figure div { height: {{ side }}px; display: grid; place-items: center; background: {{ blank }}; }
  .query div { outline: 3px solid {{ query }}; }
  figcaption { overflow-wrap: anywhere; font-size: 12px; margin-top: .4rem; }
</style>
</head>
<body>
<p>{{ title }}</p>
{% macro figure(tile, kind) %}
<figure class="{{ kind }}"><div>{% if tile.source %}<img src="{{ tile.source }}" alt="">{% endif %}</div>
<figcaption><b>{{ tile.above }}</b><br>{{ tile.name }}</figcaption></figure>
{% endmacro %}
{% for query, hits in rows %}
<section>
{{ figure(query, "query") }}
<div>
{% for hit in hits %}
{{ figure(hit, "hit") }}
{% endfor %}
</div>
</section>
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True)
class _Tile:
    """A picture and its captions.

    Attributes:
        above: What it is: a query, or rank and distance.
        name: Of the item.
        picture: None where there is no file, or it is no longer an image.
    """

    above: str
    name: str
    picture: Image.Image | None

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        if self.picture is None:
            return ""
        buffer = io.BytesIO()
        self.picture.save(buffer, "jpeg", quality=88)
        return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


_Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
_Row = tuple[_Tile, list[_Tile]]


def contact_sheet(path: str | Path, index: SearchIndex, hits: Hits) -> None:
    """Writes a contact sheet of the first 50 queries and their hits; items that are no files have their names alone.

    Args:
        path: Ending in .html or .png.
        index: That was searched.
        hits: What was found.

    Raises:
        UserError: The file has another ending, is one of the items, or cannot be written.
    """
    path = Path(path)
    check_ending(path)
    for items in (index, hits.queries):
        alike = [name for name in items.names or () if Path(name).name == path.name]
        if path.exists() and any(((items.root or Path()) / name).resolve() == path.resolve() for name in alike):
            raise UserError(f"{path} is one of the items, whose place a contact sheet would take: choose another")
    make = _html if path.suffix.lower() == ".html" else _png
    write_atomically(path, make(f"{len(hits.indices):,} queries; {index.in_words()}", _rows(index, hits)))


def check_ending(path: Path) -> None:
    """Refuses a contact sheet that would be neither HTML nor PNG.

    Args:
        path: Of the sheet.

    Raises:
        UserError: It ends in neither.
    """
    if path.suffix.lower() not in (".html", ".png"):
        raise UserError(f"a contact sheet must end in .html or .png, got {path}")


def _rows(index: SearchIndex, hits: Hits) -> list[_Row]:
    queries, found = hits.queries, hits.indices[:MOST_QUERIES]
    wanted = sorted({int(place) for place in found.flat if place >= 0})
    with ThreadPoolExecutor() as pool:
        asked = list(pool.map(lambda place: _picture(queries.root, queries.names, place), range(len(found))))
        pictures = list(pool.map(lambda place: _picture(index.root, index.names, place), wanted))
    known = dict(zip(wanted, pictures, strict=True))
    return [
        (
            _Tile("query", name_of(queries.names, number), asked[number]),
            [
                _Tile(f"{rank}, distance {distance}", name_of(index.names, place), known[place])
                for rank, (place, distance) in enumerate(zip(row.tolist(), distances.tolist(), strict=True), 1)
                if place >= 0
            ],
        )
        for number, (row, distances) in enumerate(zip(found, hits.distances, strict=False))
    ]


def name_of(names: Sequence[str] | None, place: int) -> str:
    """What an item is called, with signs that do not print shown as what they are; its number where it has no name.

    Args:
        names: Of all items, if they have any.
        place: Of the item.
    """
    return str(place) if names is None else printable(names[place])


def _picture(root: Path | None, names: Sequence[str] | None, place: int) -> Image.Image | None:
    if names is None:
        return None
    try:
        return ImageOps.contain(read_image((root or Path()) / names[place]), (_SIDE, _SIDE))
    except UserError:
        return None


def _html(title: str, rows: list[_Row]) -> str:
    page = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    colours = {"ink": _INK, "faint": _FAINT, "lines": _LINES, "blank": _BLANK, "query": _QUERY}
    return page.render(title=title, rows=rows, side=_SIDE, **colours)


def _png(title: str, rows: list[_Row]) -> bytes:
    """A row of pictures for each query; more than ten hits go on in the next."""
    width, height = _SIDE + _GAP, _SIDE + 2 * _LINE + 2 * _GAP
    lines = [max(1, -(-len(hits) // _COLUMNS)) for _, hits in rows]
    columns = 1 + max(min(_COLUMNS, len(hits)) for _, hits in rows)
    font = ImageFont.load_default(12)
    least = int(font.getlength(title)) + 2 * _GAP
    size = max(least, columns * width + 3 * _GAP), sum(lines) * height + 2 * _LINE + _GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, _FAINT, font)
    top = 2 * _LINE + _GAP
    for (query, hits), count in zip(rows, lines, strict=True):
        draw.line((0, top - _GAP // 2, size[0], top - _GAP // 2), _LINES)
        _put(sheet, draw, font, query, _GAP, top)
        draw.rectangle((_GAP - 2, top - 2, _GAP + _SIDE + 1, top + _SIDE + 1), outline=_QUERY, width=3)
        for number, hit in enumerate(hits):
            line, column = divmod(number, _COLUMNS)
            _put(sheet, draw, font, hit, 2 * _GAP + (1 + column) * width, top + line * height)
        top += count * height
    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    return buffer.getvalue()


def _put(sheet: Image.Image, draw: ImageDraw.ImageDraw, font: _Font, tile: _Tile, left: int, top: int) -> None:
    draw.rectangle((left, top, left + _SIDE - 1, top + _SIDE - 1), _BLANK)
    if tile.picture is not None:
        across, down = ((_SIDE - length) // 2 for length in tile.picture.size)
        sheet.paste(tile.picture, (left + across, top + down))
    draw.text((left, top + _SIDE + 4), tile.above, _FAINT, font)
    name = tile.name
    while font.getlength(name) > _SIDE and len(name) > 1:  # the end of a path tells more than its beginning
        name = f"…{name[2:]}"
    draw.text((left, top + _SIDE + 4 + _LINE), name, _INK, font)
