"""The cache on disk: private to its user, found without compiling anything, and never trusted without looking.

::

    modules/KEY/        one built module: its files and entry.json, which holds their hashes
    objects/KEY/        the same for what modules share: an object file of a C header's functions
    fronts/KEY.json     what a source text with its options became: the key above, so that a second run elaborates nothing
    toolchains/         what a C compiler can do
    failed/             the sources and the log of builds that failed
    aside/              entries in the making: renamed into modules/ when whole, swept when left behind
    size                how many bytes are in all of it, and what was put there since somebody looked
    locks/              one process builds, the others wait and then find; the system frees a lock when its owner dies
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any, Final, NamedTuple

from gradwright.runtime.logs import DEBUG, INFO, WARNING, tell

from .hashing import sha256

_FORMAT: Final = 1
_LOCK_TIMEOUT: Final = 900.0  # after that we build as well: entries are renamed into place, so nothing breaks
_LEFT_BEHIND: Final = 3600.0  # seconds after which a folder in aside/ has no owner any more
_FRONTS: Final = 8  # alternatives kept per source text (it may stand beside different used files)
_MANY_FRONTS: Final = 2000  # source texts that are remembered
_MANY_FAILED: Final = 20  # logs that are kept
_LOOK: Final = 50  # entries that are put there before somebody looks at all of it again
_SIZE: Final = "size"
_BUILT: Final = ("modules", "objects")  # what counts for the limit
LIMIT: Final = 1 << 30  # bytes of what is built; $GRADWRIGHT_CACHE_SIZE in MiB overrides it


# ---------------------------------------------------------------- where


def directory() -> Path:
    """The cache's folder, ours alone: $GRADWRIGHT_CACHE, or the platform's place for caches.

    Where that cannot be used (not writable, or somebody else's) a folder of this process takes its place.
    """
    return _usable(os.environ.get("GRADWRIGHT_CACHE", ""))


_instead: Final[dict[str, tuple[str, str]]] = {}  # the folder of this process -> the one it stands for, and why


@once
def _usable(chosen: str) -> Path:
    if chosen:
        path = Path(chosen).expanduser().absolute()
    else:
        from platformdirs import user_cache_path

        path = user_cache_path("gradwright", appauthor=False)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = path.stat()
        if hasattr(os, "geteuid") and state.st_uid != os.geteuid():
            raise PermissionError(f"it belongs to user {state.st_uid}")
        if state.st_mode & 0o077:
            path.chmod(0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("it is not writable")
    except OSError as error:
        import atexit
        import shutil
        import tempfile

        fallback = Path(tempfile.mkdtemp(prefix="gradwright-cache-"))
        atexit.register(shutil.rmtree, fallback, ignore_errors=True)
        why = str(error) if error.errno is None else error.strerror or str(error)
        _instead[str(fallback)] = str(path), why
        tell(WARNING, "cache", "the cache %s cannot be used (%s): this process works without one", path, why)
        return fallback
    return path


def _room(name: str) -> Path:
    path = directory() / name
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder to build in, gone afterwards; on the file system of the cache, so that results can be renamed into it."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp(prefix=f"build-{_host()}-{os.getpid()}-", dir=_room("aside")))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@once
def _host() -> str:
    import platform

    return sha256(platform.node().encode()).hexdigest()[:8]


def _left_behind(path: Path, now: float) -> bool:
    """Whether a folder in aside/ has no owner any more: its process, of this machine, is gone; or it is old."""
    import re

    found = re.match(r"build-(\w{8})-(\d+)-", path.name)
    if found and found[1] == _host() and int(found[2]) != os.getpid():
        try:
            os.kill(int(found[2]), 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
    return now - path.stat().st_mtime > _LEFT_BEHIND


def digest(*parts: bytes | str) -> str:
    """One key from several parts; where one ends and the next begins counts."""
    state = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


# ---------------------------------------------------------------- built modules


class Entry(NamedTuple):
    """A built module in the cache, verified: its files by name, and what else was kept about it."""

    key: str
    folder: Path
    files: tuple[str, ...]
    about: Mapping[str, Any]

    def path(self, name: str) -> Path:
        return self.folder / name


def find(key: str, room: str = "modules") -> Entry | None:
    """The entry ``key`` where it is there and whole: every file still has the hash that it was stored with."""
    folder = directory() / room / key
    try:
        entry = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
        if entry["format"] != _FORMAT or entry["key"] != key or not isinstance(entry["about"], dict):
            return None
        for name, wanted in entry["files"].items():
            if not _ours(folder / name) or sha256((folder / name).read_bytes()).hexdigest() != wanted:
                tell(DEBUG, "cache", "%s is not what was put there: it is built again", folder / name)
                return None
        result = Entry(key, folder, tuple(entry["files"]), entry["about"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / "entry.json")  # used now: the last to be thrown out
    return result


def _ours(path: Path) -> bool:
    """Whether a file is this user's: others could have put it there while the folder was open to them."""
    return not hasattr(os, "geteuid") or os.lstat(path).st_uid == os.geteuid()


def forget(key: str) -> None:
    """Throw one entry out."""
    with scratch() as trash, contextlib.suppress(OSError):
        os.rename(directory() / "modules" / key, trash / "old")


def obtain(key: str, make: Callable[[Path], Mapping[str, Any]], room: str = "modules") -> Entry:
    """The entry ``key``. Where there is none ``make(folder)`` puts its files into a folder; one process makes, others wait."""
    found = find(key, room)
    if found is not None:
        return found
    with locked(key[:2] if room == "modules" else f"{room}-{key[:2]}"):
        found = find(key, room)
        if found is not None:
            return found
        with scratch() as aside:
            about = dict(make(aside))
            files = {p.name: sha256(p.read_bytes()).hexdigest() for p in sorted(aside.iterdir()) if p.is_file()}
            text = json.dumps({"format": _FORMAT, "key": key, "files": files, "about": about}, indent=1)
            (aside / "entry.json").write_text(text, encoding="utf-8")
            size = sum(p.stat().st_size for p in aside.iterdir())
            target = _room(room) / key
            _replace_folder(aside, target)
        _sweep()
        if _grew(size):
            _tidy(keep=key)
    return Entry(key, target, tuple(files), about)


def _replace_folder(aside: Path, target: Path) -> None:
    for _ in range(3):
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may just have emptied the cache
            os.rename(aside, target)
            return
        except OSError as error:
            if not target.exists() and not isinstance(error, FileNotFoundError):
                raise
            with scratch() as trash, contextlib.suppress(FileNotFoundError):  # something damaged is in the way
                os.rename(target, trash / "old")
    raise OSError(f"{target} cannot be replaced")


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time within; the others wait. Whoever holds it may be killed at any moment: the system lets go of it.
    Locks are taken in the order front, module, object, so that two never wait for each other."""
    import filelock

    lock = filelock.FileLock(_room("locks") / f"{name}.lock", timeout=_LOCK_TIMEOUT)
    held = True
    try:
        lock.acquire()
    except (OSError, NotImplementedError):  # a time-out is an OSError too; a file system without locks is none of our business
        held = False
    try:
        yield
    finally:
        if held:
            lock.release()


def _sweep() -> None:
    """Throw out what killed processes left behind."""
    import shutil

    now = time.time()
    with contextlib.suppress(OSError):
        for path in _room("aside").iterdir():
            with contextlib.suppress(OSError):
                if _left_behind(path, now):
                    shutil.rmtree(path, ignore_errors=True)


def _grew(size: int) -> bool:
    """Note that so many bytes were put into the cache. Whether somebody must look at all of it, which takes longer the more
    there is: as far as is known it is too much, or what is known is old."""
    try:
        handle = os.open(directory() / _SIZE, os.O_WRONLY | os.O_APPEND)  # so that no process writes over another's line
        try:
            os.write(handle, b"%d\n" % size)
        finally:
            os.close(handle)
        known = [int(line) for line in (directory() / _SIZE).read_bytes().split()]
    except (OSError, ValueError):
        return True
    return len(known) > _LOOK or sum(known) > _limit()


def _tidy(keep: str) -> None:
    """Throw out the entries that were not used for longest until the rest fits, and note how much is left."""
    limit, now = _limit(), time.time()
    with contextlib.suppress(OSError):
        for room in ("fronts", "toolchains"):
            for path in _room(room).glob(".*.part"):
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > 60:
                        path.unlink()
        _keep_latest(_room("fronts"), _MANY_FRONTS)
        _keep_latest(_room("failed"), _MANY_FAILED)
        ages: list[tuple[float, str, int, Path]] = []
        for folder in (f for room in _BUILT for f in _room(room).iterdir()):
            with contextlib.suppress(OSError):
                size = sum(p.stat().st_size for p in folder.iterdir())
                stamp = folder / "entry.json"
                ages.append((stamp.stat().st_mtime if stamp.exists() else 0.0, folder.name, size, folder))
        total = sum(size for _, _, size, _ in ages)
        for _, name, size, folder in sorted(ages):
            if total <= limit:
                break
            if name != keep:
                with scratch() as trash, contextlib.suppress(OSError):
                    os.rename(folder, trash / "old")  # gone at once: nobody finds half of it
                    tell(INFO, "cache", "%s is thrown out: the cache holds %d bytes, and may hold %d", folder, total, limit)
                total -= size
        from .files import publish

        publish(directory() / _SIZE, b"%d\n" % total)


def _limit() -> int:
    try:
        return int(os.environ["GRADWRIGHT_CACHE_SIZE"]) << 20 if "GRADWRIGHT_CACHE_SIZE" in os.environ else LIMIT
    except ValueError:
        return LIMIT


def _keep_latest(folder: Path, count: int) -> None:
    import shutil

    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(paths) > count:
        for path in sorted(paths, key=lambda p: (p.stat().st_mtime, p.name))[:-count]:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


# ---------------------------------------------------------------- what is in it


class Info(NamedTuple):
    """What is in the cache."""

    folder: Path
    modules: int
    objects: int
    bytes: int
    limit: int
    failed: int
    largest: tuple[tuple[int, str, str], ...]  # (bytes, name, key) of the largest modules
    instead_of: str = ""  # the folder that should have been used
    why: str = ""


def info() -> Info:
    """How much is in the cache, and where it is."""
    found: list[tuple[int, str, str]] = []
    shared: list[int] = []
    for folder in _room("objects").iterdir():
        with contextlib.suppress(OSError):
            shared.append(sum(p.stat().st_size for p in folder.iterdir()))
    for folder in _room("modules").iterdir():
        with contextlib.suppress(OSError):
            size = sum(p.stat().st_size for p in folder.iterdir())
            name = "damaged"
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                name = str(json.loads((folder / "entry.json").read_text(encoding="utf-8"))["about"]["name"])
            found.append((size, name, folder.name))
    found.sort(key=lambda one: (-one[0], one[1:]))
    instead, why = _instead.get(str(directory()), ("", ""))
    failed = sum(1 for _ in _room("failed").iterdir())
    total = sum(size for size, _, _ in found) + sum(shared)
    return Info(directory(), len(found), len(shared), total, _limit(), failed, tuple(found[:10]), instead, why)


def clear() -> None:
    """Throw everything out that was built. What other processes are building meanwhile stays."""
    import shutil

    now = time.time()
    for name in ("fronts", *_BUILT, "failed", "toolchains"):
        with scratch() as trash, contextlib.suppress(FileNotFoundError):
            os.rename(directory() / name, trash / name)  # gone at once: nobody finds half of it
    (directory() / _SIZE).unlink(missing_ok=True)
    for path in _room("aside").iterdir():
        with contextlib.suppress(OSError):
            if _left_behind(path, now):
                shutil.rmtree(path, ignore_errors=True)


# ---------------------------------------------------------------- fronts: from a source text straight to its module


class Front(NamedTuple):
    """What a source text became: a module's key, the files that it used, the warnings that belong to it."""

    module: str
    used: tuple[tuple[str, str], ...]  # (path as it is reached from the source's folder, sha256)
    about: Mapping[str, Any]


def find_front(key: str, read: Callable[[str], bytes | None]) -> Front | None:
    """The front of ``key`` whose used files, read by ``read``, are as they were."""
    for front in _fronts(key):
        if all(sha256(read(path) or b"").hexdigest() == wanted for path, wanted in front.used):
            with contextlib.suppress(OSError):
                os.utime(directory() / "fronts" / f"{key}.json")  # used now: the last to be thrown out
            return front
    return None


def keep_front(key: str, front: Front) -> None:
    """Remember ``front``; failing to is no error."""
    others = [f for f in _fronts(key) if f.used != front.used]
    data = [{"module": f.module, "used": f.used, "about": dict(f.about)} for f in [front, *others][:_FRONTS]]
    with contextlib.suppress(OSError):
        from .files import publish

        publish(_room("fronts") / f"{key}.json", json.dumps({"format": _FORMAT, "fronts": data}, indent=1).encode())


def _fronts(key: str) -> Sequence[Front]:
    try:
        path = directory() / "fronts" / f"{key}.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT or not _ours(path):
            return []
        return [Front(str(f["module"]), tuple((str(p), str(h)) for p, h in f["used"]), dict(f["about"])) for f in data["fronts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
