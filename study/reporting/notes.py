"""What tables say below themselves: the same words on the page, in Markdown and in LaTeX."""

from __future__ import annotations

from study.analysis.results import Results

BOLD = "Bold: best on the validation queries of the arms that it is compared with."
MARK = (
    "† not told apart from the best arm that it is compared with: p of .05 or more by the largest |t| of all pairs of "
    "arms, which pays for the choice of the best."
)
LABELS = "‡ learns from labels: a ceiling for scale, never the best arm."
CONTINUOUS = "continuous input, by cosine"
COST = "What a run of each arm costs when it trains by itself, mean of its repeats."
TIES = "Items at one Hamming distance stand in the order of the database, which is shuffled by a fixed seed."
TIE_AWARE = "Tie-aware: the mean over all orders of such items."


def brackets(results: Results) -> str:
    """What intervals are.

    Args:
        results: Of the study.
    """
    over = "seeds and queries, both taken as samples" if results.by_query else "seeds"
    return f"Brackets are 95% intervals over {over}, by Student's t, which takes seed means as near normal"
