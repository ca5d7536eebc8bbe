"""A run on JAX: rounds of training, each of which ends with a validation, until its epochs or its minutes are over."""

import csv
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

import zoo
from media import atomic
from training import recipes
from training.data.apart import check_apart
from training.data.folder import check_source
from training.data.memory import MemoryPhotographs, load
from training.loop import warm_start
from training.loop.jax import checkpoints
from training.loop.jax.batches import Photographs, draw_order, put
from training.loop.jax.checkpoints import Position
from training.loop.jax.trainer import State, Trainer, check
from training.loop.optimizers import use_averages
from training.loop.sigterm import Stop, stopping
from training.runs import run_folder
from training.runs.compact import compact
from training.systems.recipe import Recipe
from zoo.errors import ArgumentError, TrainingError

ROUNDS = 20  # of a budget of time
STEPS_TOGETHER = 8  # in one call of an accelerator
SECONDS_BETWEEN_LINES = 10
SECONDS_BETWEEN_CHECKPOINTS = 60


def main(
    recipe: str,
    data: Sequence[Path],
    val: Path | None,
    out: Path | None,
    minutes: float | None,
    overrides: Mapping[str, str],
    compressed: bool = False,
) -> None:
    """Trains a recipe on photographs; the body of `python -m training.loop.jax`.

    Args:
        recipe: its name.
        data, val: folders and archives to train and to validate on.
        out: folder of the run; an interrupted run resumes in it.
        minutes: how long to train, without reading and compiling; None for the epochs of the recipe.
        overrides: fields of the recipe, as text.
        compressed: round the weights of the results to the precision of float16, and compress the files.

    Raises:
        ArgumentError, UnknownNameError: an argument outside its range, or a recipe that only TensorFlow's loop trains.
        DataError: photographs that cannot be trained on.
        TrainingError: a folder of another run, a loss that is not finite, a full disk or too little memory.
    """
    settings = recipes.load(recipe, overrides)
    with stopping(0) as stop:
        done = train(settings, data, val, out or Path("runs") / recipe, minutes, stop)
        if done and compressed:
            for name in ("best.keras", "last.keras"):
                compact((out or Path("runs") / recipe) / name)


def train(recipe: Recipe, data: Sequence[Path], val: Path | None, out: Path, minutes: float | None, stop: Stop) -> bool:
    """Trains until the end, and returns whether it was reached, or a SIGTERM came. See `main`."""
    check(recipe)
    run_folder.check_recipe(out, recipe)
    run_folder.check_loop(out, "ckpt-*.index", "colorzoo train")
    if recipe.init:
        if Path(f"{recipe.init}.index").is_file():
            raise ArgumentError(
                f"init is {recipe.init!r}, a checkpoint of TensorFlow: name a .keras file or the folder of a run"
            )
        warm_start.check_source(recipe)
    for source in [*data, *([val] if val else [])]:
        check_source(source)

    began = time.monotonic()
    photographs = _load(recipe, data)
    held_out = _load(recipe, [val], held_out=True) if val else None
    print(f"read in {time.monotonic() - began:.0f} s", flush=True)
    if held_out:
        check_apart(photographs, held_out)
    run_folder.check_photographs(out, photographs, held_out)
    steps = len(photographs) // recipe.batch
    if not steps:
        raise ArgumentError(
            f"batch is {recipe.batch}: it must be at most {len(photographs)}, the number of photographs"
        )
    initial = warm_start.read(recipe.init) if recipe.init else None
    statistics = recipe.statistics(photographs, initial.statistics if initial else None)
    keras.utils.set_random_seed(recipe.seed)
    trainer = Trainer(recipe, statistics, steps, photographs.pixels.shape[1:3])
    if initial:
        warm_start.begin_with(initial, recipe, trainer.system, statistics)
    with run_folder.writing(out):
        run_folder.claim(out, recipe, photographs, held_out, statistics)
    position = checkpoints.restore(out / "checkpoints", trainer.named_variables)
    with _explain_memory():
        labels = [part.labels(photographs.classes) for part in (photographs, held_out) if part]
        there = put(photographs, labels[0])
        held_out_there = put(held_out, labels[1]) if held_out else None
        run = _Run(trainer, Plan(recipe.epochs, steps, minutes), there, held_out_there, out, position, stop)
        return run.run()


def _load(recipe: Recipe, sources: Sequence[Path], *, held_out: bool = False) -> MemoryPhotographs:
    return load(
        sources,
        recipe.size,
        recipe.resize_mode,
        recipe.shortest,
        enlarge=recipe.enlarge,
        drop_gray=recipe.drop_gray,
        held_out=held_out,
    )


