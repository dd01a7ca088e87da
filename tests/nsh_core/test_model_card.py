from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from nsh_core import Hasher, UserError, fit, load_dataset, make_config
from tests.conftest import feature_arrays

NAME = 'a|b <script>`x` "q"\n$y$ \ud800'


@pytest.fixture
def saved(hasher, tmp_path):
    hasher.save(tmp_path)
    return tmp_path / "README.md"


def test_the_front_matter_is_what_hugging_face_reads(hasher, saved):
    card = ModelCard.load(saved)
    assert card.data.license == "unknown"
    assert card.data.pipeline_tag == "feature-extraction"
    [result] = card.data.eval_results
    assert (result.dataset_name, result.metric_name) == ("digits", "test mAP@all")
    assert result.metric_value == hasher.metrics["test_map"]


def test_the_card_tells_data_method_results_and_limits(digits, hasher, saved):
    text = saved.read_text()
    for told in (
        f"digits, fingerprint {digits.fingerprint()}: 1,197 training items, 1,197 in the database, 300 validation and",
        "Yu et al., Learning to Hash Naturally Sorts, IJCAI 2022",
        "| sorter.name | softsort |",
        "| train.epochs | 1 |",
        hasher.digest(),
        f"It takes 64 values an item (in training {hasher.inputs.in_words()}).",
        "Labels took no part in training.",
        'hasher = Hasher.load("FOLDER")',
    ):
        assert told in text
    assert "train.weight_decay" not in text  # as by default


def test_intervals_are_those_of_a_mean_over_queries(hasher, saved):
    from scipy.stats import norm

    from nsh_core.metrics.per_query import from_text

    [row] = [line for line in saved.read_text().splitlines() if line.startswith("| test_map |")]
    value, interval = (cell.strip() for cell in row.split("|")[2:4])
    ap = from_text(hasher.ap["test"]).astype(float)
    low, high = norm.interval(0.95, hasher.metrics["test_map"], ap.std(ddof=1) / np.sqrt(len(ap)))
    assert float(value) == pytest.approx(hasher.metrics["test_map"], abs=6e-5)
    assert [float(end) for end in interval.strip("[]").split(", ")] == pytest.approx([low, high], abs=2e-4)


def test_names_stay_text(hasher, tmp_path):
    odd = Hasher(hasher.config, hasher.model, "mlp", hasher.inputs, replace(hasher.data, name=NAME))
    odd.take(hasher.measured())
    odd.save(tmp_path)
    text = (tmp_path / "README.md").read_text()
    shown = r'a|b <script>`x` "q"\n$y$ \ud800'
    assert ModelCard(text).data.eval_results[0].dataset_name == shown
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(ModelCard(text).text)
    assert "<script" not in rendered
    assert shown.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") in rendered
    Hasher.load(tmp_path)


def test_the_licence_stays_and_so_does_a_readme_of_another_origin(hasher, saved, capsys):
    saved.write_text(saved.read_text().replace("license: unknown", "license: mit") + "\nmine\n")
    hasher.save(saved.parent)
    assert ModelCard.load(saved).data.license == "mit"
    assert "mine" not in saved.read_text()
    saved.write_text("# My project\n")
    hasher.save(saved.parent)
    assert saved.read_text() == "# My project\n"
    assert capsys.readouterr().out == f"note: {saved} is no card of a hasher and stays as it is: this one has none\n"
    assert Hasher.load(saved.parent).digest() == hasher.digest()


def test_a_hasher_of_an_earlier_version_has_a_card_too(hasher, tmp_path):
    old = Hasher(hasher.config, hasher.model, "mlp")
    old.take(hasher.measured() | {"ap": {}})
    old.save(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "Not known: it was trained by an earlier version." in text
    assert f"| test_map | {hasher.metrics['test_map']:.4f} |  |" in text


def test_the_digest_is_that_of_the_function(digits, hasher):
    again = fit(hasher.config, digits, test=False)
    assert again.digest() == hasher.digest()
    other = fit(make_config({"code_length": 8, "seed": 1, "train": {"epochs": 1}}), digits, test=False)
    assert other.digest() != hasher.digest()


def test_without_test_queries_the_card_tells_what_is_there(tmp_path):
    np.savez(tmp_path / "f.npz", **feature_arrays())
    config = make_config({"code_length": 8, "method": {"name": "lsh"}, "train": {"batch_size": 16}})
    fit(config, load_dataset(f"features:{tmp_path / 'f.npz'}"), test=False).save(tmp_path / "model")
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert card.data.eval_results is None
    assert "| val_map |" in card.text


def test_a_card_that_cannot_be_read_is_a_line(hasher, saved):
    saved.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"^cannot read \S+README\.md: 'utf-8' codec can't decode"):
        hasher.save(saved.parent)
