"""What comes in is checked here and nowhere else; and what the errors say. A part of the face of a module: see model.py."""
import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
INT = np.dtype(np.int64)


# ---- errors: the family of gradwright.runtime.errors where that is installed; TypeError, ValueError... everywhere

_KINDS: dict[str, type] = {"ShapeError": ValueError, "DtypeError": TypeError, "ArgumentError": TypeError,
                           "RangeError": ValueError, "StateError": RuntimeError, "MissingError": ImportError}
_errors: dict[str, Any] = {}


def _error(kind: str, text: str) -> Exception:
    if not _errors:
        try:
            from gradwright.runtime import errors
            _errors.update({name: getattr(errors, name) for name in _KINDS})
        except ImportError:
            family = type("GradwrightError", (Exception,), {})
            _errors.update({name: type(name, (family, base), {}) for name, base in _KINDS.items()})
    error: Exception = _errors[kind](text)
    return error


def _meant(name: str, known: Any) -> str:
    """`; did you mean W1?`, or what there is."""
    from difflib import get_close_matches
    known = list(known)
    close = [k for k in known if k.lower() == name.lower()] or get_close_matches(name, known, 1, 0.5)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(known)}" if known else "; there is none"


def _same(name: str, known: Any) -> str:
    """The name as the model spells it: Python itself turns ϕ into φ before anybody sees it."""
    if name in known:
        return name
    from unicodedata import normalize
    return next((k for k in known if not k.isascii() and normalize("NFKC", k) == name), name)


# ---- checking what comes in; the one place

def _later(value: Any) -> bool:
    """Whether these are rows that are converted when they are taken (`streams.Mapped`), and not all at once."""
    return hasattr(type(value), "beyond")


def _array(name: str, value: Any) -> Array:
    if value is None:
        raise _error("ArgumentError", f"{name}: got None where an array is needed")
    try:
        array = np.asanyarray(value)
    except MemoryError as error:
        raise MemoryError(f"{name}: {error}") from error
    except Exception as error:
        raise _error("DtypeError", f"{name}: a {type(value).__name__} that NumPy makes no array of: {error}") from error
    # NumPy drops masks: those of arrays in lists, and of what an object's __array__ returns
    if _masked(array) or (isinstance(value, (list, tuple)) and _holds_masked(value, array.ndim)):
        raise _error("DtypeError", f"{name}: a masked array; give its .filled(...) or .compressed() values")
    return np.asarray(array)


def _masked(value: Any) -> bool:
    return isinstance(value, np.ma.MaskedArray)


def _holds_masked(value: Any, depth: int) -> bool:
    if depth == 0 or all(issubclass(kind, (int, float, np.generic)) for kind in set(map(type, value))):
        return False
    return any(_masked(v) or (isinstance(v, (list, tuple)) and _holds_masked(v, depth - 1)) for v in value)


def _converted(name: str, array: Array, dtype: Any) -> Array:
    """As a contiguous, aligned array of this type; the very same memory where it already is one."""
    try:
        array = np.asarray(array, dtype, "C")
        return array if array.flags.aligned else array.copy()
    except MemoryError as error:
        raise MemoryError(f"{name}: {error}") from error


def _real(name: str, value: Any, dtype: Any) -> Array:
    """The value as a contiguous, aligned array of this real type; the very same memory where it already is one."""
    given = _array(name, value)
    if given.dtype.kind not in "fiub":
        raise _error("DtypeError", f"{name}: expected real numbers, got dtype {given.dtype}")
    if given.dtype.kind != "f" or given.dtype.itemsize <= dtype.itemsize:
        return _converted(name, given, dtype)
    with np.errstate(over="ignore", under="ignore"):
        array = _converted(name, given, dtype)
    huge = np.isinf(array)
    if huge.any() and (huge := huge & np.isfinite(given)).any():
        where = _first(huge)
        raise _error("RangeError", f"{_element(name, where)} is {given[where]!s}, which is beyond {dtype}")
    return array


