"""A page for every experiment under examples/: what it says, its figure, what it prints, its source.

The scripts run when the site is built: figures and tables come from the kernels that the site describes. What
they gave is kept under docs/generated/, and is used again until a script, the package or what draws changes.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import fastact as fa

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGE = Path(fa.__file__).parent
AT_ONCE = 2

CHAPTERS = {
    "Gradients that vanish or explode": [
        "vanishing_gradients",
        "exploding_gradients",
        "vanishing_or_exploding",
    ],
    "What cures that, and what a cure costs": ["dying_relu", "selu_fixed_point", "lstm_gates"],
    "Zeros and means": ["sparsity_and_mean", "zigzag"],
    "Activations of several inputs": ["maxout_shape", "softmax_temperature"],
    "Memory": ["memory_in_place"],
}
"""In the order of a course; scripts that stand in none come last."""

OTHERS = "More experiments"


@dataclass(frozen=True)
class Experiment:
    """A script that says of each of its claims whether it holds, and what is known of it unrun."""

    script: Path

    @property
    def name(self) -> str:
        return self.script.stem

    @property
    def page(self) -> str:
        """Below docs/, without its ending."""
        return f"experiments/{self.name}"

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.script.read_text(encoding="utf-8"))

    @cached_property
    def paragraphs(self) -> list[str]:
        """Of the docstring, each one line, without the commands that stand indented there."""
        text = ast.get_docstring(self.tree) or ""
        return [" ".join(part.split()) for part in text.split("\n\n") if not part.startswith(" ")]

    @property
    def title(self) -> str:
        title = self.paragraphs[0].partition(": ")[0]
        names_one = re.split(r"\W", title)[0] in fa.activations
        return title if names_one else title[0].upper() + title[1:]

    @property
    def sentence(self) -> str:
        sentence = self.paragraphs[0].partition(": ")[2]
        return sentence[0].upper() + sentence[1:]

    @cached_property
    def activations(self) -> list[str]:
        """Those that the code calls, or has the name of, in the order of the catalog."""
        named = set()
        for node in ast.walk(self.tree):
            match node:
                case ast.Attribute(value=ast.Name(id="fa"), attr=name) | ast.Constant(value=str(name)):
                    named.add(name)
        return [name for name in fa.activations if name in named]

    @cached_property
    def passes(self) -> list[str]:
        """Those that code or docstring name as ``fa.NAME``, in the order of the catalog."""
        named = set(re.findall(r"\bfa\.(\w+)", self.script.read_text(encoding="utf-8")))
        return [name for name in fa.passes if name in named]

    @property
    def imported(self) -> list[str]:
        """The files beside it that it needs."""
        modules = set()
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    modules |= {alias.name for alias in names}
                case ast.ImportFrom(module=str(module)):
                    modules.add(module)
        return sorted(f"{name}.py" for name in modules if (self.script.parent / f"{name}.py").exists())


class Result(NamedTuple):
    """What a run gave beside its figure."""

    stamp: str
    command: list[str]
    printed: str

    @property
    def claims(self) -> list[str]:
        return re.findall(r"^holds: (.+)$", self.printed, flags=re.MULTILINE)


def activations_of(examples: Path = EXAMPLES) -> dict[str, list[Experiment]]:
    """For each activation the experiments that speak of it, in the order of the course."""
    found = [experiment for chapter in chapters(examples).values() for experiment in chapter]
    return {name: [e for e in found if name in e.activations] for name in fa.activations}


def passes_of(examples: Path = EXAMPLES) -> dict[str, list[Experiment]]:
    """The same for each pass."""
    found = [experiment for chapter in chapters(examples).values() for experiment in chapter]
    return {name: [e for e in found if name in e.passes] for name in fa.passes}


def listed(experiments: Sequence[Experiment]) -> str:
    """Links to them, for a page beside theirs."""
    return "\n".join(f"- [{e.title}](../{e.page}.md): {e.sentence}" for e in experiments) + "\n"


def write(docs: Path, examples: Path = EXAMPLES, quick: bool = False) -> None:
    """Run what has changed, and write the pages and the gallery; a script that fails fails the build."""
    found = chapters(examples)
    experiments = [experiment for chapter in found.values() for experiment in chapter]
    results = _results(docs, examples, experiments, quick)
    pages = {e.name: _page(e, results[e.name], experiments, docs) for e in experiments}
    pages["index"] = "\n".join(_gallery(found))
    folder = docs / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in set(folder.glob("*.md")) - {folder / f"{name}.md" for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        # Sphinx reads a page again where its file is newer.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def chapters(examples: Path = EXAMPLES) -> dict[str, list[Experiment]]:
    """The experiments there are, by chapter."""
    scripts = {path.stem: path for path in sorted(examples.glob("*.py")) if _is_experiment(path)}
    placed = {title: [name for name in names if name in scripts] for title, names in CHAPTERS.items()}
    placed[OTHERS] = [name for name in scripts if not any(name in names for names in placed.values())]
    return {title: [Experiment(scripts[name]) for name in names] for title, names in placed.items() if names}


def _is_experiment(path: Path) -> bool:
    return "experiment.options(" in path.read_text(encoding="utf-8")


def _figure(docs: Path, name: str) -> Path:
    return docs / "generated" / "figures" / "experiments" / f"{name}.svg"


def _results(
    docs: Path, examples: Path, experiments: Sequence[Experiment], quick: bool
) -> Mapping[str, Result]:
    surroundings = _surroundings(examples, experiments)

    def result(experiment: Experiment) -> Result:
        stamp = hashlib.sha256(surroundings + experiment.script.read_bytes() + bytes([quick])).hexdigest()
        kept = docs / "generated" / "experiments" / f"{experiment.name}.json"
        if kept.exists() and _figure(docs, experiment.name).exists():
            last = json.loads(kept.read_text(encoding="utf-8"))
            if last["stamp"] == stamp:
                return Result(**last)
        new = _run(experiment, _figure(docs, experiment.name), stamp, quick)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(new._asdict()), encoding="utf-8")
        return new

    # Each is a process of its own; threads only wait for them.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {experiment.name: pool.submit(result, experiment) for experiment in experiments}
        try:
            return {name: future.result() for name, future in futures.items()}
        finally:
            # Where one has failed, those that wait are not started.
            pool.shutdown(cancel_futures=True)


def _surroundings(examples: Path, experiments: Sequence[Experiment]) -> bytes:
    """A hash of all that decides what an experiment gives, beside its own script."""
    read = hashlib.sha256()
    shared = {examples / name for experiment in experiments for name in experiment.imported}
    package = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".so", ".pyd"}]
    for path in sorted(shared) + sorted(package):
        read.update(path.name.encode() + path.read_bytes())
    for distribution in ("numpy", "matplotlib"):
        read.update(metadata.version(distribution).encode())
    return read.digest()


def _run(experiment: Experiment, figure: Path, stamp: str, quick: bool) -> Result:
    figure.parent.mkdir(parents=True, exist_ok=True)
    options = [*(["--quick"] if quick else []), "-o", figure.name]
    one = {"FASTACT_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, str(experiment.script), *options],
        cwd=figure.parent,
        env={**os.environ, **one, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if run.returncode:
        output = run.stdout + run.stderr
        raise RuntimeError(f"{experiment.script.name} ended with status {run.returncode}:\n{output}")
    printed = run.stdout.replace(f"figure: {figure.name}\n\n", "")
    return Result(stamp, ["python", f"examples/{experiment.script.name}", *options], printed)


def _page(experiment: Experiment, result: Result, all_of_them: Sequence[Experiment], docs: Path) -> str:
    script = os.path.relpath(experiment.script, docs / "experiments").replace(os.sep, "/")
    text = "\n\n".join(_linked(paragraph, all_of_them) for paragraph in experiment.paragraphs[1:])
    named = [f"[{name}](../activations/{name}.md)" for name in experiment.activations]
    named += [f"[{name}](../passes/{name}.md)" for name in experiment.passes]
    return f"""\
