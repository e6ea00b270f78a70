"""Completions from a server, against a stand-in that answers with the tiny model and checks what it is asked."""

import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from finetune_kit import serving
from finetune_kit.decoding import decode
from finetune_kit.errors import KitError
from finetune_kit.generation import Generator, generate, predict_test_rows
from finetune_kit.recipe import Generation
from finetune_kit.run import Run
from finetune_kit.serving import Server

pytestmark = pytest.mark.usefixtures("float32_device")

FIELDS = {"model", "prompt", "max_tokens", "temperature", "top_p", "top_k", "stop", "seed", "repetition_penalty"}
FIELDS |= {"stop_token_ids"}


@dataclass
class StandIn:
    """What the server serves, and what it has been asked."""

    generator: Generator
    models: list[str] = field(default_factory=lambda: ["base", "tuned"])
    failures: list[int] = field(default_factory=list)
    """Statuses that the next requests are answered with."""
    text: str | None = None
    """The body of every answer, where it is given."""
    key: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, headers: Any, body: dict[str, Any]) -> tuple[int, Any]:
        if self.key and headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"error": {"message": "no key"}}
        if self.failures and path == "/v1/completions":
            return self.failures.pop(), {"error": {"message": "try again"}}
        if path == "/v1/models":
            return 200, {"data": [{"id": name} for name in self.models]}
        assert path == "/v1/completions" and set(body) <= FIELDS, (path, body)
        self.asked.append(body)
        if body["max_tokens"] > 1000:
            return 400, {"error": {"message": "the context has 1000 tokens"}}
        return 200, self.complete(body)

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        settings = Generation(
            max_new_tokens=body["max_tokens"], temperature=float(body["temperature"]), stop_strings=body.get("stop", [])
        )
        model = self.generator._model
        with model.disable_adapter() if body["model"] == "base" else nullcontext():
            done = decode(model.get_base_model(), self.generator._tokenizer, [body["prompt"]], settings)[0]
        reason = "length" if done.finish_reason == "length" else "stop"
        stop_reason = settings.stop_strings[0] if done.finish_reason == "stop" else None
        choice = {"text": done.text, "finish_reason": reason, "stop_reason": stop_reason}
        return {"choices": [choice], "usage": {"completion_tokens": done.tokens}}


