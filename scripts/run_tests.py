#!/usr/bin/env python3
"""Runs the tests and counts them: the programs that CTest knows in a build folder, and pytest.

    scripts/run_tests.py --build build/dev --build build/asan:core,fleet --pytest tests
    scripts/run_tests.py --build build/dev:net --pytest tests --fuzz build/fuzz/resp_fuzzer \
        --background-build build/dev:lab,core --waiting tests/e2e/test_bad_input.py,tests/e2e/…

Fuzzers and the programs of background builds cost next to no time of their own: one after the
other they run with what processor time is left beside those test files that mostly wait.

The last line printed is "N passed, N failed". A skipped or disabled test, a program that crashes,
hangs or runs no test at all, and a room that was named but has no tests each count as failed.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1",
}


@dataclass
class Suite:
    """One program or one file of tests, and how it went."""

    name: str
    passed: int = 0
    failures: list = field(default_factory=list)  # One line each.
    seconds: float = 0.0
    output: str = ""  # Shown if anything failed.

    @property
    def failed(self):
        return len(self.failures)


def read_junit(path, suite_of):
    """Adds the cases of a JUnit file, as GoogleTest and pytest write it, to suite_of(case)."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        suite = suite_of(case)
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        suite.seconds += float(case.get("time") or 0)
        problem = None
        for child in case:
            if child.tag in ("failure", "error", "skipped"):
                text = (child.get("message") or child.text or "").strip()
                problem = f"{child.tag}: {text.splitlines()[0] if text else ''}"
                break
        if problem is None and (case.get("status") == "notrun" or case.get("result") == "skipped"):
            problem = "not run: a disabled or skipped test proves nothing"
        if problem:
            suite.failures.append(f"{name}: {problem}")
        else:
            suite.passed += 1


