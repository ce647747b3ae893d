"""docs/website/experiments.py: each experiment has a page, made by running it, once until it changes."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path

import pytest

import fastact as fa

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "docs" / "website" / "experiments.py"

pytestmark = pytest.mark.skipif(
    not WRITER.exists() or not importlib.util.find_spec("matplotlib"),
    reason="the site is made from the source tree, with matplotlib",
)

SCRIPT = '''"""{title}: what it is about.

    python examples/{name}.py -o {name}.png

More of it, beside examples/{other}.py and examples/experiment.py.
"""

import sys
from pathlib import Path

import experiment
import fastact as fa

Path("runs.txt").open("a").write("{name} ")
options = experiment.options(__doc__, None)
print("sigmoid at 0:", fa.sigmoid(0.0))
drawn = experiment.figure(3, 2)
experiment.line(drawn.subplots(), "tanh", [0, 1], [0, 1])
experiment.save(drawn, options.output)
sys.exit(experiment.verdict({{"it is a half": {claim}}}))
'''


@pytest.fixture(scope="module")
def writer():
    spec = importlib.util.spec_from_file_location("experiment_pages", WRITER)
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for the module that defines them.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def examples(tmp_path):
    """A folder with two experiments, and what they share."""
    folder = tmp_path / "examples"
    folder.mkdir()
    shared = ROOT / "examples" / "experiment.py"
    folder.joinpath("experiment.py").write_text(shared.read_text(encoding="utf-8"), encoding="utf-8")
    for title, name, other in (("tanh's line", "first", "second"), ("Another", "second", "first")):
        text = SCRIPT.format(title=title, name=name, other=other, claim="True")
        folder.joinpath(f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def runs(docs: Path) -> list[str]:
    """The names of the scripts that ran, sorted, since two run at once."""
    return sorted((docs / "generated" / "figures" / "experiments" / "runs.txt").read_text().split())


def page(docs: Path, name: str) -> str:
    return (docs / "experiments" / f"{name}.md").read_text(encoding="utf-8")


def test_every_experiment_has_a_page_and_a_card(writer, tmp_path, monkeypatch):
    # tests/interface/test_experiments.py runs them all.
    result = writer.Result("", ["python", "it"], "1 2 3\n\nholds: a claim\n")
    monkeypatch.setattr(writer, "_run", lambda *_: result)
    writer.write(tmp_path)
    experiments = [e for chapter in writer.chapters().values() for e in chapter]
    assert len(experiments) >= 11
    assert {path.stem for path in (tmp_path / "experiments").iterdir()} == {
        *(e.name for e in experiments),
        "index",
    }
    for e in experiments:
        text = page(tmp_path, e.name)
        assert e.activations
        assert e.sentence.endswith((".", "?"))
        assert "```text\n1 2 3\n\nholds: a claim\n```" in text
        assert "Beside it stand" in text
        assert f":link: {e.name}\n" in page(tmp_path, "index")


def test_a_quick_build_says_that_it_is_quick(writer, tmp_path, examples):
    script = ROOT / "examples" / "exploding_gradients.py"
    examples.joinpath(script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    writer.write(tmp_path, examples, quick=True)
    figure = tmp_path / "generated" / "figures" / "experiments" / "exploding_gradients.svg"
    assert "</svg>" in figure.read_text(encoding="utf-8")
    text = page(tmp_path, "exploding_gradients")
    assert "\npython examples/exploding_gradients.py --quick -o exploding_gradients.svg\n" in text
    assert "\nholds: a bias moves the interval and keeps its width\n" in text


def test_the_course_has_every_experiment_and_no_other(writer):
    assert writer.OTHERS not in writer.chapters()
    assert {name: [e.name for e in found] for name, found in writer.chapters().items()} == writer.CHAPTERS


def test_an_activation_knows_the_experiments_that_speak_of_it(writer):
    spoken = {name: [e.name for e in found] for name, found in writer.activations_of().items()}
    assert list(spoken) == list(fa.activations)
    assert spoken["maxout"] == ["dying_relu", "maxout_shape"]
    assert spoken["softplus"] == ["memory_in_place"]
    assert "vanishing_gradients" in spoken["sigmoid"]
    assert spoken["threshold"] == []
    speaking = set(itertools.chain(*spoken.values()))
    assert speaking == set(itertools.chain(*writer.CHAPTERS.values()))


def test_a_page_says_what_the_script_does(writer, tmp_path, examples):
    writer.write(tmp_path, examples)
    text = page(tmp_path, "first")
    assert text.startswith("# tanh's line\n\n**What it is about.**\n")
    assert "More of it, beside [Another](second.md) and `examples/experiment.py`." in text
    assert "[sigmoid](../activations/sigmoid.md), [tanh](../activations/tanh.md)." in text
    assert "sigmoid at 0: 0.5\n" in text
    assert "figure: " not in text
    assert ":alt: tanh's line. What it is about. The claims: it is a half.\n" in text
    assert "```{literalinclude} ../examples/first.py\n" in text
    assert "Beside it stands `experiment.py`." in text
    assert writer.OTHERS in page(tmp_path, "index")


def test_a_second_build_runs_nothing(writer, tmp_path, examples):
    writer.write(tmp_path, examples)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("experiments/*.md")}
    writer.write(tmp_path, examples)
    assert runs(tmp_path) == ["first", "second"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("experiments/*.md")} == before


def test_a_script_that_changed_runs_again_and_what_they_share_lets_all_run(writer, tmp_path, examples):
    writer.write(tmp_path, examples)
    for name, ran in (("second", ["second"]), ("experiment", ["first", "second"])):
        before = runs(tmp_path)
        with examples.joinpath(f"{name}.py").open("a") as script:
            script.write("# changed\n")
        writer.write(tmp_path, examples)
        assert runs(tmp_path) == sorted(before + ran)


def test_a_script_that_is_gone_has_no_page(writer, tmp_path, examples):
    writer.write(tmp_path, examples)
    (examples / "second.py").unlink()
    writer.write(tmp_path, examples)
    assert {path.stem for path in (tmp_path / "experiments").iterdir()} == {"first", "index"}
    assert "second" not in page(tmp_path, "index")


def test_a_claim_that_fails_fails_the_build_with_what_was_printed(writer, tmp_path, examples):
    script = examples / "second.py"
    script.write_text(script.read_text(encoding="utf-8").replace("True}", "False}"), encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"second\.py ended with status 1") as failed:
        writer.write(tmp_path, examples)
    assert "sigmoid at 0: 0.5\n" in str(failed.value)
    assert "FAILS: it is a half" in str(failed.value)
    assert not (tmp_path / "experiments").exists()


def test_a_script_that_breaks_fails_the_build_with_its_error(writer, tmp_path, examples):
    broken = examples / "first.py"
    broken.write_text(broken.read_text(encoding="utf-8").replace("fa.sigmoid", "fa.sigmoidal"))
    with pytest.raises(RuntimeError, match="AttributeError"):
        writer.write(tmp_path, examples)
