"""Nested code lengths: one model whose prefixes are codes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nsh_core import Hasher, UserError, fit, fit_together, make_config
from nsh_core.__main__ import app
from nsh_core.codes import unpack
from nsh_core.methods.nsh import NSH
from nsh_core.model import Outputs
from nsh_core.shortened import shortened
from nsh_core.straight_through import sign_through

LENGTHS = [3, 8, 16]


def settings(code_length: int, nested: list[int] | None = LENGTHS, **more: object) -> dict:
    return {"code_length": code_length, "loss": {"nested": nested or []}, "train": {"epochs": 2}, **more}


def outputs(bits: int, seed: int) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, 32, bits, generator=generator, dtype=torch.double).requires_grad_()
    latents = torch.nn.functional.normalize(torch.randn(1, 32, 5, generator=generator, dtype=torch.double), dim=2)
    return Outputs(logits, logits.tanh(), sign_through(logits.tanh()), latents, latents)


@pytest.mark.parametrize("surrogate", ["sorted_nce", "masked_nce", "listwise", "pairwise"])
def test_the_loss_is_the_mean_over_prefixes(surrogate):
    first, second = outputs(16, 0), outputs(16, 1)
    loss = {"surrogate": surrogate, "code_anchor_weight": 0.5, "quantization_weight": 0.2}
    nested = NSH([make_config({"code_length": 8, "loss": loss | {"nested": LENGTHS}})])
    terms = nested(first, second, [torch.Generator()])
    for name in (surrogate, "code_anchor"):
        by_length = []
        for length in LENGTHS:
            alone = NSH([make_config({"code_length": length, "loss": loss})])
            prefixes = [
                replace(view, **{part: getattr(view, part)[..., :length] for part in ("logits", "relaxed", "codes")})
                for view in (first, second)
            ]
            by_length.append(alone(*prefixes, [torch.Generator()])[name].item())
        assert terms[name].item() == pytest.approx(np.mean(by_length))
    whole = NSH([make_config({"code_length": 16, "loss": loss})])(first, second, [torch.Generator()])
    for name in ("anchor", "balance", "quantization"):
        assert terms[name].item() == pytest.approx(whole[name].item())


def test_codes_of_each_length_are_prefixes_of_one_model(digits, tmp_path):
    hashers = {length: fit(make_config(settings(length)), digits) for length in LENGTHS}
    codes = {length: unpack(hasher.encode(digits.database), length) for length, hasher in hashers.items()}
    hashers[16].save(tmp_path)
    kept = Hasher.load(tmp_path)
    for length in LENGTHS:
        np.testing.assert_array_equal(codes[length], codes[16][:, :length])
        short = shortened(kept, length)
        np.testing.assert_array_equal(short.encode(digits.database), hashers[length].encode(digits.database))
        assert short.digest() == hashers[length].digest()
        assert (short.metrics, short.config.code_length) == ({}, length)
    assert (kept.config.code_length, kept.model.config.code_length) == (16, 16)
    assert "test_map" in kept.metrics
    # What is cut from a model that was not trained for it is another control.
    cut = fit(make_config(settings(8, [16])), digits)
    assert cut.codes_sha256 != hashers[8].codes_sha256


def test_one_length_is_the_method_as_it_was(digits):
    plain, one = (fit(make_config(settings(16, nested)), digits) for nested in (None, [16]))
    assert plain.codes_sha256 == one.codes_sha256
    assert plain.history == one.history
    assert make_config(settings(16, None)).digest() == make_config({"code_length": 16, "train": {"epochs": 2}}).digest()
    assert plain.config.digest() != one.config.digest()


def test_stacked_nested_runs_give_the_codes_of_runs_alone(digits):
    configs = [
        make_config(settings(8, seed=seed, sorter={"name": name}))
        for seed, name in ((0, "softsort"), (1, "neuralsort"))
    ]
    for config, stacked in zip(configs, fit_together(configs, digits), strict=True):
        assert isinstance(stacked, Hasher)
        np.testing.assert_array_equal(stacked.encode(digits.database), fit(config, digits).encode(digits.database))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss.nested": [8, 4]}, r"loss\.nested: lengths must ascend, each once, as \[4, 8\], got \[8, 4\]$"),
        ({"loss.nested": [8, 16]}, "code_length = 32 exceeds the 16 bits of the model"),
        ({"loss.nested": [32], "method.name": "cibhash"}, r"loss\.nested = \[32\] says nothing about method cibhash"),
        ({"loss.nested": [0, 32]}, "greater than or equal to 1"),
    ],
)
def test_lengths_that_make_no_sense_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        make_config(given)


def test_shorter_codes_from_the_command_line(digits, tmp_path, capsys):
    hasher = fit(make_config(settings(16)), digits, test=False)
    hasher.save(tmp_path / "model")
    np.save(tmp_path / "items.npy", digits.test.items)
    given = ["--model", str(tmp_path / "model"), "--input", str(tmp_path / "items.npy"), "--out"]
    app(["encode", *given, str(tmp_path / "codes.npy"), "--bits", "8"], standalone_mode=False)
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), hasher.encode(digits.test.items)[:, :1])
    assert "codes: 300 of 8 bits" in capsys.readouterr().out
    with pytest.raises(UserError, match="the hasher was trained for codes of 3, 8, 16 bits, got 9"):
        app(["encode", *given, str(tmp_path / "other.npy"), "--bits", "9"], standalone_mode=False)
    between = fit(make_config(settings(10)), digits, test=False)
    np.testing.assert_array_equal(shortened(between, 10).encode(digits.test.items), between.encode(digits.test.items))
    plain = fit(make_config(settings(16, None)), digits, test=False)
    with pytest.raises(UserError, match=r"trained for codes of 16 bits, got 8; loss\.nested trains one for several"):
        shortened(plain, 8)
