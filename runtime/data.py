"""Data from files and results into files: .npz by name, .csv with a header, .npy files or a folder of them, memory-mapped."""
from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .arguments import _meant
from .errors import ArgumentError, DtypeError, RangeError, ShapeError

if TYPE_CHECKING:
    from .model import Model

Array = np.ndarray[Any, np.dtype[Any]]
Classes: TypeAlias = Mapping[str, Sequence[str]]

_ABSENT = {"", "na", "n/a", "nan", "null", "none", "?"}


class Data(dict[str, Any]):
    """Arrays by name. `classes` has the names for which the file's text labels stand, by input: label k is `classes["y"][k]`."""

    def __init__(self, arrays: Mapping[str, Any], classes: Classes | None = None) -> None:
        super().__init__(arrays)
        self.classes: dict[str, tuple[str, ...]] = {name: tuple(names) for name, names in (classes or {}).items()}


def read_data(path: str | os.PathLike[str], inputs: Sequence[Mapping[str, Any]] | None = None, *,
              columns: Mapping[str, Sequence[str]] | None = None, classes: Classes | None = None) -> Data:
    """Arrays by name from a file or folder. `inputs` are the specs of those that are wanted (`model.engine.spec["inputs"]`);
    without them all that is there comes.

    npz, folder of npy   arrays have the names of the inputs
    npy                  the one array of a model that takes one
    csv                  the first line names the columns. An input is made of the columns that `columns` names (`a:c` is all from
                         a to c), or of the one with its own name, or of x[0], x[1], ...

    Text in the place of an index names classes, which are numbered in their sorted order, or in that of `classes`, by input.
    What is missing (nothing, NA, nan, null, none or ?) is an error.

    ArgumentError names a file, a column or an input that is not there, DtypeError and RangeError what cannot be read as the model
    declares it, with its line, ShapeError a table whose lines or columns do not fit.
    """
    path = Path(path)
    if not path.exists():
        raise ArgumentError(f"{path}: there is no such file or folder")
    if path.suffix in (".csv", ".tsv", ".txt") and not path.is_dir():
        return _read_csv(path, inputs, columns or {}, classes or {})
    if path.is_dir():
        folder = _Folder(path)
        wanted = folder.names if inputs is None else [spec["name"] for spec in inputs if spec["name"] in folder.names]
        names, found = folder.names, {name: folder[name] for name in wanted}
    elif path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as archive:
                names = list(archive.files)
                wanted = names if inputs is None else [n for n in names if n in {i["name"] for i in inputs}]
                found = {name: archive[name] for name in wanted}
        except Exception as error:
            raise DtypeError(f"{path}: this is no .npz file of plain arrays ({error})") from error
    elif path.suffix == ".npy":
        name = path.stem
        if inputs is not None:
            if len(inputs) != 1:
                several = ", ".join(spec["declared"] for spec in inputs) or "nothing"
                raise ArgumentError(f"{path} is one array, and the model takes {several}; give an .npz file, or a folder of .npy")
            name = inputs[0]["name"]
        names, found = [name], {name: _load(path)}
    else:
        raise ArgumentError(f"{path}: data is an .npz file, an .npy file, a .csv file, or a folder of .npy files")
    data = Data(found)
    if inputs is not None:
        _missing(path, inputs, names)
        for spec in inputs:
            name, array = spec["name"], data[spec["name"]]
            if spec["kind"] == "index" and array.dtype.kind == "U":
                texts = [str(text).strip() for text in array.ravel()]
                numbers, data.classes[name] = _labels(f"{path}: {name}", spec, texts, (classes or {}).get(name))
                data[name] = numbers.reshape(array.shape)
    return data


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = sorted(p.stem for p in path.glob("*.npy"))

    def __getitem__(self, name: str) -> Any:
        return _load(self.path / f"{name}.npy")