@dataclass(frozen=True)
class Plan:
    """When a run ends, and which learning rate a step has: by its epochs, or by the clock.

    steps: of an epoch. minutes: a budget of time, over which the schedule of all epochs is laid; None: no budget.
    """

    epochs: int
    steps: int
    minutes: float | None = None

    @property
    def rounds(self) -> int:
        """How many validations the run has: one after each epoch, or after each twentieth of the budget."""
        return self.epochs if self.minutes is None else ROUNDS

    def done_rounds(self, position: Position) -> int:
        """How many rounds the steps, or the seconds, of a run make."""
        if self.minutes is None:
            return position.step // self.steps
        return min(ROUNDS, int(ROUNDS * position.seconds / (60 * self.minutes)))

    def steps_together(self, position: Position, most: int) -> int:
        """How many steps to make at once; an epoch is ended by none too many."""
        return most if self.minutes is not None else min(most, self.steps - position.step % self.steps)

    def on_schedule(self, position: Position, count: int) -> np.ndarray:
        """Where on the schedule the next steps are, (count,) float32, in steps."""
        if self.minutes is None:
            return np.arange(position.step, position.step + count, dtype=np.float32)
        share = min(1.0, position.seconds / (60 * self.minutes))
        return np.full(count, share * self.epochs * self.steps, np.float32)

    def minutes_left(self, position: Position, per_step: float) -> float:
        """What is left of the budget, or of the epochs at this many seconds a step."""
        if self.minutes is not None:
            return max(0.0, self.minutes - position.seconds / 60)
        return (self.epochs * self.steps - position.step) * per_step / 60


