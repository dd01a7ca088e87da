"""Numbers and verdicts in pages, quoted from tables: python -m study.reporting.quoted README.md docs."""

from study.reporting.quoted.expressions import evaluator
from study.reporting.quoted.literals import literals
from study.reporting.quoted.page import Piece, Rewritten, pieces, rewritten
from study.reporting.quoted.vocabulary import vocabulary

__all__ = ["Piece", "Rewritten", "evaluator", "literals", "pieces", "rewritten", "vocabulary"]
