"""The facts of a study's run beside its tables: run.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nsh_core import plugins
from nsh_core.errors import UserError
from nsh_core.files import write_atomically
from nsh_core.settings import validation_line
from study.analysis.generation import RUN_FILE
from study.analysis.searched import Searched
from study.plan.spec import StudySpec


class Continuous(BaseModel):
    """Retrieval by the continuous input, by cosine.

    Attributes:
        val_map: mAP@k of the validation queries.
        test_map: mAP@k of the test queries.
    """

    model_config = ConfigDict(frozen=True)

    val_map: float
    test_map: float


class RunFacts(BaseModel):
    """What a report says about a run beside its tables.

    Attributes:
        key: The study's name in storage and folders.
        spec: The study.
        dataset: What it was run on.
        fingerprint: Of the data.
        train_items: Number of training items.
        database_items: Number of database items.
        validation_queries: Number of validation queries.
        test_queries: Number of test queries.
        assignments: Overrides of every arm.
        seeds: Of each arm.
        left: Planned trials without a result; none where an earlier version wrote them.
        lacking: Arms without a trial, by name: what the machine that wrote the tables lacks for them, or that others
            alone were asked for.
        map_at: k of mAP@k, none for the whole database.
        precision_at: k of precision@k and recall@k.
        information: Name of each method to what it learns from; empty where an earlier version wrote them.
        papers: Name of each method and sorter that ran to its source; empty where an earlier version wrote them.
        spaces: Arm to setting to where tuning searched it; empty where an earlier version wrote them.
        continuous: Retrieval by the continuous input.
        storage: Where Optuna's storage is, without its password.
        command: The command line as typed, without passwords.
        written: When the tables were written.
        provenance: Commit, versions and machine that trained the trials; see study.analysis.versions.
        plugins: File or module of each plug-in to the digest of its content.
        digests: Of the files that were written with it; none where an earlier version wrote them.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    spec: StudySpec
    dataset: str
    fingerprint: str
    train_items: int
    database_items: int
    validation_queries: int
    test_queries: int
    assignments: list[str] = Field(default_factory=list)
    seeds: int = 0
    left: int | None = None
    lacking: dict[str, str] = Field(default_factory=dict)
    map_at: int | None
    precision_at: int
    information: dict[str, str] = Field(default_factory=dict)
    papers: dict[str, str] = Field(default_factory=dict)
    spaces: dict[str, dict[str, Searched]] = Field(default_factory=dict)
    continuous: Continuous
    storage: str
    command: str
    written: str
    provenance: dict[str, str]
    plugins: dict[str, str] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)

    @field_validator("spec", mode="before")
    @classmethod
    def _settings_of_this_version(cls, spec: Any) -> Any:
        return {name: spec[name] for name in spec if name in StudySpec.model_fields} if isinstance(spec, dict) else spec

    @property
    def map_name(self) -> str:
        """mAP@k as it is written in figures."""
        return f"mAP@{self.map_at or 'all'}"

    @property
    def data_name(self) -> str:
        """The data set as tables name it: of a file its name alone."""
        kind, colon, argument = self.dataset.rpartition(":")
        return Path(argument).stem if Path(argument).suffix else f"{kind}{colon}{Path(argument).name}"

    def write(self, folder: Path) -> None:
        """Writes run.json.

        Args:
            folder: Of the results.

        Raises:
            UserError: It cannot be written.
        """
        write_atomically(folder / RUN_FILE, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> RunFacts:
        """Reads run.json.

        Args:
            folder: Of the results.

        Raises:
            ValueError: It is damaged.
            OSError: It cannot be read.
        """
        try:
            return cls.model_validate_json((folder / RUN_FILE).read_text(encoding="utf-8"))
        except ValidationError as error:
            raise ValueError(validation_line(error)) from None


def load_plugins_of(folder: Path) -> None:
    """Loads the plug-ins that a run had, where their files still are what they were.

    Nothing in the folder itself is run: what it names must lie elsewhere, with the content that the run saw.

    Args:
        folder: Of the results.

    Raises:
        UserError: One is no longer there, or another.
    """
    try:
        known = json.loads((folder / RUN_FILE).read_text(encoding="utf-8")).get("plugins", {})
    except (OSError, ValueError, AttributeError):
        return
    digests = {Path(plugin.name).name: plugin.digest for plugin in plugins.loaded()}
    for name, digest in known.items():
        path = Path(name)
        if digests.get(path.name) == digest:
            continue
        if name.endswith(".py") and not (path.is_file() and plugins.digest_of(path) == digest):
            raise UserError(
                f"{folder} was made with the plug-in {path.name}, {digest}, which is not at {path}: run the study's "
                "command again, which trains nothing that was trained with it, or with that very file give --plugin "
                "FILE, or in Python nsh_core.load_plugins([FILE])"
            )
        plugins.load([name])
