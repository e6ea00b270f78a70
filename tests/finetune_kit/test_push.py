"""`export --push` against a stand-in for the Hub's HTTP API."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_kit.run import Run
from tests.hub_stand_in import hub

TOKEN = "hf_" + "x" * 34


@pytest.fixture
def run(tiny_run, tmp_path: Path) -> Run:
    """A run in a folder of its own."""
    return Run.load(shutil.copytree(tiny_run.path, tmp_path / "runs" / "tiny"))


def export(run: Run, endpoint: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: the Hub's client reads its address and the token when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    told = {"HF_ENDPOINT": endpoint, "HF_HOME": str(run.path / "hf"), "HF_HUB_DISABLE_XET": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "finetune_kit", "export", str(run.path), *arguments]
    environment = {**kept, **told, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_what_is_there_is_what_was_exported(run: Run) -> None:
    with hub(TOKEN) as there:
        dry = export(run, there.url, "--push", "me/tiny", HF_TOKEN=TOKEN)
        assert (dry.returncode, there.repositories) == (0, {})
        assert "Nothing was sent. --yes sends it" in dry.stdout

        done = export(run, there.url, "--push", "me/tiny", "--yes", "--force", HF_TOKEN=TOKEN)
        assert done.returncode == 0, done.stderr
        assert f"Pushed to {there.url}/me/tiny" in done.stdout
        assert TOKEN not in done.stdout + done.stderr
        assert there.repositories == {"me/tiny": "private"}
        folder = run.path / "export" / "adapter"
        assert there.files == {path.name: path.read_bytes() for path in folder.iterdir()}
        assert there.commits == ["Upload with finetune_kit"]

        again = export(run, there.url, "--push", "me/tiny", "--yes", "--force", HF_TOKEN=TOKEN)
        assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_public_is_asked_for(run: Run) -> None:
    with hub(TOKEN) as there:
        done = export(run, there.url, "--push", "me/tiny", "--yes", "--public", HF_TOKEN=TOKEN)
        assert done.returncode == 0, done.stderr
        assert there.repositories == {"me/tiny": "public"}


@pytest.mark.slow
def test_what_the_hub_refuses_is_told_and_the_folder_stays(run: Run) -> None:
    with hub(TOKEN) as there:
        cases = [
            (["--push", "me/tiny", "--yes"], {}, "There is no token for the Hub: set HF_TOKEN"),
            (
                ["--push", "me/tiny", "--yes", "--force"],
                {"HF_TOKEN": "hf_wrong"},
                "The Hub did not take me/tiny (Client error '401 Unauthorized'",
            ),
            (["--push", "no name", "--yes", "--force"], {"HF_TOKEN": TOKEN}, "--push 'no name' is no name of a repos"),
        ]
        for arguments, environment, said in cases:
            done = export(run, there.url, *arguments, **environment)
            assert (done.returncode, done.stderr.count("Traceback")) == (2, 0)
            assert said in done.stderr.replace("\n", " ")
        there.broken = True
        done = export(run, there.url, "--push", "me/tiny", "--yes", "--force", HF_TOKEN=TOKEN)
        assert done.returncode == 2
        assert "Nothing is lost" in done.stderr and there.commits == []
    assert (run.path / "export" / "adapter" / "adapter_model.safetensors").is_file()
    unreachable = export(run, "http://127.0.0.1:9", "--push", "me/tiny", "--yes", "--force", HF_TOKEN=TOKEN)
    assert unreachable.returncode == 2 and "The Hub did not take me/tiny" in unreachable.stderr


@pytest.mark.slow
def test_a_secret_is_not_pushed(run: Run) -> None:
    """The prompt's template is in the card and in the chat template."""
    text = run.recipe_path.read_text()
    assert text.count("{instruction}") == 1
    run.recipe_path.write_text(text.replace("{instruction}", f"ghp_{'aZ3kQ9xR7mT2' * 3} {{instruction}}"))
    with hub(TOKEN) as there:
        done = export(run, there.url, "--push", "me/tiny", "--yes", HF_TOKEN=TOKEN)
        assert done.returncode == 2 and "holds what looks like a GitHub token" in done.stderr
        assert there.repositories == {}
