"""What can go wrong by name: user errors end a command with exit code 2, failures end one run."""


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, what was got, what is allowed."""


class TrainingFailure(RuntimeError):
    """A run that cannot go on. `name` is a stable identifier, the message says when and why."""

    name = "failure"


class NotFinite(TrainingFailure):
    """The loss or a gradient became NaN or infinite."""

    name = "not_finite"


class CodeCollapse(TrainingFailure):
    """Every training item got the same hash code."""

    name = "code_collapse"
