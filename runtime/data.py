"""Data from files and results into files: .npz by name, .csv with a header, a folder of .npy files, which are memory-mapped."""
from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ArgumentError, DtypeError, ShapeError
from .model import _meant

Array = np.ndarray[Any, np.dtype[Any]]


def read_data(path: str | os.PathLike[str], inputs: Sequence[Mapping[str, Any]] | None = None, *,
              columns: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """Arrays by name from a file or folder. `inputs` are the specs of those that are wanted (`model.engine.spec["inputs"]`);
    without them all that is there comes.

    npz, folder of npy   arrays have the names of the inputs
    csv                  the first line names the columns. An input is made of the columns that `columns` names (`a:c` is all from
                         a to c), or of the one with its own name, or of x[0], x[1], ...
    """
    path = Path(path)
    if not path.exists():
        raise ArgumentError(f"{path}: there is no such file or folder")
    if path.is_dir():
        found: Any = _Folder(path)
    elif path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as archive:
                names = list(archive.files)
                wanted = names if inputs is None else [n for n in names if n in {i["name"] for i in inputs}]
                held: dict[str, Any] = {name: archive[name] for name in wanted}
        except Exception as error:
            raise DtypeError(f"{path}: this is no .npz file of plain arrays ({error})") from error
        if inputs is not None:
            _missing(path, inputs, names)
        return held
    elif path.suffix in (".csv", ".tsv", ".txt"):
        return _read_csv(path, inputs, columns or {})
    else:
        raise ArgumentError(f"{path}: data is an .npz file, a .csv file, or a folder of .npy files")
    if inputs is None:
        return {name: found[name] for name in found.names}
    _missing(path, inputs, found.names)
    return {spec["name"]: found[spec["name"]] for spec in inputs}


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = sorted(p.stem for p in path.glob("*.npy"))

    def __getitem__(self, name: str) -> Any:
        try:
            return np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise DtypeError(f"{self.path / name}.npy: this is no array that NumPy reads ({error})") from error


def _missing(path: Path, inputs: Iterable[Mapping[str, Any]], names: Sequence[str]) -> None:
    for spec in inputs:
        if spec["name"] not in names:
            raise ArgumentError(f"{path} has no array {spec['name']!r} for {spec['declared']}{_meant(spec['name'], names)}")


def _read_csv(path: Path, inputs: Any, columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            start = file.read(4096)
            file.seek(0)
            first = start.partition("\n")[0]
            separator = max(",;\t", key=first.count)        # Sniffer guesses letters for short files
            rows = csv.reader(file, delimiter=separator)
            header = [name.strip() for name in next(rows, [])]
            table = [(rows.line_num, row) for row in rows if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DtypeError(f"{path}: this is no .csv file ({error})") from error
    if not header:
        raise ShapeError(f"{path}: the file is empty; its first line should name the columns")
    for line, row in table:
        if len(row) != len(header):
            raise ShapeError(f"{path}:{line}: {len(row)} values, and the first line names {len(header)} columns")
    if inputs is None:
        inputs = [{"name": name, "kind": "real", "shape": ("N",), "declared": name} for name in header]
    for name in columns:
        if name not in {spec["name"] for spec in inputs}:
            raise ArgumentError(f"columns are given for {name!r}, which is no input{_meant(name, [s['name'] for s in inputs])}")
    found = {}
    for spec in inputs:
        name = spec["name"]
        wanted = _columns(path, name, columns.get(name), header, spec)
        values = np.empty((len(table), len(wanted)), np.float64)
        for k, column in enumerate(wanted):
            place = header.index(column)
            try:
                values[:, k] = [row[place] for _, row in table]
            except ValueError:
                for line, row in table:
                    try:
                        float(row[place])
                    except ValueError:
                        raise DtypeError(f"{path}:{line}: column {column} is {row[place]!r}, which is no number") from None
                raise
        found[name] = _as_declared(path, spec, values)
    return found


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
    if spec["kind"] == "index":
        whole = np.isfinite(values) & (values == np.floor(values))
        if not whole.all():
            wrong = values[~whole].ravel()[0]
            raise DtypeError(f"{path}: {spec['declared']} takes whole numbers, and there is {wrong:g}")
        return values.astype(np.int64)
    return values


def write_data(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Arrays by name into a .npz or .csv file (one row a sample), or into a folder of .npy files: whole or not at all."""
    path = Path(path)
    arrays = {name: np.asarray(value) for name, value in values.items()}
    if path.suffix == ".csv":
        text = csv_text(arrays).encode()
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


def csv_text(values: Mapping[str, Any]) -> str:
    """The arrays as a table: one row a sample, and a column for each element of it, called `p` or `p[0]`, `p[1]`..."""
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
                columns[f"{name}[{', '.join(str(int(i)) for i in place)}]"] = flat[:, k].tolist()
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