@pytest.fixture
def server(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server on a free port of this machine, one request at a time."""
    monkeypatch.setattr(serving, "PAUSES", (0.0, 0.0))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    stand_in = StandIn(Generator(tiny_run))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({})

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body: dict[str, Any]) -> None:
            with lock:
                status, answer = stand_in.answer(self.path, self.headers, body)
            data = (stand_in.text or json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        stand_in.url = f"http://127.0.0.1:{listening.server_port}"
        yield stand_in
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("side", ["base", "tuned"])
def test_a_server_gives_what_the_kit_gives(tiny_run: Run, server: StandIn, side: str) -> None:
    rows = tiny_run.rows("train")[:6]
    assert generate(tiny_run, rows, side, server.url) == generate(tiny_run, rows, side)
    generator = Generator(tiny_run)
    prompts = [generator.prompt.encode(row, generator._tokenizer) for row in rows]
    assert sorted(body["prompt"] for body in server.asked) == sorted(prompts)


def test_a_server_is_asked_for_the_prompted_side_as_the_base_model(tiny_run: Run, server: StandIn) -> None:
    """With the most examples, since it is asked for no losses."""
    rows = tiny_run.rows("test")[:2]
    generate(tiny_run, rows, "prompted", server.url)
    generator = Generator(tiny_run, server.url)
    assert len(generator.few_shot().examples) == 4
    wanted = [generator.few_shot().encode(row, generator._tokenizer) for row in rows]
    assert sorted(body["prompt"] for body in server.asked) == sorted(wanted)
    assert {body["model"] for body in server.asked} == {"base"}


def test_predictions_of_a_server_are_marked_as_such(tiny_run: Run, server: StandIn, tmp_path) -> None:
    here, there = (Generator(tiny_run, address) for address in (None, server.url))
    assert here.settings_hash("tuned") != there.settings_hash("tuned")


def test_settings_reach_the_server(tiny_run: Run, server: StandIn) -> None:
    client = Server(server.url + "/v1/", tiny_run, "base-model")
    sampled = Generation(max_new_tokens=3, temperature=0.7, top_k=5, top_p=0.9, stop_strings=["x"])
    client.complete([[5, 6], [7, 8]], sampled, "tuned", seed=3)
    first, second = sorted(server.asked, key=lambda body: body["prompt"])
    wanted = {"model": "tuned", "max_tokens": 3, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "stop": ["x"]}
    assert {name: first[name] for name in wanted} == wanted
    assert first["seed"] != second["seed"]
    server.asked.clear()
    client.complete([[5, 6]], Generation(max_new_tokens=3, do_sample=False), "base")
    assert server.asked == [
        {"model": "base", "prompt": [5, 6], "max_tokens": 3, "temperature": 0.0, "repetition_penalty": 1.0}
    ]


def test_finish_reasons_are_told_apart(tiny_run: Run, server: StandIn) -> None:
    client = Server(server.url, tiny_run, "base-model")
    (whole,) = client.complete([[5, 6, 7]], Generation(max_new_tokens=12, do_sample=False), "base")
    assert whole.finish_reason == "length" and whole.tokens == 12
    stop = whole.text[3:5]
    stopping = Generation(max_new_tokens=12, do_sample=False, stop_strings=[stop])
    (stopped,) = client.complete([[5, 6, 7]], stopping, "base")
    assert stopped.finish_reason == "stop" and stopped.text == whole.text.split(stop)[0]


def test_a_busy_server_is_asked_again(tiny_run: Run, server: StandIn) -> None:
    server.failures = [503, 429]
    rows = tiny_run.rows("train")[:2]
    assert generate(tiny_run, rows, "tuned", server.url) == generate(tiny_run, rows, "tuned")


def test_a_key_comes_from_the_environment(tiny_run: Run, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "secret"
    rows = tiny_run.rows("train")[:1]
    with pytest.raises(KitError, match=r"401: no key\. Set OPENAI_API_KEY"):
        generate(tiny_run, rows, "tuned", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sec\rret")
    with pytest.raises(KitError, match="OPENAI_API_KEY holds characters") as error:
        generate(tiny_run, rows, "tuned", server.url)
    assert "ret" not in str(error.value)
    monkeypatch.setenv("OPENAI_API_KEY", "secret\n")
    assert generate(tiny_run, rows, "tuned", server.url)


def test_what_goes_wrong_is_said(tiny_run: Run, server: StandIn) -> None:
    rows = tiny_run.rows("train")[:1]

    def ask(address: str = server.url, settings: Generation | None = None) -> None:
        settings = settings or Generation(max_new_tokens=2)
        Server(address, tiny_run, "base-model").complete([[5]] * len(rows), settings, "tuned")

    for address in ("localhost:8000", "http://localhost:80a0", "ftp://localhost"):
        with pytest.raises(KitError, match="must be one as http://localhost:8000"):
            ask(address)
    with pytest.raises(KitError, match=r"can't be reached .* vllm serve base-model"):
        ask("http://127.0.0.1:9")
    with pytest.raises(KitError, match="answers 400: the context has 1000 tokens"):
        ask(settings=Generation(max_new_tokens=2000))
    server.failures = [500, 500, 500]
    with pytest.raises(KitError, match="answers 500: try again"):
        ask()
    server.models = ["other"]
    with pytest.raises(KitError, match="serves other, and not 'tuned'"):
        ask()
    for text in ("<html>", "[]", '{"object": "list"}'):
        server.text = text
        with pytest.raises(KitError, match="something that is not OpenAI's"):
            ask()


def test_predict_keeps_nothing_when_the_server_fails(tiny_run: Run, server: StandIn) -> None:
    path = tiny_run.predictions_path("tuned")
    before = path.read_bytes() if path.exists() else None
    server.failures = [500] * 100
    with pytest.raises(KitError, match="answers 500"):
        predict_test_rows(tiny_run, sides=["tuned"], server=server.url)
    assert (path.read_bytes() if path.exists() else None) == before


def test_the_command_serves_both_models(tiny_run: Run) -> None:
    words = shlex.split(serving.vllm_command(tiny_run, "org/model"))
    assert words[:5] == ["vllm", "serve", "org/model", "--served-model-name", "base"]
    assert f"tuned={tiny_run.adapter_path}" in words and words[-2:] == ["--quantization", "bitsandbytes"]
    assert words[words.index("--max-lora-rank") + 1] == "16"  # of rank 4: vLLM has no less by default


def test_a_chats_end_of_turn_is_sent_where_it_is_not_the_end_token(server: StandIn, tiny_run: Run) -> None:
    from finetune_kit.prompt import Prompt
    from tests.finetune_kit.test_prompt import CHAT

    generator = Generator(tiny_run, server.url)
    generator.prompt = Prompt("{instruction}", chat_template=True)
    for turn_end, sent in (("</s>", [None]), ("<unk>", [[0]])):
        generator._tokenizer.chat_template = CHAT.replace("</s>", turn_end)
        server.asked.clear()
        generator.complete(tiny_run.rows("test")[:1])
        assert [body.get("stop_token_ids") for body in server.asked] == sent