def run_limited(command, seconds, **options):
    """(exit code, output) of a command in a process group of its own; code None if it took more
    than `seconds`, and then nothing of it is left running."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    )
    chunks = []
    reader = threading.Thread(target=lambda: chunks.append(process.stdout.read()), daemon=True)
    reader.start()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    reader.join(5)
    return code, b"".join(chunks).decode(errors="replace")


def describe_exit(code, limit):
    if code is None:
        return f"did not end within {limit:.0f} s"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"


def ctest_programs(build, rooms):
    """[(name, command, seconds it may take)] of what CTest knows in a build folder."""
    listing = subprocess.run(
        ["ctest", "--test-dir", build, "--show-only=json-v1"],
        check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )
    programs = []
    for test in json.loads(listing.stdout)["tests"]:
        if rooms and test["name"] not in rooms:
            continue
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        command = test.get("command") or [f"{test['name']} was not built"]
        programs.append((test["name"], command, float(properties.get("TIMEOUT", 900))))
    return programs


def run_program(label, command, limit, reports, prefix=()):
    """Runs one test program; a GoogleTest one counts by its cases, any other as one test."""
    suite = Suite(label)
    report = reports / (label.replace(":", "-").replace("/", "-") + ".xml")
    report.unlink(missing_ok=True)
    environment = {**os.environ, "GTEST_OUTPUT": f"xml:{report}", "GTEST_COLOR": "no"}
    for name, value in SANITIZER_OPTIONS.items():
        environment[name] = ":".join(filter(None, [value, os.environ.get(name)]))
    begin = time.monotonic()
    try:
        code, suite.output = run_limited([*prefix, *command], limit, env=environment,
                                         cwd=REPOSITORY)
    except OSError as error:
        suite.failures.append(f"{label}: could not be run: {error}")
        return suite
    if report.exists():
        try:
            read_junit(report, lambda case: suite)
        except ElementTree.ParseError as error:
            suite.failures.append(f"{label}: its report cannot be read: {error}")
        if suite.passed + suite.failed == 0:
            suite.failures.append(f"{label}: ran no test")
    elif code == 0:
        if "--gtest" in suite.output or "[==========]" in suite.output:
            suite.failures.append(f"{label}: wrote no report")
        else:
            suite.passed = 1
    if code != 0 and not suite.failures:
        suite.failures.append(f"{label}: {describe_exit(code, limit)}")
    elif code is None or code < 0:
        suite.failures.append(f"{label}: {describe_exit(code, limit)}")
    suite.seconds = time.monotonic() - begin
    return suite


def rooms_of(build):
    """("build/dev", ["core", "net"]) of "build/dev:core,net"; without a room all are meant."""
    folder, _, rooms = build.partition(":")
    return folder, [room for room in rooms.split(",") if room]


def run_builds(builds, reports, jobs, limit_scale, prefix=(), elsewhere=()):
    """Runs the programs of builds, but those of the builds that run `elsewhere`."""
    theirs = {(folder, room) for folder, rooms in map(rooms_of, elsewhere) for room in rooms}
    work, suites = [], []
    for build in builds:
        folder, rooms = rooms_of(build)
        flavour = Path(folder).name
        try:
            programs = ctest_programs(folder, rooms)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            suites.append(Suite(flavour, failures=[f"{flavour}: its tests cannot be listed: {error}"]))
            continue
        for room in sorted(set(rooms) - {name for name, _, _ in programs}):
            label = f"{flavour}:{room}"
            suites.append(Suite(label, failures=[f"{label}: has no tests"]))
        if not programs and not rooms:
            suites.append(Suite(flavour, failures=[f"{flavour}: has no tests"]))
        work += [(f"{flavour}:{name}", command, limit * limit_scale)
                 for name, command, limit in programs if (folder, name) not in theirs]
    for suite in suites:
        announce(suite)
    with ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(run_program, label, command, limit, reports, prefix)
                for label, command, limit in work]
        for run in runs:
            suite = run.result()
            suites.append(suite)
            announce(suite)
    return suites


def announce(suite):
    """Prints how a suite went: its output if it failed, and else the tables in it (lines that
    begin with "| ")."""
    tables = [line for line in suite.output.splitlines() if line.startswith("| ")]
    if not suite.failed and tables:
        print("\n".join(tables), flush=True)
    if suite.failed:
        print(suite.output[-20000:], flush=True)
        for failure in suite.failures:
            print(f"FAILED {failure}")
    print(f"{suite.name}: {suite.passed} passed, {suite.failed} failed, {suite.seconds:.1f} s",
          flush=True)


# Whatever else runs goes first, in a session with a scheduling group of its own as well.
IN_THE_BACKGROUND = ["sh", "-c", "echo 19 >/proc/self/autogroup; exec nice -n 19 \"$@\"", "sh"]
# Of a program's time limit, in the background.
BACKGROUND_SCALE = 4
FUZZ_GRACE = 120  # Seconds in which a fuzzer whose time is up must have ended, on a busy machine.


def run_fuzzer(program, seconds):
    """One fuzzer, as one test. It begins with the corpus in the repository and with what earlier
    runs have found; an input that fails is kept beside the program."""
    program = Path(program)
    folder = program.resolve().parent
    suite = Suite(f"fuzz:{program.name}")
    found = folder / "corpus" / program.name
    seeds = REPOSITORY / "fuzz/corpus" / program.name
    command = [*IN_THE_BACKGROUND, program.resolve(), f"-max_total_time={seconds:g}",
               "-print_final_stats=1", "-timeout=30", f"-artifact_prefix={folder / program.name}-",
               found, *([seeds] if seeds.is_dir() else [])]
    begin = time.monotonic()
    if not os.access(program, os.X_OK):
        suite.failures.append(f"{suite.name}: was not built")
        return suite
    found.mkdir(parents=True, exist_ok=True)
    code, suite.output = run_limited(
        command, seconds + FUZZ_GRACE, cwd=REPOSITORY, env={**os.environ, **SANITIZER_OPTIONS})
    suite.seconds = time.monotonic() - begin
    kept = re.search(r"Test unit written to (\S+)", suite.output)
    runs = re.search(r"^stat::number_of_executed_units: *(\d+)", suite.output, re.MULTILINE)
    if kept:
        suite.failures.append(f"{suite.name}: {describe_exit(code, seconds + FUZZ_GRACE)}; "
                              f"repeat it with: {program} {kept[1]}")
    elif code != 0:
        suite.failures.append(f"{suite.name}: {describe_exit(code, seconds + FUZZ_GRACE)}")
    elif not runs or int(runs[1]) == 0:
        suite.failures.append(f"{suite.name}: tried no input")
    else:
        suite.passed = 1
        suite.output = f"| {program.name}: {int(runs[1]):,} inputs in {suite.seconds:.0f} s"
    return suite


def run_pytest(python, paths, reports, limit, name="pytest"):
    """Runs pytest, showing its output as it comes; one suite a test file."""
    report = reports / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-v", "--tb=short", "-o",
               "junit_family=xunit2", f"--junitxml={report}", *paths]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                               cwd=REPOSITORY)
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        code = None
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
        raise
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()

    suites = {}

    def suite_of(case):
        module = case.get("classname") or case.get("name") or "?"
        name = "pytest:" + ".".join(p for p in module.split(".") if p and p[0].islower())
        return suites.setdefault(name, Suite(name))

    if report.exists():
        read_junit(report, suite_of)
    whole = Suite("pytest")
    # 1 only says that tests failed, which the report knows in detail.
    if code not in (0, 1) or (code == 1 and not any(s.failed for s in suites.values())):
        whole.failures.append(f"pytest: {describe_exit(code, limit)}")
    elif not suites:
        whole.failures.append("pytest: ran no test")
    for failure in whole.failures:
        print(f"FAILED {failure}", flush=True)
    return list(suites.values()) + ([whole] if whole.failures else [])


def run_in_background(options):
    """What needs a processor and no clock, one after the other."""
    suites = run_builds(options.background_build, options.reports, 1,
                        BACKGROUND_SCALE * options.limit_scale, IN_THE_BACKGROUND)
    for program in options.fuzz:
        suites.append(run_fuzzer(program, options.fuzz_seconds))
        announce(suites[-1])
    return suites


def run_waiting(options):
    """The test files that mostly wait, each list of them beside the others, and beside all of them
    what runs in the background."""
    with ThreadPoolExecutor(1 + len(options.waiting)) as pool:
        background = pool.submit(run_in_background, options)
        lists = [pool.submit(run_pytest, options.python, files, options.reports,
                             options.pytest_limit, f"pytest-waiting-{number}")
                 for number, files in enumerate(options.waiting)]
        return [suite for run in [*lists, background] for suite in run.result()]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="append", default=[], metavar="FOLDER[:ROOM,ROOM]")
    parser.add_argument("--pytest", action="append", default=[], metavar="PATH")
    parser.add_argument("--python", default=sys.executable, help="the Python that has pytest")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--reports", type=Path, default=REPOSITORY / "build/reports")
    parser.add_argument("--fuzz", action="append", default=[], metavar="PROGRAM")
    parser.add_argument("--fuzz-seconds", type=float, default=60, help="of each fuzzer")
    parser.add_argument("--background-build", action="append", default=[],
                        metavar="FOLDER[:ROOM,ROOM]", help="like --build, beside the waiting")
    parser.add_argument("--waiting", action="append", default=[], metavar="TEST_FILE[,TEST_FILE]",
                        type=lambda text: [name for name in text.split(",") if name],
                        help="files of tests that mostly wait; each list runs beside the others")
    parser.add_argument("--pytest-limit", type=float, default=1500, metavar="SECONDS")
    parser.add_argument("--limit-scale", type=float, default=1, help="multiplies time limits")
    options = parser.parse_args(arguments)

    options.reports.mkdir(parents=True, exist_ok=True)
    options.reports = options.reports.resolve()
    begin = time.monotonic()
    suites = run_builds(options.build, options.reports, options.jobs, options.limit_scale,
                        elsewhere=options.background_build)
    suites += run_waiting(options)
    if options.pytest:
        others = options.pytest + [f"--ignore={path}" for files in options.waiting
                                   for path in files]
        suites += run_pytest(options.python, others, options.reports, options.pytest_limit)

    failures = [failure for suite in suites for failure in suite.failures]
    width = max([len(suite.name) for suite in suites] + [5])
    print(f"\n{'suite':{width}}  passed  failed  seconds")
    for suite in suites:
        print(f"{suite.name:{width}}  {suite.passed:6}  {suite.failed:6}  {suite.seconds:7.1f}")
    print(f"{'total':{width}}  {'':6}  {'':6}  {time.monotonic() - begin:7.1f}")
    for failure in failures:
        print(f"FAILED {failure}")
    passed = sum(suite.passed for suite in suites)
    print(f"{passed} passed, {len(failures)} failed", flush=True)
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
