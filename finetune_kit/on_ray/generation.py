"""Generating on Ray: actors that hold the model once, through which the rows stream."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.on_ray import as_they_come
from finetune_kit.answering import in_chunks
from finetune_kit.data import Row
from finetune_kit.on_ray.cluster import connected, kit_errors, workers_of
from finetune_kit.progress import View
from finetune_kit.run import Run

if TYPE_CHECKING:
    from finetune_kit.decoding import Completion

CHUNK = 64
"""Rows of a task: what is made anew when a worker is lost, and a batch of the largest size."""
PROMPTED = "predictions/prompted.json"


class Answerer:
    """An actor: a base model with a run's adapter.

    Args:
        files: Of the run folder, by their paths in it, as far as generation needs them; the run's own folder may be on
            another machine.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        from finetune_kit.generation import Generator

        self.folder = Path(tempfile.mkdtemp(prefix="finetune-kit-"))
        for name, data in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.generator = Generator(Run.open(self.folder))

    def settings_hash(self, side: str) -> str:
        """What a completion depends on, by the device that is here."""
        return self.generator.settings_hash(side)

    def way_to_ask(self) -> tuple[str, bytes]:
        """How the base model is asked at its best, and what is kept of that in the run folder."""
        name = self.generator.way_to_ask()
        kept = self.folder / PROMPTED
        return name, kept.read_bytes() if kept.exists() else b""

    def complete(self, rows: Sequence[Row], side: str) -> "list[Completion]":
        """Answer some rows."""
        return self.generator.complete(rows, side)


class RayGenerator:
    """What `finetune_kit.generation.Generator` is in this process, on a cluster.

    A task whose worker is lost runs again on another; its answers come once.

    Args:
        run: A finished run.
        count: How many actors.
        resources: What each takes, in Ray's words.
        answerer: The actors' class.
        chunk: Rows of a task.
    """

    def __init__(
        self, run: Run, count: int, resources: Mapping[str, float], answerer: type = Answerer, chunk: int = CHUNK
    ) -> None:
        self.run = run
        self.count = count
        self.resources = dict(resources)
        self.answerer = answerer
        self.chunk = chunk
        self._actors: list[Any] = []
        self._files: dict[str, bytes] = {}
        self._sent: Any = None

    def settings_hash(self, side: str) -> str:
        """What a completion depends on beside its row."""
        return str(self._ask("settings_hash", side))

    def way_to_ask(self, view: View | None = None) -> str:
        """What the way is called that a worker found best for the base model; kept in the run folder."""
        if "rows/train.jsonl" not in self._files:
            path = self.run.path / PROMPTED
            names = ["rows/train.jsonl", *([PROMPTED] if path.exists() else [])]
            self._restart({name: (self.run.path / name).read_bytes() for name in names})
        with (view or View(quiet=True)).stage("Choosing the base model's best prompt"):
            name, kept = self._ask("way_to_ask")
        if kept:
            path = self.run.path / PROMPTED
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(kept)
            self._restart({PROMPTED: kept})
        return str(name)

    def complete(
        self, rows: Sequence[Row], side: str = "tuned", on_done: Callable[[], None] = lambda: None
    ) -> "list[Completion]":
        """Answers to rows, in their order."""
        if side == "prompted":
            self.way_to_ask()
        chunks = list(in_chunks(iter(rows), self.chunk))
        done = as_they_come(
            self._started(), lambda actor, place: actor.complete.remote(chunks[place], side), range(len(chunks))
        )
        answers = dict(self._counted(done, on_done))
        return [one for place in range(len(chunks)) for one in answers[place]]

    def complete_some(
        self, rows: Iterator[Row], side: str, on_done: Callable[[], None]
    ) -> "Iterator[tuple[list[Row], list[Completion]]]":
        """Answers to rows as they come; of the rows no more are taken than the workers have to do."""
        chunks = in_chunks(rows, self.chunk)
        done = as_they_come(self._started(), lambda actor, some: actor.complete.remote(some, side), chunks)
        return self._counted(done, on_done)

    def close(self) -> None:
        """Let the actors go."""
        import ray

        for actor in self._actors:
            ray.kill(actor)
        self._actors = []

    def _counted(self, done: Iterator[Any], on_done: Callable[[], None]) -> Iterator[Any]:
        with kit_errors():
            for some, answers in done:
                for _ in answers:
                    on_done()
                yield some, answers

    def _ask(self, method: str, *args: Any) -> Any:
        import ray

        with kit_errors():
            return ray.get(getattr(self._started()[0], method).remote(*args))

    def _restart(self, files: Mapping[str, bytes]) -> None:
        self.close()
        self._files |= files

    def _started(self) -> list[Any]:
        """The actors; Ray starts one again that is lost, and does its task again."""
        import ray

        if not self._actors:
            names = [path.relative_to(self.run.path).as_posix() for path in sorted(self.run.adapter_path.iterdir())]
            for name in ("recipe.yaml", "manifest.json", *names):
                self._files[name] = (self.run.path / name).read_bytes()
            more = {name: amount for name, amount in self.resources.items() if name not in ("CPU", "GPU")}
            actor: Any = ray.remote(self.answerer).options(
                num_cpus=self.resources.get("CPU", 1),
                num_gpus=self.resources.get("GPU", 0),
                resources=more,
                max_restarts=-1,
                max_task_retries=-1,
                scheduling_strategy="SPREAD",
            )
            # Kept for as long as they live: an actor that is started again is given it again.
            self._sent = ray.put(self._files)
            self._actors = [actor.remote(self._sent) for _ in range(self.count)]
        return self._actors


@contextmanager
def ray_generator(run: Run, view: View) -> Iterator[RayGenerator]:
    """A generator on the cluster that the run's recipe names.

    Raises:
        KitError: If there is none.
    """
    with connected(run.recipe.backend, view):
        count, resources = workers_of(run.recipe.backend)
        generator = RayGenerator(run, count, resources)
        view.say(f"Workers     {count}, each with the model, on Ray")
        try:
            yield generator
        finally:
            generator.close()