def _load(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise DtypeError(f"{path}: this is no array that NumPy reads ({error})") from error


def _missing(path: Path, inputs: Iterable[Mapping[str, Any]], names: Sequence[str]) -> None:
    for spec in inputs:
        if spec["name"] not in names:
            raise ArgumentError(f"{path} has no array {spec['name']!r} for {spec['declared']}{_meant(spec['name'], names)}")


def _read_csv(path: Path, inputs: Any, columns: Mapping[str, Sequence[str]], classes: Classes) -> Data:
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            start = file.read(4096)
            file.seek(0)
            first = start.partition("\n")[0]
            separator = max(",;\t", key=first.count)        # Sniffer guesses letters for short files
            rows = csv.reader(file, delimiter=separator)
            header = [name.strip() for name in next(rows, [])]
            table = _Table(path, header, [(rows.line_num, row) for row in rows if row])
        except (UnicodeDecodeError, csv.Error) as error:
            raise DtypeError(f"{path}: this is no .csv file ({error})") from error
    if not header:
        raise ShapeError(f"{path}: the file is empty; its first line should name the columns")
    if all(_is_number(name) for name in header):
        raise ShapeError(f"{path}:1: the first line should name the columns, and it holds {separator.join(header[:4])}")
    for line, row in table.rows:
        if len(row) != len(header):
            count = f"{len(row)} value{'s' * (len(row) != 1)}, and the first line names {len(header)} columns"
            gap = f"; there is none for column {header[len(row)]}" if len(row) < len(header) else f" up to {header[-1]}"
            raise ShapeError(f"{path}:{line}: {count}{gap}")
    for name in columns:
        if inputs is not None and name not in {spec["name"] for spec in inputs}:
            raise ArgumentError(f"columns are given for {name!r}, which is no input{_meant(name, [s['name'] for s in inputs])}")
    if inputs is None:
        return Data({name: table.anything(name) for name in header})
    found = Data({})
    for spec in inputs:
        name = spec["name"]
        wanted = _columns(path, name, columns.get(name), header, spec)
        if spec["kind"] == "index" and (name in classes or table.is_text(wanted)):
            values, found.classes[name] = table.labels(spec, wanted, classes.get(name))
        else:
            values = table.numbers(spec, wanted)
        found[name] = _as_declared(path, spec, values)
    return found


class _Table:
    """The lines of a .csv file, with their numbers."""

    def __init__(self, path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> None:
        self.path, self.header, self.rows = path, header, rows

    def place(self, column: str) -> int:
        if self.header.count(column) > 1:
            raise ArgumentError(f"{self.path}:1: {self.header.count(column)} columns are called {column}")
        return self.header.index(column)

    def texts(self, column: str) -> list[str]:
        place = self.place(column)
        return [row[place].strip() for _, row in self.rows]

    def at(self, row: int, column: str) -> str:
        return f"{self.path}:{self.rows[row][0]}: column {column}"

    def present(self, column: str, texts: list[str]) -> None:
        for row, text in enumerate(texts):
            if text.lower() in _ABSENT:
                raise DtypeError(f"{self.at(row, column)} is {text!r}: a value is missing")

    def is_text(self, columns: list[str]) -> bool:
        """Whether these hold something, and no number."""
        texts = [text for column in columns for text in self.texts(column) if text.lower() not in _ABSENT]
        return bool(texts) and not any(map(_is_number, texts))

    def anything(self, column: str) -> Array:
        return np.array(self.texts(column)) if self.is_text([column]) else self.numbers(None, [column])[:, 0]

    def labels(self, spec: Mapping[str, Any], columns: list[str], known: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
        texts = [self.texts(column) for column in columns]
        for column, each in zip(columns, texts, strict=True):
            self.present(column, each)
            for row, text in enumerate(each):
                if known is not None and text not in known:
                    raise RangeError(f"{self.at(row, column)} is {text!r}, which is no class of {spec['name']}: they are "
                                     f"{', '.join(known)}")
        flat = [text for each in zip(*texts, strict=True) for text in each]
        where = f"{self.path}: column {', '.join(columns)}"
        numbers, names = _labels(where, spec, flat, known)
        return numbers.reshape(len(self.rows), len(columns)), names

    def numbers(self, spec: Mapping[str, Any] | None, columns: list[str]) -> Array:
        values = np.empty((len(self.rows), len(columns)), np.float64)
        for k, column in enumerate(columns):
            texts = self.texts(column)
            try:
                values[:, k] = texts
            except ValueError:
                self.present(column, texts)
                row = next(row for row, text in enumerate(texts) if not _is_number(text))
                hint = ""
                if spec is not None and len(columns) == 1 and not any(map(_is_number, texts)):
                    hint = f"; text may stand for an index, as in `index {spec['name']}[N] < {len(set(texts))}`"
                raise DtypeError(f"{self.at(row, column)} is {texts[row]!r}, which is no number{hint}") from None
            if np.isnan(values[:, k]).any():
                self.present(column, texts)
            for beyond in np.flatnonzero(np.isinf(values[:, k])).tolist():
                if any(letter in "0123456789" for letter in texts[beyond]):
                    raise RangeError(f"{self.at(beyond, column)} is {texts[beyond]!r}, which is beyond float64")
            if spec is not None and spec["kind"] == "index":
                whole = np.isfinite(values[:, k]) & (values[:, k] == np.floor(values[:, k]))
                if not whole.all():
                    row = int(np.argmin(whole))
                    raise DtypeError(f"{self.at(row, column)} is {texts[row]!r}, and {spec['declared']} takes whole numbers")
        return values.astype(np.int64) if spec is not None and spec["kind"] == "index" else values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels(where: str, spec: Mapping[str, Any], texts: Sequence[str],
            known: Sequence[str] | None) -> tuple[Array, tuple[str, ...]]:
    """Texts as numbers of classes, and the names of these: the known ones, or all in sorted order."""
    names = tuple(sorted(set(texts)) if known is None else known)
    if isinstance(spec["below"], int) and len(names) > spec["below"]:
        told = ", ".join(names[:8]) + ", ..." * (len(names) > 8)
        raise RangeError(f"{where} holds {len(names)} classes ({told}), and {spec['declared']} takes {spec['below']}")
    numbers = {name: number for number, name in enumerate(names)}
    for text in texts:
        if text not in numbers:
            raise RangeError(f"{where} holds {text!r}, which is no class of {spec['name']}: they are {', '.join(names)}")
    return np.array([numbers[text] for text in texts], np.int64), names


def predicted_classes(model: Model, results: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """(the names that a model's outputs predict, by label input; the names of the columns of outputs that have one a class).

    The names are `model.classes`. The output that decides is the first with one more axis than the labels, of an element for each
    class, whose highest wins; or else the first of integers that has the labels' shape."""
    specs, outputs = {spec["name"]: spec for spec in model.engine.spec["inputs"]}, model.engine.spec["outputs"]
    names: dict[str, Any] = {}
    headings: dict[str, tuple[str, ...]] = {}
    for name, classes in model.classes.items():
        spec = specs.get(name)
        if spec is None or spec["below"] is None:
            continue
        tall = [o["name"] for o in outputs if tuple(o["shape"]) == (*spec["shape"], spec["below"]) and o["name"] in results]
        ints = [o["name"] for o in outputs if o["kind"] == "int" and tuple(o["shape"]) == tuple(spec["shape"])
                and o["name"] in results]
        if not tall and not ints:
            continue
        chosen = np.argmax(results[tall[0]], axis=-1) if tall else np.asarray(results[ints[0]])
        width = max(int(chosen.max(initial=0)) + 1, len(classes))
        known = np.array([*classes, *map(str, range(len(classes), width))])
        names[name] = known[chosen]
        headings.update(dict.fromkeys(tall, classes))
    return names, headings


def _columns(path: Path, name: str, given: Sequence[str] | None, header: list[str], spec: Mapping[str, Any]) -> list[str]:
    if given is None:
        given = [name] if name in header else [c for c in header if c.startswith(f"{name}[") and c.endswith("]")]
        if not given:
            raise ArgumentError(f"{path} has no column {name!r} for {spec['declared']}; say which it is made of, "
                                f"as in --input {name}={','.join(header[:2])}")
    wanted: list[str] = []
    for column in given:
        first, colon, last = column.partition(":")
        ends = (first or header[0], last or header[-1]) if colon and column not in header else (column, column)
        for end in ends:
            if end not in header:
                raise ArgumentError(f"{path} has no column {end!r}{_meant(end, header)}")
        a, b = (header.index(end) for end in ends)
        wanted += header[a:b + 1] if a <= b else header[b:a + 1]
    return wanted


def _as_declared(path: Path, spec: Mapping[str, Any], values: Array) -> Array:
    """The columns in the shape that the input declares: [N], [N, 8, 8] of 64 columns, and so on."""
    shape = tuple(spec["shape"])[1:]
    if not shape and values.shape[1] == 1:
        values = values[:, 0]
    elif all(isinstance(dim, int) for dim in shape) and int(np.prod(shape)) == values.shape[1] and shape:
        values = values.reshape(len(values), *shape)
    elif not (len(shape) == 1 and not isinstance(shape[0], int)):
        raise ShapeError(f"{path}: {values.shape[1]} columns do not make {spec['declared']}")
    return values


def write_data(path: str | os.PathLike[str], values: Mapping[str, Any], headings: Classes | None = None) -> None:
    """Arrays by name into a .npz or .csv file (one row a sample), or into a folder of .npy files: whole or not at all.
    ShapeError says that arrays of different lengths make no table."""
    path = Path(path)
    arrays = {name: np.asarray(value) for name, value in values.items()}
    if path.suffix == ".csv":
        text = csv_text(arrays, headings).encode()
        _publish(path, lambda file: file.write(text))
    elif path.suffix == ".npz":
        def write(file: Any) -> None:
            named: dict[str, Any] = dict(arrays)
            np.savez(file, **named)
        _publish(path, write)
    elif path.suffix == "" or path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            _publish(path / f"{name}.npy", lambda file, array=array: np.save(file, array, allow_pickle=False))
    else:
        raise ArgumentError(f"{path}: results go into an .npz file, a .csv file, or a folder of .npy files")


def csv_text(values: Mapping[str, Any], headings: Classes | None = None) -> str:
    """The arrays as a table: one row a sample, and a column for each element of it, called `p` or `p[0]`, `p[1]`..., or by what
    `headings` says of the elements of the last axis."""
    columns: dict[str, list[Any]] = {}
    for name, value in values.items():
        array = np.asarray(value)
        array = array.reshape(1) if array.ndim == 0 else array
        flat = array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0)
        if array.ndim == 1:
            columns[name] = flat[:, 0].tolist()
        else:
            for k in range(flat.shape[1]):
                place = np.unravel_index(k, array.shape[1:])
                words = [str(int(i)) for i in place]
                if place and int(place[-1]) < len(names := (headings or {}).get(name, ())):
                    words[-1] = names[int(place[-1])]
                columns[f"{name}[{', '.join(words)}]"] = flat[:, k].tolist()
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ShapeError(f"results of different lengths make no table ({', '.join(values)}); write them to an .npz file")
    import io
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _publish(path: Path, write: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.{os.getpid()}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(aside, 0o666 & ~mask)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
