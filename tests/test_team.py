"""The team of threads: every part is done once, whoever comes and whoever does not; it sleeps when there is nothing to do; there
is one for the whole process; and what it loses it must have won before."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from test_headers import BUILDS, CC, compile_library

SOURCE = """
#include "gradwright/trial.h"
#include <stdint.h>
typedef struct { int* seen; double* sums; ptrdiff_t work; } job;
static void task(void* of, ptrdiff_t first, ptrdiff_t last, void* own) {
    (void)own;
    job* x = of;
    for (ptrdiff_t k = first; k < last; k++) {
        double sum = 0;
        for (ptrdiff_t j = 1; j <= x->work; j++) sum += 1.0 / (double)(j + k);
        x->sums[k] = sum;
        __atomic_fetch_add(&x->seen[k], 1, __ATOMIC_RELAXED);
    }
}
/* How many of the calls had a team of this size; the others were done alone. */
int together(int size, int calls, ptrdiff_t parts, ptrdiff_t work, int* seen, double* sums) {
    int had = 0;
    for (int k = 0; k < calls; k++) {
        job x = {seen, sums, work};
        const int mine = gw_team_take(size);
        if (mine > 1) gw_team_run(task, &x, parts);
        else task(&x, 0, parts, NULL);
        if (mine > 1) gw_team_give();
        had += mine == size;
    }
    return had;
}
int helpers(void) { return gw_team_here->helpers; }
int asleep(int member) { return __atomic_load_n(&gw_team_here->members[member].asleep, __ATOMIC_SEQ_CST); }
/* The caller believes that a member looks out for work, when it sleeps: it will not come. */
void forget(int member) { __atomic_store_n(&gw_team_here->members[member].asleep, 0, __ATOMIC_SEQ_CST); }
void settle(double now, double won) { gw_team_settle(now, won); }
int rests(double now) { return gw_team_rests(now); }
/* Whether the work was done by one thread, by the order that was given. */
static int by_one;
static void note(void* of, ptrdiff_t first, ptrdiff_t last, void* own) { (void)of, (void)own; by_one = last - first > 1; }
int obeyed(int order, ptrdiff_t parts) {
    gw_threads = 2;
    gw_team_tell(order);
    gw_team_do(note, NULL, parts, 0, 1, 2, 3, 4);
    gw_team_tell(0);
    return by_one;
}
int wanted(void) { return gw_team_wanted(); }
int usual(void) { return gw_team_usual(); }
void* join(void* team) { return gw_team_join(team); }
/* At every fork from now on, a team is made at the last moment, as another thread may do. */
static void make(void) { if (gw_team_take(3) > 1) gw_team_give(); }
void make_at_forks(void) { pthread_atfork(make, NULL, NULL); }
int within(int size) { /* asked from within a part */
    int mine = gw_team_take(size), inner = mine > 1 ? gw_team_take(size) : 1;
    if (mine > 1) gw_team_give();
    return inner;
}
"""


@pytest.fixture
def library(tmp_path: Path) -> ctypes.CDLL:
    """A team of its own for each test."""
    made = compile_library(tmp_path, "team", SOURCE, CC, BUILDS["plain"][1])
    made.join.restype = ctypes.c_void_p
    return made


class Work:
    def __init__(self, library: ctypes.CDLL, parts: int, work: int = 10) -> None:
        self.library, self.parts, self.work = library, parts, work
        self.seen, self.sums = np.zeros(parts + 1, np.int32), np.full(parts + 1, np.nan)

    def together(self, size: int, calls: int = 1) -> int:
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (self.seen, self.sums)]
        return int(self.library.together(size, calls, ctypes.c_ssize_t(self.parts), ctypes.c_ssize_t(self.work), *pointers))

    def was_done(self, times: int) -> bool:
        return bool((self.seen[:-1] == times).all() and self.seen[-1] == 0 and np.isfinite(self.sums[:-1]).all())


def sleeping(library: ctypes.CDLL, member: int) -> bool:
    """Wait until a member of the team sleeps."""
    until = time.monotonic() + 30
    while not library.asleep(member) and time.monotonic() < until:
        time.sleep(0.01)
    return bool(library.asleep(member))


def test_every_part_is_done_once(library: ctypes.CDLL) -> None:
    for size in (2, 3, 5):
        for parts, work in ((1, 10), (2, 2000), (7, 100), (64, 1000), (1000, 0)):
            job = Work(library, parts, work)
            assert job.together(size, 40) == 40 and job.was_done(40), (size, parts)
    assert library.helpers() == 4  # none is made twice


def test_threads_that_ask_at_once(library: ctypes.CDLL) -> None:
    """One has the team, the others work alone; all have everything done."""
    jobs = [Work(library, 16, 3000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        had = list(pool.map(lambda job: job.together(2, 300), jobs))
    assert all(job.was_done(300) for job in jobs) and sum(had) > 0
    assert all(np.array_equal(job.sums[:-1], jobs[0].sums[:-1]) for job in jobs)
    assert library.helpers() == 1


def test_who_has_the_team_cannot_have_it_again(library: ctypes.CDLL) -> None:
    assert library.within(3) == 1 and Work(library, 5).together(3) == 1


def test_nobody_waits_for_a_thread_that_does_not_come(library: ctypes.CDLL) -> None:
    job = Work(library, 8)
    job.together(2)
    assert sleeping(library, 1)
    library.forget(1)
    assert job.together(2, 5) == 5 and job.was_done(6), "its parts are taken over"


def test_a_team_with_nothing_to_do_sleeps(library: ctypes.CDLL) -> None:
    job = Work(library, 64, 20_000)
    job.together(3, 20)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.1
    assert sleeping(library, 1) and sleeping(library, 2)
    assert job.together(3, 20) == 20 and job.was_done(40), "and is woken"


def test_what_a_team_loses_it_must_have_won(library: ctypes.CDLL) -> None:
    def settle(now: float, won: float) -> None:
        library.settle(ctypes.c_double(now), ctypes.c_double(won))

    def rests(now: float) -> bool:
        return bool(library.rests(ctypes.c_double(now)))

    assert not rests(100.0)
    settle(200.0, 0.003)
    settle(200.0, -0.002)
    assert not rests(200.0), "it had won as much"
    settle(200.0, -0.003)
    assert rests(200.0) and rests(200.09) and not rests(200.2), "2 ms lost: rest for 100"
    for _ in range(100):
        settle(300.0, 1.0)
    settle(300.0, -0.01)
    assert rests(300.1), "what was won long ago does not count for ever"
    Work(library, 5).together(2)
    settle(350.0, -0.01)
    assert not rests(350.0), "that a thread was made does not count"
    settle(400.0, -60.0)
    assert rests(400.9) and not rests(401.1), "that was no thread's fault"


def test_an_order_counts_for_all_work(library: ctypes.CDLL) -> None:
    alone, together = 1, 2
    assert not library.wanted()
    assert library.obeyed(alone, 100) and library.wanted() and library.helpers() == 0
    assert not library.obeyed(together, 100) and library.helpers() == 1
    assert library.obeyed(alone, 100), "whatever was measured"


CHILD = """\
child = os.fork()
if child == 0:
    signal.alarm(60)
    job = Work(library, 16)
    os._exit(0 if library.helpers() == 0 and job.together(3, 5) == 5 and job.was_done(5) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def forking(library: ctypes.CDLL, body: str) -> None:
    """Run ``body`` in a process of its own that has the library, as a module loads it; CHILD stands for a fork whose child has
    no thread of its parent's and makes a team of its own."""
    head = f"""\
import ctypes, os, signal, sys, threading
from pathlib import Path
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from test_team import Work
library = ctypes.CDLL({library._name!r})
library.join.restype = ctypes.c_void_p
team = library.join(None)
"""
    lines = textwrap.dedent(body).splitlines(keepends=True)
    text = [textwrap.indent(CHILD, line[: line.index("CHILD")]) if line.strip() == "CHILD" else line for line in lines]
    command = [sys.executable, "-W", "ignore", "-c", "".join([head, *text, "print('done')\n"])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_has_a_team_of_its_own(library: ctypes.CDLL) -> None:
    """Whatever the threads of its parent were at; one of them works while it is made."""
    forking(library, """
        over, busy = threading.Event(), Work(library, 32, 2000)
        def keep_busy():
            while not over.is_set():
                busy.together(3, 10)
        thread = threading.Thread(target=keep_busy, daemon=True)
        thread.start()
        for _ in range(6):
            CHILD
        over.set()
        thread.join()
        assert busy.seen[0] > 0 and library.helpers() == 2
        """)  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_the_first_team_is_being_made(library: ctypes.CDLL) -> None:
    forking(library, """
        library.make_at_forks()
        for _ in range(2):  # the first of them makes it
            CHILD
            assert library.helpers() == 2
        """)  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_runs_nothing_of_a_library_that_has_joined(tmp_path: Path, library: ctypes.CDLL) -> None:
    """Its file may be gone by then, and what was not read of it with it."""
    other = Path(compile_library(tmp_path, "other", SOURCE, CC, BUILDS["plain"][1])._name)
    forking(library, f"""
        other = ctypes.CDLL({str(other)!r})
        other.join(ctypes.c_void_p(team))
        os.truncate({str(other)!r}, 0)
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("done", flush=True)
        os._exit(0)  # the usual end would run what is gone
        """)  # fmt: skip


def test_two_libraries_share_a_team(tmp_path: Path, library: ctypes.CDLL) -> None:
    other = compile_library(tmp_path, "other", SOURCE, CC, BUILDS["plain"][1])
    other.join(ctypes.c_void_p(library.join(None)))
    job, own = Work(other, 9), Work(library, 9)
    assert job.together(3, 5) == own.together(3, 5) == 5 and job.was_done(5) and own.was_done(5)
    assert library.helpers() == other.helpers() == 2


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("5,2", 5), ("", None), ("0", None), ("many", None), ("1000", 64)])
def test_how_many_there_are(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, said: str, threads: int | None) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    every = os.cpu_count() if threads is None else threads
    assert library.usual() == every or (threads is None and library.usual() == len(os.sched_getaffinity(0)))
