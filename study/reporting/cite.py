"""How to cite the project and the method that it studies."""

from __future__ import annotations

from study.analysis.results import Results

# What CITATION.cff says, which an installed package does not hold.
NSH = """\
@inproceedings{yu2022learning,
  title     = {Learning to Hash Naturally Sorts},
  author    = {Yu, Jiaguo and Shen, Yuming and Wang, Menghan and Zhang, Haofeng and Torr, Philip H. S.},
  booktitle = {Proceedings of the Thirty-First International Joint Conference on Artificial Intelligence},
  pages     = {1587--1593},
  year      = {2022},
  doi       = {10.24963/ijcai.2022/221},
  url       = {https://arxiv.org/abs/2201.13322}
}
"""
PROJECT = """\
@misc{nsh_study,
  title  = {nsh-study: hyperparameter studies and ablations for unsupervised deep hashing with differentiable sorting},
  author = {{The nsh-study authors}},
  year   = {%s},
  note   = {Software, commit %s}
}
"""


def bibtex(results: Results) -> str:
    """The project at the commit that trained, and the paper of NSH.

    Args:
        results: Of the study.
    """
    facts = results.facts
    return f"{PROJECT % (facts.written[:4], facts.provenance.get('commit', 'unknown'))}\n{NSH}"