# {experiment.title}

**{experiment.sentence}**

{text}

Here: {", ".join(named)}.

```{{image}} ../generated/figures/experiments/{experiment.name}.svg
:alt: {_alternative(experiment, result)}
```

## What it prints

```text
{result.printed.strip()}
```

The figure and these lines were made when this page was built, with fastact {fa.__version__}, by

```sh
{" ".join(result.command)}
```

in a clone of fastact. Its exit status says whether all claims hold; were one to fail, there would be no page.

## The script

{_beside(experiment.imported)}

```{{literalinclude}} {script}
:language: python
```
"""


def _alternative(experiment: Experiment, result: Result) -> str:
    """What the figure shows, in words for those who do not see it."""
    return f"{experiment.title}. {experiment.sentence} The claims: {'; '.join(result.claims)}."


def _linked(paragraph: str, experiments: Sequence[Experiment]) -> str:
    """The paragraph with links where it names another script."""
    titles = {experiment.name: experiment.title for experiment in experiments}

    def link(named: re.Match[str]) -> str:
        name = named[1]
        return f"[{titles[name]}]({name}.md)" if name in titles else f"`{named[0]}`"

    return re.sub(r"examples/(\w+)\.py", link, paragraph)


def _beside(names: Sequence[str]) -> str:
    """What a script needs beside it; all of them share at least their options."""
    *others, last = (f"`{name}`" for name in names)
    return f"Beside it stand {', '.join(others)} and {last}." if others else f"Beside it stands {last}."


def _gallery(found: Mapping[str, Sequence[Experiment]]) -> Iterator[str]:
    """The lines of the page that shows all figures."""
    yield "# Experiments"
    yield ""
    yield "What activations do to a network, each shown by a script that you can run and change."
    yield "Every experiment states claims and checks them: were one to fail, this site would not be built."
    yield "[Why gradients vanish](../gradients.md) tells the story that the first ones belong to."
    for title, experiments in found.items():
        yield f"\n## {title}\n"
        yield "::::{grid} 1 2 3 3\n:gutter: 3\n"
        for experiment in experiments:
            yield f":::{{grid-item-card}} {experiment.title}"
            yield f":img-top: ../generated/figures/experiments/{experiment.name}.svg"
            yield f":img-alt: Figure of the experiment {experiment.title}"
            yield f":link: {experiment.name}\n:link-type: doc\n"
            yield f"{experiment.sentence}\n:::\n"
        yield "::::"
    yield "\n```{toctree}\n:hidden:\n"
    yield from (experiment.name for experiments in found.values() for experiment in experiments)
    yield "```\n"
