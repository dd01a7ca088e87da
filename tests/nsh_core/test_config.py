import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from nsh_core import Config, UserError, make_config
from nsh_core.sections import LossConfig, ModelConfig, SorterConfig, TrainConfig
from nsh_core.settings import dotted, read_mapping, with_overrides


@pytest.mark.parametrize("section", [Config, ModelConfig, SorterConfig, LossConfig, TrainConfig])
def test_every_knob_says_what_it_means(section: type[BaseModel]):
    for name, field in section.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        assert nested or field.description, name


def test_overrides_from_a_file_and_the_command_line(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("code_length: 64\nloss: {num_positives: 3}\n")
    config = make_config(read_mapping(path), ["loss.gap=2", "sorter.name=sinkhorn", "sorter.options.iterations=5"])
    assert (config.code_length, config.loss.num_positives, config.loss.gap) == (64, 3, 2)
    assert config.sorter.build_options() == {"iterations": 5}
    path.write_text(json.dumps({"code_length": 16}))
    assert make_config(read_mapping(path)).code_length == 16


def test_dotted_names_are_what_overrides_take():
    config = make_config({}, ["sorter.name=softsort", "train.epochs=3"])
    settings = dotted(config.model_dump(mode="json"))
    assert (settings["sorter.name"], settings["train.epochs"]) == ("softsort", 3)
    assert not any(isinstance(value, dict) for value in settings.values())
    assert Config.model_validate(with_overrides({}, settings)) == config


def test_settings_may_have_dotted_names():
    nested = make_config({"code_length": 16, "train": {"epochs": 3}, "sorter": {"name": "sinkhorn"}})
    assert make_config({"code_length": 16, "train.epochs": 3, "sorter.name": "sinkhorn"}) == nested
    given = {"train": {"epochs": 3}}
    assert make_config(given, ["train.epochs=4"]).train.epochs == 4
    assert given == {"train": {"epochs": 3}}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (({"train.epohs": 3},), r"train.epohs: unknown setting, got 3, known: epochs, .*; did you mean 'epochs'\?"),
        (({"train": {"epochs": 3}, "train.batch_size": 32},), "settings give train.batch_size twice, as train too"),
        (({"train.epochs": np.int64(3)},), r"train must be a plain value, got {'epochs': np.int64\(3\)}"),
        (("train.epochs=3",), "settings must be a mapping, as {'code_length': 16}, got 'train.epochs=3'"),
        (({3: 4},), "3: unknown setting, got 4, known: code_length, .*"),
        (({}, "sorter.name=softsort"), r"assignments must be a list, got 'sorter.name=softsort': write \['sorter.n.*"),
        (({}, 3), "assignments must be a list of texts, got 3"),
        (({}, ["seed=1", "seed=2"]), "seed given twice, as 1 and 2: once is enough"),
    ],
)
def test_settings_of_another_kind_are_named(given, line):
    with pytest.raises(UserError, match=f"^{line}$"):
        make_config(*given)


def test_the_digest_is_of_the_content():
    assert make_config({"code_length": 32}).digest() == Config().digest()
    assert make_config({"seed": 1}).digest() != Config().digest()
    assert Config().digest() == Config.model_validate_json(Config().model_dump_json()).digest()
    assert len(Config().digest()) == 12


def test_the_same_run_with_another_seed_is_as_if_it_were_made_anew():
    config = make_config({"code_length": 16, "sorter": {"temperature": 2.0}, "seed": 1})
    other = config.with_seed(7)
    anew = make_config({"code_length": 16, "sorter": {"temperature": 2.0}, "seed": 7})
    assert other == anew
    assert other.digest() == anew.digest() != config.digest()
    assert other.model_dump_json() == anew.model_dump_json()
    shorter = other.model_copy(update={"code_length": 8})
    assert shorter.digest() == Config.model_validate_json(shorter.model_dump_json()).digest()


def test_stored_trials_keep_their_digests():
    """Settings that came later change none, so that a study goes on with what it has."""
    tables = sorted(Path(__file__).parents[2].glob("results/reference/*/trials.parquet"))
    for table in tables:
        trials = pd.read_parquet(table, columns=["config", "config_hash"])
        for text, digest in zip(trials.config, trials.config_hash, strict=True):
            assert Config.model_validate_json(text).digest() == digest, table
    assert len(tables) >= 15
    changed = ["loss.surrogate=pairwise", "sorter.hard_forward=true", "loss.softmaxes=2", "loss.teacher_temperature=1",
               "model.hash_head=mlp", "train.views=plain"]  # fmt: skip
    assert len({Config().digest(), *(make_config({}, [one]).digest() for one in changed)}) == 7
    tuned = {"image": {"backbone": "efficientnet_lite0", "finetune": True}}
    stages = ["image.trained_stages=2", "image.trained_stages=3", "image.checkpointing=true"]
    assert len({make_config(tuned).digest(), *(make_config(tuned, [one]).digest() for one in stages)}) == 4


def test_a_recipe_is_what_its_method_was_published_with_unless_told_otherwise():
    cibhash = make_config({"recipe": "published", "method": {"name": "cibhash"}, "code_length": 16})
    assert (cibhash.model.hash_head, cibhash.train.epochs, cibhash.train.schedule) == ("mlp", 80, "constant")
    other = make_config({"method": {"name": "cibhash"}}, ["recipe=published", "train.batch_size=100"])
    assert (other.train.epochs, other.train.batch_size, other.model.hash_head) == (60, 100, "mlp")
    assert (
        make_config({"recipe": "published", "method": {"name": "itq"}}).digest()
        == make_config({"method": {"name": "itq"}}).digest()
    )
    with pytest.raises(UserError, match="recipe must be published, or be left out, got 'equal'"):
        make_config({"recipe": "equal"})


