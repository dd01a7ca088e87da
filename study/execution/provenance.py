"""Where a run came from: commit, versions, machine; and what of that codes depend on."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import nsh_core
from nsh_core import plugins

CPU_CAPABILITY = "CPU capability"
CPU_MAKER = "CPU maker"
_TRAINING = ("torch", "numba", "torchsort", "diffsort", "numpy", "scipy", "scikit-learn")
_OTHERS = ("optuna", "pandas", "seaborn")
_DECISIVE = ("code", *_TRAINING, CPU_CAPABILITY, CPU_MAKER, "accelerator")
_MAKERS = ("Intel", "AMD")  # MKL, by which PyTorch multiplies matrices, has kernels for each
_PLUGIN = "plug-in "
UNKNOWN = "not recorded"
_NOT_INSTALLED = "not installed"
_WIDTHS = ("DEFAULT", "AVX2", "AVX512")
WRITTEN = (":!results", ":!reports")  # what studies and reports write is no change of the code that writes it
_NEW = ("nsh_core", "study")  # where a new file may be code; elsewhere they are a user's own, plug-ins have digests


def provenance() -> dict[str, str]:
    """Facts about this checkout, machine and the plug-ins that are loaded by now, by name."""
    return _of_this_process() | {f"{_PLUGIN}{Path(name).name}": digest for name, digest in plugins.digests().items()}


@cache
def _of_this_process() -> dict[str, str]:
    import torch  # which what only compares facts does without

    processor, kernels = _processor(), os.getenv("MKL_CBWR")  # that chooses among kernels of MKL
    return {
        "commit": commit(),
        "code": _code(),
        "python": platform.python_version(),
        **{name: _version(name) for name in (*_TRAINING, *_OTHERS)},
        "host": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        CPU_MAKER: f"{_maker(processor)} (MKL_CBWR={kernels})" if kernels else _maker(processor),
        CPU_CAPABILITY: torch.backends.cpu.get_cpu_capability(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def version_of(facts: Mapping[str, str]) -> dict[str, str]:
    """What codes depend on beside config, seed and data: runs of one version can stand in one mean.

    That is the source of nsh_core and of plug-ins, the libraries that train, the CPU's vector width (what PyTorch calls
    its capability) and maker, and the accelerator. A commit that leaves nsh_core as it is makes no other version.

    Args:
        facts: As provenance gives them; earlier versions recorded fewer.
    """
    if "processor" in facts:
        facts = {CPU_MAKER: _maker(facts["processor"]), **facts}
    own = {name: facts.get(name, UNKNOWN) for name in _DECISIVE}
    return own | {name: value for name, value in facts.items() if name.startswith(_PLUGIN)}


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names of the facts in which two versions differ.

    A plug-in that only one of them had is no difference: what it registers takes the place of nothing, so that only
    runs that name it depend on it. A library that only one of them had
    installed is none either: it trained nothing there.

    Args:
        one: A version.
        other: Another.
    """
    names = [name for name in {**one, **other} if not name.startswith(_PLUGIN) or (name in one and name in other)]
    return [
        name
        for name in names
        if one.get(name) != other.get(name) and _NOT_INSTALLED not in (one.get(name), other.get(name))
    ]


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between what was recorded and what is, a line each.

    Args:
        before: Facts of where a trial was trained.
        now: Those of this process.
    """
    names = differing(before, now)
    unknown = [name for name in names if before.get(name, UNKNOWN) == UNKNOWN]
    known = [f"{name}: {before[name]} then, {now.get(name, 'none')} now" for name in names if name not in unknown]
    return [*known, f"not recorded then: {', '.join(unknown)}"] if unknown else known


def capability_setting(capability: str) -> str:
    """What makes PyTorch use the vector width of another processor, NAME=VALUE for the environment; empty if nothing.

    Args:
        capability: Of the other processor.
    """
    import torch

    here = torch.backends.cpu.get_cpu_capability()
    wider = capability in _WIDTHS and here in _WIDTHS and _WIDTHS.index(here) > _WIDTHS.index(capability)
    return f"ATEN_CPU_CAPABILITY={capability.lower()}" if wider else ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _NOT_INSTALLED


def commit() -> str:
    """The commit and, of a checkout that differs from it, a digest of the difference, new files of code among it.

    Of an installed package its version, which names the commit, or is a release's.
    """
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return f"{_version('nsh-study')} (installed)"
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        new = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", *_NEW).split("\0")
        difference = _git(folder, "diff", "HEAD", "--binary", "--", *WRITTEN) + _contents(
            folder, (folder / name for name in new if (folder / name).is_file())
        )
        return f"{head} (with local changes {_digest(difference)})" if difference else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown (git cannot read the checkout)"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, errors="backslashreplace"
    )
    return done.stdout.strip()


def _code() -> str:
    """A digest of the source of nsh_core."""
    root = Path(nsh_core.__file__).parent
    return _digest(_contents(root, root.rglob("*.py")))


def _contents(folder: Path, files: Iterable[Path]) -> str:
    """Names of files and digests of what they hold."""
    digests = ((path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(files))
    return "".join(f"{path.relative_to(folder)} {digest}\n" for path, digest in digests)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _maker(processor: str) -> str:
    return next((maker for maker in _MAKERS if maker in processor), processor)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