class _Run:
    """The rounds of a run, from a position on."""

    def __init__(
        self,
        trainer: Trainer,
        plan: Plan,
        photographs: Photographs,
        held_out: Photographs | None,
        out: Path,
        position: Position,
        stop: Stop,
    ) -> None:
        self._trainer, self._plan, self._photographs, self._held_out = trainer, plan, photographs, held_out
        self._out, self._position, self._stop = out, position, stop
        recipe = trainer.recipe
        # On a CPU a step outlasts its call by far.
        self._together = 1 if jax.default_backend() == "cpu" else STEPS_TOGETHER
        self._order = functools.lru_cache(2)(
            functools.partial(draw_order, len(photographs.labels), recipe.batch, recipe.seed)
        )
        # Built once, since it shares the variables of the network.
        self._colorizer = zoo.create_colorizer(trainer.system.network, recipe.frame_size, saturation=recipe.saturation)
        with run_folder.writing(out):
            run_folder.drop_rows(out, position.round)

    def run(self) -> bool:
        """Trains until the end, and returns whether it was reached, or a SIGTERM came."""
        position = self._position
        if self._plan.done_rounds(position) < self._plan.rounds and not self._train():
            print("stopped by SIGTERM; the same command continues from here", flush=True)
            return False
        with use_averages(self._trainer.main_optimizer):
            self._write(self._out / "last.keras")
        print(f"done: {position.step} steps in {position.seconds / 60:.1f} minutes", flush=True)
        return True

    def _train(self) -> bool:
        """The rounds that are left; whether they came to their end."""
        position, plan = self._position, self._plan
        state = self._trainer.read_state()
        step = self._compile(state)
        self._stop.begin_to_save()
        self._tick = self._saved = self._printed = time.monotonic()
        self._begin_round()
        waiting: tuple[int, Mapping[str, jax.Array]] | None = None
        while plan.done_rounds(position) < plan.rounds:
            count = plan.steps_together(position, self._together)
            state, sums = step(state, *self._arguments(count))
            # The device is at work on these steps while those before them are waited for and counted.
            self._count(waiting)
            waiting = count, sums
            position.step += count
            self._pass_time()
            ended = plan.done_rounds(position) > position.round
            if ended or self._stop.received or self._tick - self._saved > SECONDS_BETWEEN_CHECKPOINTS:
                self._count(waiting)
                waiting = None
                self._trainer.write_state(state)
                self._save(ended)
            if self._stop.received:
                return False
        return True

    def _arguments(self, count: int) -> tuple[Any, ...]:
        """Of `Trainer.train`: the next steps, of which this many are made."""
        first, steps, together = self._position.step, self._plan.steps, self._together
        rows = [self._order(number // steps)[number % steps] for number in range(first, first + count)]
        rows += rows[-1:] * (together - count)
        places = self._plan.on_schedule(self._position, together)
        return self._photographs, np.stack(rows), np.int32(first), places, np.int32(count)

    def _compile(self, state: State) -> Callable[..., tuple[State, dict[str, jax.Array]]]:
        """The compiled steps; `validate` is compiled as well, so that neither takes time from the budget."""
        began = time.monotonic()
        count = self._plan.steps_together(self._position, self._together)
        lowered = jax.jit(self._trainer.train, donate_argnums=0).lower(state, *self._arguments(count))
        step: Callable[..., tuple[State, dict[str, jax.Array]]] = lowered.compile()
        if self._held_out:
            self._validate = (
                jax.jit(self._trainer.validate)
                .lower(state, self._held_out, *next(self._parts(len(self._held_out.labels))))
                .compile()
            )
        print(f"compiled in {time.monotonic() - began:.0f} s, for {jax.devices()[0].device_kind}", flush=True)
        return step

    def _parts(self, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positions (B,) of all of `count` pictures, and whether each is counted: the last part is filled up."""
        size = self._trainer.recipe.batch
        for start in range(0, count, size):
            chosen = np.arange(start, start + size, dtype=np.int32)
            yield np.minimum(chosen, count - 1), (chosen < count).astype(np.float32)

    def _pass_time(self) -> None:
        now = time.monotonic()
        self._position.seconds += now - self._tick
        self._tick = now

    def _count(self, waiting: tuple[int, Mapping[str, jax.Array]] | None) -> None:
        """Waits for steps, counts their losses, and prints, if it is time."""
        if waiting is None:
            return
        count, arrays = waiting
        sums = {name: float(value) for name, value in arrays.items()}
        position = self._position
        for name, value in sums.items():
            if not math.isfinite(value):
                raise checkpoints.diverged(self._out / "checkpoints", f"the {name} became {value}", position.step)
        position.add(sums, count)
        now = time.monotonic()
        if now - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = now
            per_step = (now - self._round_began) / (position.counted - self._counted_before)
            print(
                f"round {position.round + 1}/{self._plan.rounds}  step {position.step}  "
                f"loss {sums['loss'] / count:.4f}  {self._trainer.recipe.batch / per_step:.1f} images/s  "
                f"{self._plan.minutes_left(position, per_step):.1f} min left",
                flush=True,
            )

    # === The end of a round ===

    def _save(self, ended: bool) -> None:
        """Ends a round, if it is at its end, and writes a checkpoint; the variables have the values of the state."""
        if ended:
            self._end_round()
        self._pass_time()
        checkpoints.save(self._out / "checkpoints", self._trainer.named_variables, self._position)
        self._saved = self._tick

    def _end_round(self) -> None:
        """Validates, logs, and keeps the best network."""
        position, steps = self._position, self._position.counted - self._counted_before
        trained = time.monotonic() - self._round_began
        logs = {name: value / position.counted for name, value in position.loss_sums.items()}
        place = self._plan.on_schedule(position, 1)[0]
        logs["learning_rate"] = float(self._trainer.rate_at(jnp.asarray(place)))
        with use_averages(self._trainer.main_optimizer):
            if self._held_out:
                logs |= self._measure(self._held_out)
            judged = logs["val_loss" if self._held_out else "loss"]
            if judged < position.best:
                position.best = judged
                self._write(self._out / "best.keras")
        now = time.monotonic()
        with run_folder.writing(self._out):
            _append(self._out / "log.csv", {"epoch": position.round} | dict(sorted(logs.items())))
            _append(
                self._out / "times.csv",
                {
                    "epoch": position.round,
                    "steps": steps,
                    "training_seconds": f"{trained:.3f}",
                    "seconds": f"{now - self._round_began:.3f}",
                },
            )
        figures = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
        speed = steps * self._trainer.recipe.batch / trained
        print(f"round {position.round + 1}/{self._plan.rounds} done  {figures}  {speed:.1f} images/s", flush=True)
        # One call may last longer than a round.
        position.round = self._plan.done_rounds(position)
        position.loss_sums, position.counted = {}, 0
        self._begin_round()

    def _begin_round(self) -> None:
        """Starts the clock of a round, or of what is left of one."""
        self._round_began, self._counted_before = time.monotonic(), self._position.counted

    def _measure(self, held_out: Photographs) -> dict[str, float]:
        """Mean losses of the held-out photographs."""
        count = len(held_out.labels)
        state = self._trainer.read_state()
        sums: dict[str, float] = {}
        for part in self._parts(count):
            for name, value in self._validate(state, held_out, *part).items():
                sums[name] = sums.get(name, 0.0) + float(value)
        return {f"val_{name}": value / count for name, value in sums.items()}

    def _write(self, path: Path) -> None:
        with run_folder.writing(self._out), atomic.replacing(path) as partial:
            self._colorizer.save(partial)


def _append(path: Path, row: Mapping[str, object]) -> None:
    """Appends a row to a CSV file, below the names of the columns."""
    with path.open("a", newline="") as file:
        rows = csv.DictWriter(file, list(row))
        if not file.tell():
            rows.writeheader()
        rows.writerow(row)


@contextmanager
def _explain_memory() -> Iterator[None]:
    """Turns the errors of a full memory of the accelerator into one line."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"a step, or the photographs, need more memory than there is: {reason}; begin in another --out with a "
            "smaller batch, or with smaller pictures (size, shortest)"
        ) from error
