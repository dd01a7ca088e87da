"""Expressions in pages: a call of what can be quoted, by Jinja's grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from nsh_core.errors import UserError
from nsh_core.registry import listed, nearest
from study.reporting.quoted.page import Evaluate


def evaluator(names: Mapping[str, Callable[..., Any]]) -> Evaluate:
    """What evaluates expressions.

    Args:
        names: What may be called.

    Returns:
        A function of an expression and its place, which raises UserError with the place where it has no value.
    """
    environment = SandboxedEnvironment()

    def evaluate(expression: str, place: str) -> Any:
        try:
            return environment.compile_expression(expression, undefined_to_none=False)(**names)
        except UserError as error:
            raise UserError(f"{place}: {expression}: {error}") from None
        except jinja2.UndefinedError as error:
            name = str(error).split("'")[1]
            raise UserError(f"{place}: there is no {name}(), known: {listed(names)}{nearest(name, names)}") from None
        except (jinja2.TemplateError, TypeError, KeyError, ValueError) as error:
            raise UserError(f"{place}: {expression} has no value: {error}") from None

    return evaluate
