"""``fastact completion``: scripts that shells understand, with every command and option."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from fastact.command import completion
from fastact.command import main as cli


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_for_each_shell(capsys, shell):
    pytest.importorskip("shtab")
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in (*cli.COMMANDS, "details", "gumbel_softmax", "float16"):
        assert word in script


@pytest.mark.skipif(not shutil.which("bash"), reason="asks bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fastact", "acc"], {"accuracy"}),
        (["fastact", "bench", "--activation", "hards"], {"hardsigmoid", "hardswish", "hardshrink"}),
        (["fastact", "show", "gelu"], {"gelu", "gelu_tanh"}),
        (["fastact", "show", "layer"], {"layer_norm"}),
        (["fastact", "bench", "layer"], {"layer_norm", "layer_norm+residual"}),
        (["fastact", "bench", "--activation", "gelu"], {"gelu", "gelu_tanh", "gelu+bias"}),
        (["fastact", "accuracy", "lstm"], {"lstm_cell"}),
        (["fastact", "tune", "hards"], {"hardsigmoid", "hardswish", "hardshrink"}),
        (["fastact", "gallery", "--activation", "lstm"], set()),
        (["fastact", "list", "--monotonic", ""], {"yes", "no"}),
        (["fastact", "list", "--smoothness", "C"], {"C0", "C1", "Cinf"}),
        (["fastact", "list", "--sign", ""], {"positive", "not-negative", "both"}),
        (["fastact", "list", "--sort", "saturates"], {"saturates", "saturates-left", "saturates-right"}),
        (["fastact", "list", "--fix"], {"--fixed-points"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bash_completes(capsys, tmp_path, words, expected):
    pytest.importorskip("shtab")
    cli.main(["completion", "bash"])
    script = tmp_path / "fastact"
    script.write_text(capsys.readouterr().out)
    asked = (
        f"source {script}; COMP_WORDS=({' '.join(w or chr(39) * 2 for w in words)}); "
        f"COMP_CWORD={len(words) - 1}; _shtab_fastact fastact '{words[-1]}' '{words[-2]}'; "
        "echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True)
    assert set(done.stdout.split()) == expected, done.stderr


def test_a_missing_shtab_is_named_with_what_installs_it(fresh_python):
    code = """if True:
        import sys
        sys.modules["shtab"] = None
        from fastact.command.main import main
        raise SystemExit(main(["completion", "bash"]))"""
    run = fresh_python(code)
    assert (run.returncode, run.stdout) == (1, "")
    assert (
        run.stderr == "fastact completion needs shtab; install it with: pip install 'fastact[completion]'\n"
    )


def test_an_unknown_shell_is_a_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["completion", "fish"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
