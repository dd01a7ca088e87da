"""Search: image files and arrays to codes on disk, and indices of codes."""

from nsh_core.search.index import Hits, SearchIndex

__all__ = ["Hits", "SearchIndex"]
