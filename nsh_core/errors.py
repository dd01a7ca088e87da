"""What can go wrong by name: user errors end a command with exit code 2, failures end one run."""


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, what was got, what is allowed."""


class TrainingFailure(RuntimeError):
    """A run that cannot go on; the message says when and why.

    Attributes:
        name: A stable identifier.
    """

    name = "failure"


class NotFinite(TrainingFailure):
    """A term of the loss, or a weight, became NaN or infinite."""

    name = "not_finite"


class CodeCollapse(TrainingFailure):
    """Every item of the database got the same hash code."""

    name = "code_collapse"
