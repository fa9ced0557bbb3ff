"""What is done with a model once it is a module: gradcheck, train, predict, bench."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import click

from .common import (
    MODEL_ERROR,
    USAGE_ERROR,
    Failure,
    build_options,
    color,
    failures,
    load,
    model_argument,
    model_options,
    parse_columns,
    parse_groups,
    parse_numbers,
    parse_sizes,
    parse_spelled,
)

_DATA = "An .npz file or a folder of .npy files with arrays by the inputs' names, or a .csv file, where text labels name classes."
_INPUT = "Which columns of a .csv file an input is made of; may be repeated."

data_option = click.option("--data", required=True, metavar="DATA", type=click.Path(exists=True), help=_DATA)
input_option = click.option(
    "--input", "columns", metavar="x=a,b", multiple=True, callback=parse_columns, help=_INPUT
)  # fmt: skip
hyper_option = click.option(
    "--hyper", "hypers", metavar="reg=1e-3", multiple=True, callback=parse_numbers, help="Set a hyper-parameter; may be repeated."
)
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For all that is random.")


def _set_hypers(model: Any, hypers: Mapping[str, float]) -> None:
    for name, value in hypers.items():
        try:
            model.hyper[name] = value
        except AttributeError as error:
            raise Failure(f"--hyper {name}: {error}", USAGE_ERROR) from None


@click.command("gradcheck")
@model_argument
@click.option("--data", metavar="DATA", type=click.Path(exists=True), help=f"{_DATA} Random inputs without it.")
@input_option
@hyper_option
@click.option("--checkpoint", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="Parameters to check at.")
@click.option("--rows", type=click.IntRange(1), default=16, show_default=True, help="How many rows of the data to take.")
@click.option("--size", "free", metavar="T=7", multiple=True, callback=parse_sizes, help="A free size of the random inputs.")
@click.option("--elements", type=click.IntRange(1), default=64, show_default=True, help="How many elements an array to compare.")
@click.option("--tolerance", type=float, help="The relative error to accept, instead of 1e-6 (float32: 2e-3).")
@seed_option
@model_options
@build_options
def gradcheck_command(model: str, data: str | None, columns: dict[str, list[str]], hypers: dict[str, float],
                      checkpoint: str | None, rows: int, free: dict[str, int], elements: int, tolerance: float | None,
                      seed: int, sizes: dict[str, int], dtype: str | None, **build: Any) -> None:  # fmt: skip
    """Compare a model's gradients with central differences.

    For each parameter and input: the largest relative error, and where it is. Exit code 1 when a gradient is wrong.

    \b
    Examples:
      gradwright gradcheck examples/xor.gw
      gradwright gradcheck examples/digits.gw --data digits.npz --rows 8
    """
    with failures():
        from gradwright.runtime import checking

        module = load(model, build, dtype, sizes)
        subject = module.Model(seed=seed) if checkpoint is None else module.Model.load(checkpoint)
        _set_hypers(subject, hypers)
        reference = None
        if subject.engine.spec["dtype"] == "float32":  # which cannot well take differences of itself
            reference = load(model, {**build, "checked": False}, "float64", sizes).Model(seed=seed)
        if data is None:
            inputs = checking.fitting_inputs(subject, free, seed=seed)
        else:
            inputs = _first_rows(subject, _read(data, subject.engine.spec["inputs"], columns, subject.classes), rows)
        found = checking.gradcheck(subject, tolerance=tolerance, elements=elements, seed=seed, reference=reference, **inputs)
        *lines, verdict = str(found).splitlines()
        for line in lines:
            click.echo(line)
        paint = color(sys.stdout)
        click.echo(click.style(verdict, fg="green" if found else "red", bold=True) if paint else verdict)
        if not found:
            raise Failure("", MODEL_ERROR)


def _read(data: str, inputs: Any, columns: Mapping[str, list[str]], classes: Mapping[str, Any]) -> Any:
    from gradwright.runtime.data import read_data

    return read_data(data, inputs, columns=columns, classes=classes)


def _first_rows(model: Any, inputs: dict[str, Any], rows: int) -> dict[str, Any]:
    engine = model.engine
    batch = engine.sizes[0] if engine.sizes else None
    cut = {s["name"] for s in engine.spec["inputs"] if s["shape"] and s["shape"][0] == batch}
    return {name: array[:rows] if name in cut and array.ndim else array for name, array in inputs.items()}


@click.command("train")
@model_argument
@data_option
@input_option
@click.option("--epochs", type=click.IntRange(0), default=100, show_default=True)
@click.option("--batch-size", type=click.IntRange(0), default=32, show_default=True, help="Rows a step; 0 takes all at once.")
@click.option(
    "--optimizer",
    metavar="NAME:key=number,...",
    callback=parse_spelled,
    help="sgd, adam:beta1=0.8, ...; else the one of `minimize ... with`, or adam.",
)
@click.option("--lr", type=float, help="The learning rate.")
@click.option(
    "--schedule",
    metavar="NAME:key=number,...",
    callback=parse_spelled,
    help="How the rate goes: cosine, cosine:warmup=5,final=0.01, step:every=30, exponential:gamma=0.95, one-cycle, "
    "plateau:patience=5, constant:warmup=5.",
)
@click.option(
    "--group",
    "groups",
    metavar="b*:weight_decay=0",
    multiple=True,
    callback=parse_groups,
    help="Other numbers of the optimiser for some parameters; may be repeated.",
)
@click.option("--accumulate", type=click.IntRange(1), default=1, show_default=True, help="Batches whose gradients make one step.")
@click.option("--no-shuffle", is_flag=True, help="Take the rows in their order.")
@click.option(
    "--patience",
    type=click.IntRange(0),
    metavar="EPOCHS",
    help="Stop when it gets no better for so long, and keep the best parameters.",
)
@click.option("--validation", metavar="DATA|0.2", help="Data of the same kind to watch, or the part to hold out.")
@click.option("--metric", "metrics", metavar="NAME", multiple=True, help="accuracy, mse, ...; may be repeated.")
@click.option("--checkpoint", metavar="FILE", type=click.Path(dir_okay=False), help="Where the model goes, as safetensors.")
@click.option("--every", type=click.IntRange(1), metavar="EPOCHS", help="Write the checkpoint also while training.")
@click.option("--resume", is_flag=True, help="Go on after the last epoch in the checkpoint.")
@click.option("--clip-norm", type=click.FloatRange(0), default=0.0, help="A bound for the norm of the gradient.")
@click.option("--clip-value", type=click.FloatRange(0), default=0.0, help="A bound for the elements of the gradient.")
@click.option("--plot", metavar="FILE.png", type=click.Path(dir_okay=False), help="Draw the losses.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no last line.")
@hyper_option
@seed_option
@model_options
@build_options
def train_command(model: str, data: str, columns: dict[str, list[str]], epochs: int, batch_size: int,
                  optimizer: tuple[str, dict[str, float]] | None, lr: float | None,
                  schedule: tuple[str, dict[str, float]] | None, groups: dict[str, dict[str, float]], accumulate: int,
                  no_shuffle: bool, patience: int | None, validation: str | None, metrics: tuple[str, ...],
                  checkpoint: str | None, every: int | None, resume: bool, clip_norm: float, clip_value: float,
                  plot: str | None, quiet: bool, hypers: dict[str, float], seed: int, sizes: dict[str, int],
                  dtype: str | None, **build: Any) -> None:  # fmt: skip
    """Train a model on data from a file.

    \b
    Examples:
      gradwright train examples/xor.gw --data xor.npz --epochs 1000 --lr 0.01 --checkpoint xor.safetensors
      gradwright train iris.gw --data iris.csv --input x=length,width --input y=kind --validation 0.2 --metric accuracy
      gradwright train examples/digits.gw --data folder/ --optimizer sgd:momentum=0.9 --lr 0.1 --plot loss.png
      gradwright train examples/digits.gw --data folder/ --lr 0.01 --schedule cosine:warmup=5 --validation 0.1 --patience 20
      gradwright train xor.gw --data xor.npz --epochs 2000 --checkpoint xor.safetensors --resume
    """
    if checkpoint is None and (resume or every):
        raise click.UsageError("--resume and --every need --checkpoint FILE")
    with failures():
        module = load(model, build, dtype, sizes)
        from gradwright.runtime import Checkpoint, EarlyStopping
        from gradwright.runtime.checkpoints import read_classes

        subject = module.Model(seed=seed)
        _set_hypers(subject, hypers)
        spec = subject.engine.spec
        going_on = checkpoint if resume and checkpoint is not None and os.path.exists(checkpoint) else None
        arrays = _read(data, spec["inputs"], columns, {} if going_on is None else read_classes(going_on))
        subject.classes = arrays.classes
        rule = _rule(spec, optimizer, lr, schedule, groups)
        listeners: list[Any] = [Checkpoint(checkpoint, every)] if checkpoint and every else []
        if patience is not None:
            listeners.append(EarlyStopping(patience))
        if checkpoint is not None:
            from gradwright.runtime.checkpoints import probe

            probe(checkpoint)  # rather now than after the training
        if plot is not None:
            _can_draw(plot)
        with _warnings_shown():
            history = subject.fit(
                arrays, rule, epochs=epochs, batch_size=batch_size or None, seed=seed, progress=False if quiet else None,
                validation=_validation(validation, spec["inputs"], columns, arrays.classes), metrics=list(metrics) or None,
                callbacks=listeners, accumulate=accumulate, shuffle=not no_shuffle,
                clip_norm=clip_norm, clip_value=clip_value, resume=going_on,
            )  # fmt: skip
        if checkpoint is not None:
            subject.save(checkpoint)
        if plot is not None:
            _draw(history, plot)
        if not quiet:
            click.echo(f"{model}: {history!r}")
            for name, names in subject.classes.items():
                click.echo(f"  {name}: {', '.join(f'{number} {word}' for number, word in enumerate(names))}")
            for what, file in (("the model", checkpoint), ("the losses", plot)):
                if file is not None:
                    click.echo(f"  {what} -> {file}")
        if history.interrupted:
            raise Failure("interrupted: what was learnt up to there is kept", 130)


@contextlib.contextmanager
def _warnings_shown() -> Iterator[None]:
    """What a run warns of, in a line each when it is over, also where that is by an error: until then it shows how far it is."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in told:
                click.echo(f"warning: {warning.message}", err=True)


