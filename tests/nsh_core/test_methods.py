"""Each baseline against an independent computation."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment

from nsh_core import Dataset, Hasher, NotFinite, UserError, fit, fit_together, load_dataset, make_config, methods
from nsh_core.codes import unpack
from nsh_core.config import recipe
from nsh_core.methods.bihalf import BiHalf, bi_half
from nsh_core.methods.cibhash import CIBHash
from nsh_core.methods.crovca import CroVCA
from nsh_core.methods.greedyhash import GreedyHash
from nsh_core.methods.itq import rotation
from nsh_core.methods.sdc import SDC, calibrated_cosines
from nsh_core.methods.simclr import SimCLR
from nsh_core.methods.spectral import smoothest
from nsh_core.model import Outputs
from tests.conftest import feature_arrays

DEEP = [name for name in methods.names() if issubclass(methods.method(name), methods.DeepMethod)]
SHALLOW = [name for name in methods.names() if name not in DEEP]
SUPERVISED = [name for name in methods.names() if methods.method(name).information == "labels"]
N, K, D = 10, 6, 9


def views(seed: int = 0) -> tuple[Outputs, Outputs]:
    """Outputs of two views of N items with float64 logits that want gradients."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(2):
        logits = torch.randn(N, K, generator=generator, dtype=torch.double).requires_grad_()
        features = torch.randn(N, D, generator=generator, dtype=torch.double)
        relaxed = logits.tanh()
        made.append(Outputs(logits, relaxed, logits.sign(), features[:, :0], features))
    return made[0], made[1]


def terms_of(kind: type, options: dict, first: Outputs, second: Outputs) -> dict[str, torch.Tensor]:
    """Terms of a single run."""
    name = next(known for known in methods.names() if methods.method(known) is kind)
    config = make_config({"code_length": K, "method": {"name": name, "options": options}})
    alone = [Outputs(*(getattr(view, field.name)[None] for field in fields(view))) for view in (first, second)]
    return {term: value[0] for term, value in kind([config])(*alone, [torch.Generator()]).items()}