def _first(where: Array) -> tuple[int, ...]:
    return tuple([int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape)])


def _element(name: str, where: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, where))}]" if where else name


def _index(name: str, value: Any) -> Array:
    array = _array(name, value)
    if array.dtype.kind not in "iub" and not (array.size == 0 and not isinstance(value, np.ndarray)):
        hint = f"; {name}.astype(int), if they are whole numbers" if array.dtype.kind == "f" else ""
        if hint and array.ndim > 1 and (np.count_nonzero(array, axis=-1) == 1).all() and (array.sum(axis=-1) == 1).all():
            hint = f"; its rows are one-hot: {name}.argmax(axis=-1)"
        raise _error("DtypeError", f"{name}: expected integers, got dtype {array.dtype}{hint}")
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(INT).max:
        raise _error("RangeError", f"{name}: index {int(array.max())} is out of range")
    return _converted(name, array, INT)


def _by_name(value: Any) -> bool:
    """Whether these are arrays by name; a recarray may have a field `keys`."""
    return hasattr(value, "keys") and not isinstance(value, np.ndarray)


def _params(value: Any) -> Any:
    """The parameters of a model, or what was given."""
    return value if isinstance(value, np.ndarray) else getattr(value, "params", value)


def _shaped(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    array = _real(name, value, dtype)
    if array.shape != shape:
        raise _error("ShapeError", f"{name}: expected shape {shape}, got shape {array.shape}")
    return array


def _number(name: str, value: Any, dtype: Any = None) -> float:
    array = _array(name, value)
    if array.dtype.kind not in "fiub" or array.shape != ():
        told = f"an array of shape {array.shape}" if array.shape else repr(value)
        raise _error("ArgumentError", f"{name}: expected a number, got {told}")
    return float(_real(name, array, np.dtype(dtype or np.float64)))


def _whole(name: str, value: Any) -> int:
    """A whole number that 63 bits hold; of a larger seed, its low bits."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise _error("ArgumentError", f"{name}: expected a whole number from 0 up, got {value!r}")
    return int(value) & ((1 << 63) - 1)


def _dim(dim: Any, sizes: dict[str, int]) -> int:
    """What a dimension of the spec is; KeyError if it needs a size that is not known."""
    if isinstance(dim, int):
        return dim
    if isinstance(dim, str):
        return sizes[dim]
    op, a, b = dim[0], _dim(dim[1], sizes), _dim(dim[2], sizes)
    if op in ("//", "%") and b == 0:
        raise _error("ShapeError", f"{_dim_text(dim)}: division by a size that is 0")
    if op == "root":
        return math.isqrt(max(a - 1, 0)) + 1
    if op == "max":
        return max(a, b)
    return a + b if op == "+" else a - b if op == "-" else a * b if op == "*" else a // b if op == "//" else a % b


def _dim_text(dim: Any) -> str:
    return str(dim) if isinstance(dim, (int, str)) else f"({_dim_text(dim[1])} {dim[0]} {_dim_text(dim[2])})"


def _solve(dim: Any, value: int, sizes: dict[str, int]) -> bool:
    """Bind the one unknown size in dim so that dim is value, if it stands where that can be undone."""
    while not isinstance(dim, (str, int)):
        op, a, b = dim
        try:
            known, left = _dim(b, sizes), True
        except KeyError:
            try:
                known, left = _dim(a, sizes), False
            except KeyError:
                return False
        if op == "+":
            value -= known
        elif op == "-":
            value = value + known if left else known - value
        elif op == "*" and known and value % known == 0:
            value //= known
        else:
            return False
        dim = a if left else b
    if isinstance(dim, str) and value >= 0 and dim not in sizes:
        sizes[dim] = value
        return True
    return False


def _unknown(dim: Any, sizes: dict[str, int], within: str = "") -> list[str]:
    """The sizes in dim that are not known (those within these operators, if any are named)."""
    if isinstance(dim, tuple):
        within = "" if dim[0] in within else within
        found = _unknown(dim[1], sizes, within)
        return found + [name for name in _unknown(dim[2], sizes, within) if name not in found]
    return [dim] if isinstance(dim, str) and dim not in sizes and not within else []


def _bind(inputs: Any, arrays: dict[str, Array], sizes: dict[str, int]) -> None:
    """Find the sizes in the arrays' shapes (into `sizes`, which may hold some already), and check that all agree."""
    origin = {name: f"you gave {name}={value}" for name, value in sizes.items()}
    todo = []
    for spec in inputs:
        name, shape, array = spec["name"], spec["shape"], arrays[spec["name"]]
        if array.ndim != len(shape):
            axes = "be a scalar" if not shape else "have 1 axis" if len(shape) == 1 else f"have {len(shape)} axes"
            hint = ""
            if array.ndim == len(shape) - 1 and shape[-1] == 1:
                hint = f"; {name}.reshape(-1, 1) has" if array.ndim == 1 else f"; {name}[..., None] has"
            raise _error("ShapeError", f"{name}: expected {spec['declared']}, got shape {array.shape}: it must {axes}{hint}")
        for axis, dim in enumerate(shape):
            if isinstance(dim, str):
                if dim not in sizes:
                    sizes[dim] = array.shape[axis]
                    origin[dim] = f"it is {array.shape[axis]} in {name}"
            todo.append((spec, axis, dim, array.shape))
    while True:             # sizes that stand in no shape alone
        found = False
        for spec, axis, dim, given in todo:
            if isinstance(dim, tuple) and _solve(dim, given[axis], sizes):
                found = True
                origin.update({size: f"it is {sizes[size]} in {spec['name']}" for size in sizes if size not in origin})
        if not found:
            break
    for spec, axis, dim, given in todo:
        try:
            want = _dim(dim, sizes)
        except KeyError:
            if len(_unknown(dim, sizes)) == 1 and not _unknown(dim, sizes, "//%"):
                text = _declared_dim(spec, axis)
                why = f"there is no {_unknown(dim, sizes)[0]} for which axis {axis}, {text}, is {given[axis]}"
                raise _error("ShapeError", f"{spec['name']}: expected {spec['declared']}, got shape {given}: {why}") from None
            continue
        if want != given[axis]:
            text = _declared_dim(spec, axis)
            if isinstance(dim, str):
                why = f"axis {axis} is {dim}, and {origin[dim]}"
            elif isinstance(dim, tuple):
                why = f"axis {axis} must be {text} = {want}"
            else:
                why = f"axis {axis} must be {want}" if text == str(want) else f"axis {axis} must be {text} = {want}"
            raise _error("ShapeError", f"{spec['name']}: expected {spec['declared']}, got shape {given}: {why}")


def _declared_dim(spec: Any, axis: int) -> str:
    """The axis as the user wrote it: `D` of `x[N, D]`."""
    parts, depth, text = [""], 0, str(spec["declared"])
    for c in text[text.find("[") + 1:text.rfind("]")]:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts[axis].strip() if len(parts) == len(spec["shape"]) else _dim_text(spec["shape"][axis])


def _in_range(spec: Any, array: Any, below: int) -> None:
    first = 0
    if _later(array):
        first, array = array.beyond(below)
    if array.size and (int(array.min()) < 0 or int(array.max()) >= below):
        where = _first((array < 0) | (array >= below))
        number = int(array[where])
        where = (where[0] + first, *where[1:]) if where else ()
        span = f"0 to {below - 1}" if below > 0 else "nothing, since the bound is 0"
        raise _error("RangeError", f"{spec['name']}: expected {spec['declared']}, integers from {span}; "
                     f"{_element(spec['name'], where)} is {number}")