def _rule(spec: Mapping[str, Any], optimizer: tuple[str, dict[str, float]] | None, lr: float | None,
          schedule: tuple[str, dict[str, float]] | None, groups: dict[str, dict[str, float]]) -> Any:  # fmt: skip
    """The optimiser that the options ask for: the model's own, unless they name another."""
    from gradwright.runtime import Optimizer
    from gradwright.runtime.optimizers import resolve
    from gradwright.runtime.schedules import by_name

    updates = {update["name"]: dict(update["hypers"]) for update in spec["updates"]}
    name, numbers = spec["optimizer"] or ("adam", {})
    numbers = dict(numbers)
    if optimizer is not None:
        other = optimizer[0] if optimizer[0] in updates else optimizer[0].lower()
        name, numbers = other, {**({} if other != name else numbers), **optimizer[1]}
    hypers: dict[str, Any] = {**numbers, **({} if lr is None else {"lr": lr})}
    if schedule is not None:
        rate = hypers.get("lr", updates.get(name, {}).get("lr"))
        if rate is None and name in updates:
            raise Failure(f"--schedule: {name} has no lr that a schedule could change", USAGE_ERROR)
        hypers["lr"] = by_name(schedule[0].lower().replace("_", "-"), rate or 0.0, **schedule[1])
    return resolve(spec, Optimizer(name, groups=groups, **hypers))