def nt_xent_by_hand(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    """Mean over all views of -log(exp s_pos / sum of exp s over the others), one at a time, s by cosine."""
    z = np.concatenate([first, second])
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    total = 0.0
    for i in range(len(z)):
        scores = {j: math.exp(z[i] @ z[j] / temperature) for j in range(len(z)) if j != i}
        total -= math.log(scores[(i + len(first)) % len(z)] / sum(scores.values()))
    return total / len(z)


def pairs(view: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(view[i], view[i + N // 2]) for i in range(N // 2)]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def arrays(*outputs: Outputs) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Logits and features of both views."""
    return [v.logits.detach().numpy() for v in outputs], [v.features.numpy() for v in outputs]


def test_cibhash_is_its_formula():
    first, second = views()
    terms = terms_of(CIBHash, {"temperature": 0.4, "kl_weight": 0.02}, first, second)
    (h, g), _ = arrays(first, second)
    contrast = nt_xent_by_hand(np.sign(h), np.sign(g), 0.4)
    p, q = 1 / (1 + np.exp(-h)), 1 / (1 + np.exp(-g))
    divergences = [
        sum(a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b)) for a, b in zip(x.flat, y.flat, strict=True))
        / N
        for x, y in ((p, q), (q, p))
    ]
    assert terms["contrast"].item() == pytest.approx(contrast)
    assert terms["bottleneck"].item() == pytest.approx(sum(divergences) / 2, rel=1e-5)
    assert terms["loss"].item() == pytest.approx(contrast + 0.02 * sum(divergences) / 2, rel=1e-5)


def test_cibhash_passes_the_gradient_of_the_probabilities():
    first, second = views()
    terms_of(CIBHash, {"kl_weight": 0}, first, second)["loss"].backward()
    codes = [view.logits.detach().sign().requires_grad_() for view in (first, second)]
    units = [torch.nn.functional.normalize(code, dim=1) for code in codes]
    z = torch.cat(units) @ torch.cat(units).T / 0.3
    z = z - torch.diag(torch.full((2 * N,), torch.inf, dtype=torch.double))
    target = (torch.arange(2 * N) + N) % (2 * N)
    torch.nn.functional.cross_entropy(z, target).backward()
    p = first.logits.detach().sigmoid()
    torch.testing.assert_close(first.logits.grad, codes[0].grad * p * (1 - p))


def test_simclr_is_nt_xent_on_the_logits():
    first, second = views()
    (h, g), _ = arrays(first, second)
    assert terms_of(SimCLR, {"temperature": 0.5}, first, second)["loss"].item() == pytest.approx(
        nt_xent_by_hand(h, g, 0.5)
    )


def test_greedyhash_is_its_formula():
    first, second = views()
    terms = terms_of(GreedyHash, {"quantization_weight": 0.3}, first, second)
    logits, features = arrays(first, second)
    differences = [
        (cosine(np.sign(a), np.sign(b)) - cosine(x, y)) ** 2
        for h, f in zip(logits, features, strict=True)
        for (a, b), (x, y) in zip(pairs(h), pairs(f), strict=True)
    ]
    quantization = np.mean([abs(abs(value) - 1) ** 3 for h in logits for value in h.flat])
    assert terms["loss"].item() == pytest.approx(np.mean(differences) + 0.3 * quantization)


@pytest.mark.parametrize("n", [8, 9])
def test_the_bi_half_layer_is_optimal_transport(n):
    logits = torch.randn(2, n, K, generator=torch.Generator().manual_seed(n), dtype=torch.double)
    codes = bi_half(logits, torch.ones(2, 1, 1))
    targets = np.array([1.0] * (n // 2) + [-1.0] * (n - n // 2))
    for run in range(2):
        for bit in range(K):
            values = logits[run, :, bit].numpy()
            rows, columns = linear_sum_assignment((values[:, None] - targets) ** 2)
            expected = np.empty(n)
            expected[rows] = targets[columns]
            np.testing.assert_array_equal(codes[run, :, bit].numpy(), expected)


def test_the_bi_half_layer_pulls_its_input_towards_the_codes():
    logits = torch.randn(1, 8, K, dtype=torch.double, requires_grad=True)
    codes = bi_half(logits, torch.tensor(3.0).view(1, 1, 1))
    weights = torch.randn(1, 8, K, dtype=torch.double)
    (codes * weights).sum().backward()
    torch.testing.assert_close(logits.grad, weights + 3 * (logits.detach() - codes) / (8 * K))


def test_bi_half_net_is_its_formula():
    first, second = views()
    logits, features = arrays(first, second)
    both = np.concatenate(logits)
    codes = np.where(both.argsort(axis=0).argsort(axis=0) >= N, 1.0, -1.0)
    differences = [
        (cosine(a, b) - cosine(x, y)) ** 2
        for c, f in zip((codes[:N], codes[N:]), features, strict=True)
        for (a, b), (x, y) in zip(pairs(c), pairs(f), strict=True)
    ]
    assert terms_of(BiHalf, {}, first, second)["loss"].item() == pytest.approx(np.mean(differences))


def test_sdc_is_its_formula():
    first, second = views()
    terms = terms_of(SDC, {"beta": 4.0, "quantization_weight": 0.2}, first, second)
    logits, features = arrays(first, second)
    both = np.concatenate(logits)
    outputs = (both - both.mean(axis=0)) / np.sqrt(both.var(axis=0) + 1e-5)
    of_outputs = [cosine(a, b) for c in (outputs[:N], outputs[N:]) for a, b in pairs(c)]
    of_features = [cosine(x, y) for f in features for x, y in pairs(f)]
    wanted = np.empty(N)
    for place, pair in enumerate(np.argsort(of_features)):
        wanted[pair] = max(0.0, 2 * stats.beta(4, 4).ppf((place + 0.5) / N) - 1)
    quantization = np.mean([1 - cosine(row, np.sign(row)) for row in outputs])
    expected = np.abs(np.array(of_outputs) - wanted).mean() + 0.2 * quantization
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_crovca_is_its_formula():
    first, second = views()
    terms = terms_of(CroVCA, {"rate_weight": 0.3, "epsilon": 0.2}, first, second)
    logits, _ = arrays(first, second)
    outputs = [(own - own.mean(axis=0)) / np.sqrt(own.var(axis=0) + 1e-5) for own in logits]
    expected = 0.0
    for own, other in (outputs, outputs[::-1]):
        chance = 1 / (1 + np.exp(-own))
        expected -= np.where(other > 0, np.log(chance), np.log(1 - chance)).mean() / 2
        rows = own / np.linalg.norm(own, axis=1, keepdims=True)
        _, determinant = np.linalg.slogdet(np.eye(K) + K / (N * 0.2) * rows.T @ rows)
        expected -= 0.3 * determinant / 2 * (K + N) / (K * N) / 2
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-6)
    terms["loss"].backward()
    assert first.logits.grad.abs().max() > 0


def test_calibrated_cosines_have_the_beta_distribution():
    cosines = calibrated_cosines(1001, 3.0)
    assert (cosines[:500] == 0).all()
    empirical = np.arange(501, 1001) / 1001
    np.testing.assert_allclose(stats.beta(3, 3).cdf((cosines[501:] + 1) / 2), empirical + 0.5 / 1001, atol=1e-5)


@pytest.mark.parametrize("name", ["sdc", "crovca"])
def test_bits_are_centred_before_an_evaluation(digits, name):
    hasher = fit(make_config({"method": {"name": name}, "train": {"epochs": 3}}), digits)
    logits = hasher.model.logits(torch.cat(list(digits.training_values())))
    assert logits.mean(dim=0).abs().max() < 1e-4 * logits.std()


def codes_of(hasher: Hasher, dataset: Dataset) -> np.ndarray:
    """Codes of the database in -1/+1."""
    return unpack(hasher.encode(dataset.database), hasher.config.code_length)


def itq_by_hand(items: np.ndarray, start: np.ndarray, bits: int, iterations: int) -> np.ndarray:
    """Gong & Lazebnik's algorithm in numpy: the codes of the items."""
    centred = items - items.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(centred.T))
    axes = vectors[:, ::-1][:, :bits]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(bits)])
    v = centred @ axes
    r = start
    for _ in range(iterations):
        b = np.where(v @ r >= 0, 1.0, -1.0)
        s, _, s_hat = np.linalg.svd(b.T @ v)
        r = s_hat.T @ s.T
    return np.where(v @ r >= 0, 1, -1)