def test_configs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Config().code_length = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("code_length=0", "code_length: Input should be greater than or equal to 1, got 0"),
        ("model.hash_width=3", "model.hash_width = 3 says nothing about model.hash_head = linear: leave it at 1024"),
        ("loss.colour=red", "loss.colour: unknown setting, got 'red'"),
        ("loss.gapp=1", "loss.gapp: unknown setting, got 1, known: surrogate, .*; did you mean 'gap'"),
        ("lossy=1", "lossy: unknown setting, got 1, known: code_length, .*; did you mean 'loss'"),
        ("method.name=nhs", "^method.name: unknown method 'nhs', known: nsh, .*; did you mean 'nsh'.$"),
        ("image.backbone=vgg", "^image.backbone: unknown backbone 'vgg', known: small_cnn, [^']*, timm:NAME$"),
        ("image.backbone=smallcnn", "^image.backbone: unknown backbone 'smallcnn', .*; did you mean 'small_cnn'.$"),
        ("image.backbone=vgg16", "^image.backbone: backbone 'vgg16' is now timm:vgg16.tv_in1k$"),
        ("image.backbone='timm:'", "^image.backbone: backbone 'timm:' wants the name of a model: timm:NAME, as timm:"),
        (
            "image.backbone=small_cnn:x",
            "^image.backbone: backbone small_cnn takes no name of a model, got 'small_cnn:x",
        ),
        ("image.weights=pretraind", r"^image.weights: must be pretrained, random, or .*; did you mean 'pretrained'\?$"),
        (
            "image.weights=mine.pth",
            "^image: image.weights = mine.pth is for timm:NAME alone; small_cnn takes pretrained",
        ),
        ("image.trained_stages=2", "^image: image.trained_stages = 2 says nothing about small_cnn, which is trained"),
        ("loss.negatives=nearest-3", "loss.negatives: String should match pattern .*got 'nearest-3'"),
        ("loss.nce_temperature=.nan", "loss.nce_temperature: .*finite"),
        ("train.epochs=many", "train.epochs: .*valid integer.*got 'many'"),
        ("train=fast", "train: expected a section of settings, got 'fast'"),
        ("loss.num_positives=64", r"\(64 \+ 0 \+ 1 for 'all'\) exceed train.batch_size = 64"),
        ("sorter.name=quick", "sorter: unknown sorter 'quick', known: softsort"),
        ("sorter.options.iterations=3", "softsort has no option 'iterations'"),
        (
            "sorter.options.temprature=3",
            "softsort has no option 'temprature', it takes: .*; did you mean 'temperature'",
        ),
        ("sorter.name=SoftSort", "unknown sorter 'SoftSort', known: .*; did you mean 'softsort'"),
        ("recipe=Publshed", "recipe must be published, or be left out, got 'Publshed'; did you mean 'published'"),
        ("code_length.x=3", "code_length: .*valid integer"),
        ("=3", "^a setting is written NAME=VALUE"),
        ("code_length", "a setting is written NAME=VALUE.*got 'code_length'"),
        ("code_length=[", "not a valid value"),
        ("code_length=true", "code_length: Input should be a valid integer, got True"),
        ("code_length='16'", "code_length: Input should be a valid integer, got '16'"),
        ("train.bf16=yes", "train.bf16: Input should be true or false, got 'yes'"),
        ("loss.softmaxes=true", "loss.softmaxes: Input should be a valid integer, got True"),
        ("train.patience=1:30", "train.patience: Input should be a valid integer, got '1:30'"),
        ("train.optimizer=adm", "train.optimizer: Input should be 'adam', .*got 'adm'; did you mean 'adam'"),
        ("train.schedule=" + "x" * 500, "got 'x{79}[.]{3}$"),
        ("code_length=" + "9" * 5000, "^code_length: '9{79}[.]{3} is not a valid value: a number of 5000 char"),
        ("seed=2026-01-01", "^seed: '2026-01-01' is not a valid value: 2026-01-01 is read as a date"),
    ],
)
def test_bad_settings_are_named(assignment, message):
    with pytest.raises(UserError, match=message) as caught:
        make_config({}, [assignment])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), [("a: [", "not valid YAML"), ("- 1", "must hold a mapping.*got list")])
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_mapping(path)
    os.mkfifo(tmp_path / "pipe.yaml")
    for place, message in (
        ("pipe.yaml", "a file is expected, got a pipe"),
        (".", "a file is expected, got a folder"),
        ("absent.yaml", "No such file"),
    ):
        with pytest.raises(UserError, match=f"cannot read .*: {message}"):
            read_mapping(tmp_path / place)
    path.write_text("a: 1\n" * 10**6)
    with pytest.raises(UserError, match="more than 100000 characters, the most that are read"):
        read_mapping(path)


def test_a_bad_value_of_an_option_is_refused_before_anything_runs():
    with pytest.raises(UserError, match=r"iterations must be .*got 0"):
        make_config({"sorter": {"name": "sinkhorn", "options": {"iterations": 0}}})