def _validation(wanted: str | None, inputs: Any, columns: Mapping[str, list[str]], classes: Mapping[str, Any]) -> Any:
    if wanted is None:
        return None
    with contextlib.suppress(ValueError):
        return float(wanted)
    return _read(wanted, inputs, columns, classes)


def _can_draw(plot: str) -> None:
    """See that a picture can be made of this name, which is better known before a long run than after."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Failure(f"--plot needs matplotlib: pip install 'gradwright[plot]' ({error})", USAGE_ERROR) from None
    kind, folder = os.path.splitext(plot)[1][1:].lower(), os.path.dirname(plot) or "."
    known = Figure().canvas.get_supported_filetypes()
    if kind and kind not in known:
        raise Failure(f"--plot {plot}: a picture ends in one of {', '.join('.' + word for word in sorted(known))}", USAGE_ERROR)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise Failure(f"--plot {plot}: {folder} is not a folder that can be written to", USAGE_ERROR)
    matplotlib.use("Agg")


def _draw(history: Any, plot: str) -> None:
    history.plot().figure.savefig(plot)


@click.command("predict")
@model_argument
@data_option
@input_option
@click.option("--checkpoint", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
              help="The trained model; without it, parameters as they start.")  # fmt: skip
@click.option("-o", "--out", metavar="FILE", type=click.Path(), help="For the results: .npz, .csv, or a folder; else printed.")
@click.option("--output", "wanted", metavar="NAME", multiple=True, help="Only this output; may be repeated.")
@click.option("--batch-size", type=click.IntRange(1), default=4096, show_default=True, help="Rows at a time.")
@hyper_option
@seed_option
@model_options
@build_options
def predict_command(model: str, data: str, columns: dict[str, list[str]], checkpoint: str | None, out: str | None,
                    wanted: tuple[str, ...], batch_size: int, hypers: dict[str, float], seed: int, sizes: dict[str, int],
                    dtype: str | None, **build: Any) -> None:  # fmt: skip
    """Compute a model's outputs for data from a file.

    Where the model was trained on text labels, their names stand in the place of the label's numbers, and a column more, called
    as the label is, has the name of the class with the highest output.

    \b
    Examples:
      gradwright predict examples/xor.gw --data new.npz --checkpoint xor.safetensors -o answers.npz
      gradwright predict iris.gw --data new.csv --input x=length,width --checkpoint iris.safetensors > answers.csv
    """
    with failures():
        module = load(model, build, dtype, sizes)
        from gradwright.runtime.data import csv_text, predicted_classes, write_data

        subject = module.Model(seed=seed) if checkpoint is None else module.Model.load(checkpoint)
        _set_hypers(subject, hypers)
        needed = subject.engine.predict.needs
        own = {name: given for name, given in columns.items() if name in needed.names}
        arrays = _read(data, needed.inputs, own, subject.classes)
        results = _in_parts(subject, arrays, batch_size)
        names, headings = predicted_classes(subject, results)
        results = {**results, **names}
        for name in wanted:
            if name not in results:
                raise Failure(f"--output {name}: the model's outputs are {', '.join(results)}", USAGE_ERROR)
        results = {name: value for name, value in results.items() if not wanted or name in wanted}
        if out is not None:
            write_data(out, results, headings)
        else:
            click.echo(csv_text(results, headings), nl=False)


def _in_parts(model: Any, arrays: Mapping[str, Any], batch_size: int) -> dict[str, Any]:
    """The outputs, a few rows at a time, where every row is by itself; where rows need one another, all at once."""
    import numpy as np

    engine = model.engine
    batch = engine.sizes[0] if engine.sizes else None
    inputs = engine.predict.needs.inputs
    cut = {s["name"] for s in inputs if s["shape"] and s["shape"][0] == batch}
    lengths = {len(array) for name, array in arrays.items() if name in cut and np.ndim(array)}
    rows = max(lengths) if len(lengths) == 1 else 0  # if they differ, the model says so
    names = {name for name, _, _ in engine.predict.outs}
    tall = {o["name"] for o in engine.spec["outputs"] if o["shape"] and o["shape"][0] == batch}
    inner = any(_mentions(dim, batch) for s in inputs for dim in s["shape"][1 if s["name"] in cut else 0 :])
    if rows <= batch_size or names - tall or inner or engine.spec.get("together"):
        return dict(model.predict(**arrays)._asdict())
    parts = []
    for start in range(0, rows, batch_size):
        part = {name: array[start : start + batch_size] if name in cut else array for name, array in arrays.items()}
        parts.append(model.predict(**part)._asdict())
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _mentions(dim: Any, name: Any) -> bool:
    return dim == name or (isinstance(dim, tuple) and any(_mentions(part, name) for part in dim[1:]))


@click.command("bench")
@model_argument
@click.option("--batch", "batches", metavar="1,32,1024", default="1,32,256,1024", show_default=True, help="Batch sizes.")
@click.option("--size", "free", metavar="T=7", multiple=True, callback=parse_sizes, help="Another free size.")
@click.option("--seconds", type=click.FloatRange(0.001), default=0.2, show_default=True, help="How long to measure each.")
@click.option("--optimizer", metavar="NAME", help="For the training step; else the model's own, or adam.")
@seed_option
@model_options
@build_options
def bench_command(model: str, batches: str, free: dict[str, int], seconds: float, optimizer: str | None, seed: int,
                  sizes: dict[str, int], dtype: str | None, **build: Any) -> None:  # fmt: skip
    """Measure a model on random inputs: microseconds a call, the best of several runs.

    \b
    Examples:
      gradwright bench examples/xor.gw
      gradwright bench examples/digits.gw --batch 1,64,4096 --dtype float32 --threads 1
    """
    try:
        wanted = [int(word) for word in batches.split(",")]
    except ValueError:
        raise click.BadParameter(f"{batches!r} is not a list of whole numbers, as in 1,32,1024", param_hint="--batch") from None
    if min(wanted) < 1:
        raise click.BadParameter("batch sizes are 1 or more", param_hint="--batch")
    with failures():
        subject = load(model, build, dtype, sizes).Model(seed=seed)
        from gradwright.runtime.measuring import bench

        click.echo(str(bench(subject, wanted, sizes=free, optimizer=optimizer, seconds=seconds, seed=seed)))


@click.command("profile")
@model_argument
@click.option("--data", metavar="DATA", type=click.Path(exists=True), help=f"{_DATA} Random inputs without it.")
@input_option
@hyper_option
@click.option("--checkpoint", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="Parameters to start from.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="How many rows a step takes.")
@click.option("--steps", type=click.IntRange(1), default=100, show_default=True, help="How many steps are measured.")
@click.option("--size", "free", metavar="T=7", multiple=True, callback=parse_sizes, help="A free size of the random inputs.")
@click.option("--optimizer", metavar="NAME", help="For the training step; else the model's own, or adam.")
@click.option("--json", "as_json", is_flag=True, help="All that was found, as JSON.")
@seed_option
@model_options
@build_options
def profile_command(model: str, data: str | None, columns: dict[str, list[str]], hypers: dict[str, float], checkpoint: str | None,
                    batch_size: int, steps: int, free: dict[str, int], optimizer: str | None, as_json: bool, seed: int,
                    sizes: dict[str, int], dtype: str | None, **build: Any) -> None:  # fmt: skip
    """Measure how long each loop and each matrix product of a training step takes.

    For each: its share, the time, operations and bytes a second, how far these are from what its threads can do at most
    on this machine (which is measured once), and the line of the model that it comes from. Times are the best of the steps.

    \b
    Examples:
      gradwright profile examples/digits.gw --data digits.npz --batch-size 64
      gradwright profile examples/lstm.gw --size N=16 --size T=32 --json > lstm.json
    """
    with failures():
        module = load(model, {**build, "profiled": True}, dtype, sizes)
        subject = module.Model(seed=seed) if checkpoint is None else module.Model.load(checkpoint)
        _set_hypers(subject, hypers)
        engine = subject.engine
        if data is None:
            from gradwright.runtime.checking import fitting_inputs

            first = {engine.sizes[0]: batch_size} if engine.sizes else {}
            inputs = fitting_inputs(subject, {**first, **free}, seed=seed)
        else:
            inputs = dict(_first_rows(subject, _read(data, engine.spec["inputs"], columns, subject.classes), batch_size))
        found = subject.profile(optimizer, steps, **inputs)
        if as_json:
            import json

            click.echo(json.dumps(found.to_dict(), indent=1))
        else:
            click.echo(str(found))