def test_itq_is_a_straight_numpy_version(digits):
    hasher = fit(make_config({"code_length": 16, "method": {"name": "itq"}, "seed": 3}), digits)
    draw = torch.randn(16, 16, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected = itq_by_hand(digits.database.items.astype(float), torch.linalg.svd(draw)[0].numpy(), 16, 50)
    codes = codes_of(hasher, digits)
    assert (codes == expected).mean() > 0.9999  # a value within rounding of 0 may fall to either side


def test_itq_brings_components_nearer_to_their_signs():
    components = torch.randn(200, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = torch.eye(8, dtype=torch.float64)
    errors = []
    for iterations in (0, 1, 5, 50):
        turned = components @ rotation(components, start, iterations)
        errors.append(float((turned - turned.sign()).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]


def test_pca_sign_is_the_sign_of_the_components(digits):
    hasher = fit(make_config({"code_length": 8, "method": {"name": "pca_sign"}}), digits)
    items = digits.database.items.astype(float)
    _, _, right = np.linalg.svd(items - items.mean(axis=0), full_matrices=False)
    axes = right[:8].T * np.sign(right[:8].T[np.abs(right[:8].T).argmax(axis=0), range(8)])
    codes = codes_of(hasher, digits)
    assert (codes == np.where((items - items.mean(axis=0)) @ axes >= 0, 1, -1)).mean() > 0.9999


def test_pca_rotated_is_itq_before_its_first_step(digits):
    rotated, start, other = (
        fit(make_config({"code_length": 8, "seed": seed, "method": {"name": name, "options": options}}), digits)
        for name, options, seed in (("pca_rotated", {}, 3), ("itq", {"iterations": 0}, 3), ("pca_rotated", {}, 4))
    )
    assert rotated.codes_sha256 == start.codes_sha256 != other.codes_sha256
    axes = rotated.model.hash_output.weight.detach().numpy()
    np.testing.assert_allclose(axes @ axes.T, axes[0] @ axes[0] * np.eye(8), atol=1e-4 * (axes[0] @ axes[0]))


def test_lsh_hyperplanes_pass_through_the_mean_and_agree_by_angle(digits):
    hasher = fit(make_config({"code_length": 2048, "method": {"name": "lsh"}}), digits)
    items = torch.from_numpy(digits.database.items)
    assert hasher.model.logits(items).mean(dim=0).abs().max() < 1e-3
    codes = hasher.model.codes(items[:50])
    centred = (items - items.mean(dim=0))[:50]
    angles = torch.arccos(
        (torch.nn.functional.normalize(centred, dim=1) @ torch.nn.functional.normalize(centred, dim=1).T).clamp(-1, 1)
    )
    disagree = (1 - codes @ codes.T / 2048) / 2
    assert (disagree - angles / math.pi).abs().max() < 0.06


def test_spectral_hashing_takes_the_smoothest_eigenfunctions(digits):
    bits = 12
    hasher = fit(make_config({"code_length": bits, "method": {"name": "spectral"}}), digits)
    items = digits.database.items.astype(float)
    centred = items - items.mean(axis=0)
    _, _, right = np.linalg.svd(centred, full_matrices=False)
    axes = right[:bits].T * np.sign(right[:bits].T[np.abs(right[:bits].T).argmax(axis=0), range(bits)])
    v = centred @ axes
    low, spread = v.min(axis=0), np.ptp(v, axis=0)
    candidates = sorted((mode / spread[axis], axis, mode) for axis in range(bits) for mode in range(1, bits + 1))[:bits]
    expected = np.stack([np.cos(mode * np.pi * (v[:, a] - low[a]) / spread[a]) for _, a, mode in candidates], axis=1)
    codes = codes_of(hasher, digits)
    clear = np.abs(expected) > 1e-4
    assert (codes == np.where(expected >= 0, 1, -1))[clear].all()
    axis, mode = smoothest(torch.tensor([4.0, 1.0]), 5)
    assert set(zip(axis.tolist(), mode.tolist(), strict=True)) == {(0, 1), (0, 2), (0, 3), (0, 4), (1, 1)}


@pytest.mark.parametrize("name", methods.names())
def test_every_method_hashes_digits_and_says_where_it_is_from(digits, name):
    assert any(year in methods.method(name).paper for year in map(str, range(2002, 2027)))
    config = make_config({"method": {"name": name}, "train": {"epochs": 4}})
    hasher = fit(config, digits)
    chance = 0.1
    assert hasher.metrics["test_map"] > chance + 0.15
    assert ("sorter_fidelity" in hasher.metrics) == (name == "nsh")


@pytest.mark.parametrize(
    "settings",
    [
        *([f"method.name={name}"] for name in methods.names() if name not in SUPERVISED),
        ["method.name=cimon", "method.options.graph=items"],
        ["loss.nested=[8,16,32]"],
        ["loss.surrogate=listwise", "train.neighbors=3"],
        ["loss.surrogate=pairwise", "loss.code_anchor_weight=0.5"],
        ["sorter.hard_forward=true", "loss.softmaxes=2", "loss.stop_gradient=false"],
    ],
    ids=lambda settings: settings[0],
)
def test_no_method_sees_a_label_and_each_repeats(digits, settings):
    """The training items are the database here; labels are the evaluation's alone."""
    scrambled = load_dataset("digits")
    for part in ("database", "validation", "test"):
        split = getattr(scrambled, part)
        shuffled = np.random.default_rng(0).permutation(split.labels)
        setattr(scrambled, part, replace(split, labels=shuffled))
    config = make_config({"train": {"epochs": 1}}, settings)
    first, second = (fit(config, dataset) for dataset in (digits, scrambled))
    assert first.codes_sha256 == second.codes_sha256
    assert first.metrics["test_map"] > second.metrics["test_map"]


@pytest.mark.parametrize("name", [name for name in DEEP if name != "nsh"])
def test_stacked_baselines_give_the_codes_of_runs_alone(digits, name):
    space = methods.method(name).search_space(make_config({"method": {"name": name}}))
    other = [f"{setting}={span.at(0.3)}" for setting, span in space.items()]
    base = {"code_length": 12, "method": {"name": name}, "train": {"epochs": 2}}
    configs = [make_config(base), make_config(base, [*other, "seed=1"])]
    for config, stacked in zip(configs, fit_together(configs, digits), strict=True):
        assert not isinstance(stacked, Exception)
        np.testing.assert_array_equal(stacked.encode(digits.database), fit(config, digits).encode(digits.database))


@pytest.mark.parametrize("name", methods.names())
def test_search_spaces_hold_valid_settings(name):
    default = make_config({"method": {"name": name}})
    space = methods.method(name).search_space(default)
    assert bool(space) == (name in DEEP or name == "classifier")
    for place in (0.0, 0.5, 0.999):
        make_config({"method": {"name": name}}, [f"{setting}={span.at(place)}" for setting, span in space.items()])


@pytest.mark.parametrize(
    ("changes", "searched"),
    [
        ([], {"sorter.temperature", "loss.nce_temperature", "loss.anchor_temperature", "loss.num_positives"}),
        (["sorter.name=argsort"], {"loss.nce_temperature", "loss.anchor_temperature", "loss.num_positives"}),
        (
            ["loss.surrogate=masked_nce"],
            {"sorter.temperature", "loss.nce_temperature", "loss.anchor_temperature", "loss.num_positives"},
        ),
        (["loss.surrogate=pairwise"], {"loss.nce_temperature", "loss.anchor_temperature", "loss.num_positives"}),
        (
            ["loss.surrogate=listwise", "loss.code_anchor_weight=0.5"],
            {"loss.teacher_temperature", "loss.student_temperature", "loss.anchor_temperature",
             "loss.code_anchor_weight"},
        ),
        (
            ["loss.surrogate=listwise", "loss.gap=2", "loss.anchor_weight=0"],
            {"loss.teacher_temperature", "loss.student_temperature", "loss.num_positives"},
        ),
        (["loss.sorted_nce_weight=0"], {"loss.anchor_temperature"}),
    ],
)  # fmt: skip
def test_only_what_acts_is_searched(changes, searched):
    config = make_config({}, changes)
    assert set(methods.method("nsh").search_space(config)) == {"train.learning_rate", *searched}


def test_a_published_recipe_is_of_its_method():
    for name in methods.names():
        for bits in (16, 32):
            settings = recipe("published", {"method": {"name": name}, "code_length": bits})
            config = make_config({"method": {"name": name}, "code_length": bits, "recipe": "published"})
            assert all(config.value_of(setting) == value for setting, value in settings.items())
            assert bool(settings) == (name in DEEP)
    # What a recipe says nothing about stays what it is, as a sorter's own temperature.
    assert make_config({"recipe": "published", "sorter": {"name": "sinkhorn"}}).sorter.softness == 0.3


def test_a_shallow_methods_head_is_linear():
    with pytest.raises(UserError, match=r"model\.hash_head = mlp is none of method itq, allowed: linear"):
        make_config({"method": {"name": "itq"}, "model": {"hash_head": "mlp"}})


def test_shallow_methods_give_no_more_bits_than_features(digits):
    for name in ("itq", "pca_sign"):
        with pytest.raises(
            UserError, match=f"{name} gives at most D = 64 bits on these features, got code_length = 65"
        ):
            fit(make_config({"code_length": 65, "method": {"name": name}}), digits)
    fit(make_config({"code_length": 65, "method": {"name": "spectral"}}), digits)


def test_options_are_checked_and_filled_in():
    assert make_config({"method": {"name": "cibhash"}}).method.options == {"temperature": 0.3, "kl_weight": 0.001}
    with pytest.raises(UserError, match="unknown method 'dpsh', known: nsh, cibhash"):
        make_config({"method": {"name": "dpsh"}})
    with pytest.raises(UserError, match="gamma: unknown setting, got 3; options of cibhash: temperature, kl_weight"):
        make_config({"method": {"name": "cibhash", "options": {"gamma": 3}}})
    with pytest.raises(UserError, match=r"temprature: .*; options of cibhash: .*; did you mean 'temperature'"):
        make_config({"method": {"name": "cibhash", "options": {"temprature": 3}}})
    with pytest.raises(UserError, match=r"temperature: Input should be greater than or equal to 0\.001, got 0"):
        make_config({"method": {"name": "cibhash", "options": {"temperature": 0}}})


def test_a_diverging_baseline_is_named(digits):
    config = make_config({"method": {"name": "greedyhash"}, "train": {"epochs": 2, "learning_rate": 10}})
    exploding = config.model_copy(update={"train": config.train.model_copy(update={"learning_rate": float("inf")})})
    with pytest.raises(NotFinite, match="in epoch 1"):
        fit(exploding, digits)


def test_neighbour_views_help_on_digits(digits):
    alone, with_neighbours = (
        fit(make_config({"train": {"epochs": 8, "neighbors": count}}), digits).metrics["test_map"] for count in (0, 5)
    )
    assert with_neighbours > alone + 0.01


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lsh", {32: 0.25, 64: 0.32}), ("itq", {16: 0.38, 64: 0.43})],
)
def test_shallow_baselines_land_on_cifar_where_they_were_measured(cifar_features, name, expected):
    dataset = load_dataset(cifar_features)
    for bits, value in expected.items():
        hasher = fit(make_config({"code_length": bits, "method": {"name": name}}), dataset, test=False)
        assert hasher.metrics["val_map"] == pytest.approx(value, abs=0.025)


def test_features_train_every_method_multi_label(tmp_path):
    arrays = feature_arrays(multi=True)
    arrays["database"][:80] = arrays["train_views"][:, 0]
    arrays["database_labels"][:80] = np.eye(4)[arrays["train_labels"]]
    np.savez(tmp_path / "f.npz", **arrays | {"train_index": np.arange(80)})
    dataset = load_dataset(f"features:{tmp_path / 'f.npz'}")
    for name in methods.names():
        settings = {"code_length": 8, "method": {"name": name}, "train": {"epochs": 10, "batch_size": 16}}
        metrics = fit(make_config(settings), dataset).metrics
        assert metrics["test_map"] > 0.5, name
        assert 0 <= metrics["test_map_class_order"] <= 1
