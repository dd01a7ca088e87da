from nsh_core.search.index import Hits, SearchIndex

__all__ = ["Hits", "SearchIndex"]
