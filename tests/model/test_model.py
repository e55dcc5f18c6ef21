"""Exhaustive search of the protocol model, and of models with a defect that must be found.

spin turns fleet.pml into a C program that visits every state that can be reached; it is compiled
into the test's own folder. README.md says what the model has to do with the code.
"""

import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILER = "clang-19"
BOUNDS = "3 instances, 2 slots, any number of epochs, lease of 3 ticks, calls of at most 1"
MEMORY_MB = 1900

# Which property an assertion of store.pml or fleet.pml belongs to, by what pan prints of it.
PROPERTIES = {
    "(r.expected+1)>store.epoch": "P2",
    "r.expected==store.epoch": "P4",
    "store.state!=2": "P4",
    ".grant==0": "P3",
    ".left>1": "P3",
    "!(r.spent)": "P1",
    "r.op!=1": "P1",
    "steps_left>0": "P7",
}


def search(folder, *switches, optimize="-O2"):
    """What pan prints of the search, and the line of the violation it found, or None."""
    for name in ("fleet.pml", "store.pml", "symmetry.h"):  # pan writes its trail beside them
        shutil.copy(HERE / name, folder)
    macros = [f"-D{switch}" for switch in switches]
    _run(folder, "spin", f"-P{COMPILER} -E -x c", *macros, "-a", "fleet.pml")
    _run(folder, COMPILER, optimize, "-w", "-DSAFETY", "-DNOREDUCE", f"-DMEMLIM={MEMORY_MB}",
         "-o", "pan", "pan.c")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    output = _run(folder, "./pan", "-m400000", "-w23")
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    output += f"{seconds:.1f} seconds of processor time\n"
    assert "(max search depth too small)" not in output, output
    violation = re.search(r"^pan:1: (.*)$", output, re.M)
    if not violation:
        assert "Search not completed" not in output and "errors: 0" in output, output
    return output, violation and violation.group(1)


def _run(folder, *command):
    done = subprocess.run([str(part) for part in command], cwd=folder, text=True, timeout=900,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, f"{command[0]} failed: {done.stdout}"
    return done.stdout


def last_steps(folder, count=25):
    """The states before the violation, a line each, as describe() in symmetry.h prints them."""
    done = subprocess.run(["./pan", "-r"], cwd=folder, text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    states = [line for line in done.stdout.splitlines() if re.match(r"(CLOSED|OPEN|HALF_)", line)]
    return "\n".join(states[-count:])


def measured(output):
    states = int(re.search(r"(\d+) states, stored", output).group(1))
    steps = int(re.search(r"(\d+) transitions", output).group(1))
    depth = int(re.search(r"depth reached (\d+)", output).group(1))
    memory = float(re.search(r"([\d.]+)\s+total actual memory", output).group(1))
    seconds = re.search(r"([\d.]+) seconds of processor", output).group(1)
    return f"{states:,} states, {steps:,} steps, depth {depth:,}, {memory:.0f} MB, {seconds} s"


def unreached(output, process):
    """The lines of a process that the search never came through, but for its end."""
    block = re.search(rf"unreached in proctype {process}\n(.*?)\(\d+ of", output, re.S).group(1)
    return [line.strip() for line in block.splitlines() if line.strip() and "-end-" not in line]


def test_p1_to_p4_hold_and_nothing_wedges_under_lost_replies_crashes_and_freezes(tmp_path, figures):
    output, violation = search(tmp_path, "LOSS", "CRASH", "FREEZE", "PROGRESS")
    figures(f"{measured(output)}; {BOUNDS}")
    assert violation is None, f"{violation}\n{last_steps(tmp_path)}"
    for process in ("Process", "World", "Trial"):
        assert unreached(output, process) == [], "a part of the model never happens"


def test_p1_to_p4_hold_and_nothing_wedges_when_requests_arrive_late_or_twice(tmp_path, figures):
    output, violation = search(
        tmp_path, "LOSS", "STRAYS", "CRASH", "PROGRESS", "UNANSWERED_MAX=1"
    )
    figures(f"{measured(output)}; {BOUNDS}; one request unanswered and one astray at a time")
    assert violation is None, f"{violation}\n{last_steps(tmp_path)}"
    for process in ("Process", "World"):
        assert unreached(output, process) == [], "a part of the model never happens"


@pytest.mark.parametrize(
    ("switches", "broken"),
    [
        (["BROKEN_SLOTS_DIE_WITH_THEIR_EPOCH"], "P3"),
        (["BROKEN_UNFENCED_CLOSE", "LOSS"], "P2"),
        (["BROKEN_LATE_RESULT_COUNTS"], "P4"),
        (["BROKEN_CLOSE_BESIDE_A_FAILURE"], "P4"),
        (["BROKEN_LEASE_NOT_CHECKED"], "P3"),
        (["BROKEN_LEASE_COUNTED_FROM_THE_ANSWER", "LOSS"], "P3"),
        (["BROKEN_CLAIM_WITHOUT_EXPIRY", "CRASH", "PROGRESS"], "P7"),
        (["BROKEN_CLAIM_ON_AN_OLD_VIEW", "LOSS", "STRAYS", "UNANSWERED_MAX=1"], "P1"),
    ],
    ids=lambda value: value[0].lower() if isinstance(value, list) else value,
)
def test_a_broken_model_is_caught(switches, broken, tmp_path, figures):
    output, violation = search(tmp_path, *switches, optimize="-O1")
    assert violation, "the defect was not found"
    found = {name for text, name in PROPERTIES.items() if text in violation}
    figures(f"{' '.join(sorted(found))} violated after {measured(output)}")
    assert found == {broken}, violation
    assert last_steps(tmp_path), "the trail cannot be read back"
