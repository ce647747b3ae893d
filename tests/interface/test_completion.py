"""What is offered after ``fa.`` and ``fa.gelu.``: public names alone, in an editor and in a session."""

from __future__ import annotations

import keyword
import pkgutil
from pathlib import Path

import pytest

import fastact as fa

ATTRIBUTES = [
    *(
        "address",
        "backward",
        "bind",
        "formula",
        "monotonic",
        "name",
        "parameters",
        "properties",
        "range",
        "reference",
        "row",
    ),
    *("saturates", "saves", "zero_centered"),
]


def test_dir_of_the_package_is_what_it_exports():
    assert dir(fa) == sorted(fa.__all__)
    assert not [name for name in dir(fa) if name.startswith("_") and name != "__version__"]
    assert all(hasattr(fa, name) for name in dir(fa))


def test_dir_of_an_activation_is_what_is_said_of_it(row):
    own = {"elementwise": ["low_level_callable"], "random_rows": ["noise"]}.get(row.kind, [])
    assert dir(fa.get(row.name)) == sorted([*ATTRIBUTES, *own])


def test_dir_of_a_bound_activation_says_what_is_bound():
    assert dir(fa.elu.bind(alpha=0.5)) == sorted([*ATTRIBUTES, "activation", "bound", "low_level_callable"])


PACKAGES = {module.name for module in pkgutil.iter_modules(fa.__path__) if module.ispkg}
"""An editor offers what lies in the folder, too."""


def _offered(script) -> list[str]:
    """Names that do not say by an underscore that they are private, which editors put last or leave out."""
    names = {completion.name for completion in script} - PACKAGES
    return sorted(name for name in names if not name.startswith("_") and not keyword.iskeyword(name))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fa.", sorted({*fa.__all__} - {"__version__"})),
        ("fa.gelu.", sorted([*ATTRIBUTES, "low_level_callable"])),
        ("fa.gumbel_softmax.", sorted([*ATTRIBUTES, "noise"])),
        ("fa.leaky_relu.backward(x, nega", ["negative_slope="]),
    ],
)
def test_an_editor_offers_public_names(text, expected):
    jedi = pytest.importorskip("jedi")
    project = jedi.Project(Path(fa.__file__).parents[1])
    script = jedi.Script(f"import fastact as fa\nx = 1.0\n{text}", project=project)
    assert _offered(script.complete()) == expected


def test_a_session_offers_public_names():
    jedi = pytest.importorskip("jedi")
    assert _offered(jedi.Interpreter("fa.", [{"fa": fa}]).complete()) == sorted(
        {*fa.__all__} - {"__version__"}
    )
    assert _offered(jedi.Interpreter("fa.gelu.", [{"fa": fa}]).complete()) == sorted(
        [*ATTRIBUTES, "low_level_callable"]
    )
