"""The test runner counts rightly: whatever did not pass is a failure and changes the exit code."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parents[2] / "scripts/run_tests.py"

REPORT = """<testsuites><testsuite name="A">{cases}</testsuite></testsuites>"""
PASSED = '<testcase name="Passes" status="run" result="completed" classname="A" time="0.1"/>'
FAILED = ('<testcase name="Fails" status="run" result="completed" classname="A" time="0">'
          '<failure message="expected 1" type=""/></testcase>')
SKIPPED = ('<testcase name="Skips" status="run" result="skipped" classname="A" time="0">'
           '<skipped message="no peer"/></testcase>')
DISABLED = '<testcase name="Off" status="notrun" result="suppressed" classname="A" time="0"/>'


@pytest.fixture
def run(tmp_path):
    """run({name: shell script}) as the programs of a build folder; (exit code, last line, all)."""

    def run(programs, rooms="", arguments=()):
        build = tmp_path / "build"
        build.mkdir()
        lines = []
        for name, script in programs.items():
            program = build / f"{name}_test"
            program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            lines.append(f"add_test({json.dumps(name)} {json.dumps(str(program))})")
            lines.append(f"set_tests_properties({json.dumps(name)} PROPERTIES TIMEOUT 2)")
        (build / "CTestTestfile.cmake").write_text("\n".join(lines), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, RUNNER, "--build", f"{build}:{rooms}", "--reports",
             tmp_path / "reports", *arguments],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTEST_ADDOPTS": ""},
        )
        return done.returncode, done.stdout.splitlines()[-1], done.stdout

    return run


def reporting(*cases, code=0):
    text = REPORT.format(cases="".join(cases))
    return f"cat >\"${{GTEST_OUTPUT#xml:}}\" <<'END'\n{text}\nEND\nexit {code}"


def test_counts_passes(run):
    code, last, _ = run({"a": reporting(PASSED), "b": reporting(PASSED, PASSED)})
    assert (code, last) == (0, "3 passed, 0 failed")


def test_shows_the_tables_of_what_passed(run):
    script = f"echo chatter; echo '| mutant | killed by |'; {reporting(PASSED)}"
    code, _, everything = run({"a": script})
    assert code == 0
    assert "| mutant | killed by |" in everything.splitlines()
    assert "chatter" not in everything


def test_counts_failures(run):
    code, last, everything = run({"a": reporting(PASSED, FAILED, code=1)})
    assert (code, last) == (1, "1 passed, 1 failed")
    assert "FAILED A.Fails: failure: expected 1" in everything


def test_a_skipped_or_disabled_test_is_a_failure(run):
    code, last, _ = run({"a": reporting(PASSED, SKIPPED, DISABLED)})
    assert (code, last) == (1, "1 passed, 2 failed")


def test_a_crash_is_a_failure_with_or_without_a_report(run):
    code, last, everything = run(
        {"a": "kill -SEGV $$", "b": reporting(PASSED, code=134), "c": reporting(PASSED)}
    )
    assert (code, last) == (1, "2 passed, 2 failed")
    assert "build:a: was ended by SIGSEGV" in everything


def test_a_program_that_hangs_is_ended_and_is_a_failure(run):
    code, last, everything = run({"a": "tail -f /dev/null"})
    assert (code, last) == (1, "0 passed, 1 failed")
    assert "did not end within" in everything


def test_a_program_that_runs_no_test_is_a_failure(run):
    assert run({"a": reporting()})[:2] == (1, "0 passed, 1 failed")


def test_a_room_that_is_missing_is_a_failure(run):
    code, last, everything = run({"a": reporting(PASSED)}, rooms="a,guard")
    assert (code, last) == (1, "1 passed, 1 failed")
    assert "build:guard: has no tests" in everything


def test_no_tests_at_all_is_a_failure(run):
    assert run({})[:2] == (1, "0 passed, 1 failed")


def test_pytest_is_counted_by_its_cases(run, tmp_path):
    (tmp_path / "test_sample.py").write_text(
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): assert False\n"
        "@pytest.mark.skip\n"
        "def test_c(): pass\n"
        "@pytest.fixture\n"
        "def broken(): raise ValueError('no peer')\n"
        "def test_d(broken): pass\n",
        encoding="utf-8",
    )
    code, last, _ = run({"a": reporting(PASSED)}, arguments=["--pytest", tmp_path / "test_sample.py"])
    assert (code, last) == (1, "2 passed, 3 failed")


def test_pytest_that_cannot_collect_is_a_failure(run, tmp_path):
    (tmp_path / "test_sample.py").write_text("import no_such_module\n", encoding="utf-8")
    code, last, _ = run({"a": reporting(PASSED)}, arguments=["--pytest", tmp_path / "test_sample.py"])
    assert code == 1
    assert last.startswith("1 passed, ") and not last.endswith(" 0 failed")


# ---- Fuzzers ---------------------------------------------------------------------------------

STATS = "echo 'stat::number_of_executed_units: 12345'"


@pytest.fixture
def fuzz(run, tmp_path):
    """fuzz({name: shell script}) as fuzzers, beside one program that passes; like run()."""

    def fuzz(fuzzers, arguments=()):
        for name, script in fuzzers.items():
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        options = [option for name in fuzzers for option in ("--fuzz", tmp_path / name)]
        return run({"a": reporting(PASSED)}, arguments=["--fuzz-seconds", "1", *options, *arguments])

    return fuzz


def test_a_fuzzer_that_finds_nothing_is_one_test(fuzz):
    code, last, everything = fuzz({"one_fuzzer": STATS, "two_fuzzer": STATS})
    assert (code, last) == (0, "3 passed, 0 failed")
    assert "| one_fuzzer: 12,345 inputs in " in everything


def test_a_fuzzer_that_crashes_is_a_failure_that_names_its_input(fuzz):
    found = "echo 'artifact_prefix=x; Test unit written to build/fuzz/one_fuzzer-crash-abc'; exit 77"
    code, last, everything = fuzz({"one_fuzzer": found, "two_fuzzer": STATS})
    assert (code, last) == (1, "2 passed, 1 failed")
    (line,) = {line for line in everything.splitlines() if line.startswith("FAILED ")}
    assert "fuzz:one_fuzzer: ended with 77; repeat it with: " in line
    assert line.endswith("one_fuzzer build/fuzz/one_fuzzer-crash-abc")


@pytest.mark.parametrize(
    ("script", "problem"),
    [("exit 0", "tried no input"), ("echo 'stat::number_of_executed_units: 0'", "tried no input"),
     ("kill -ABRT $$", "was ended by SIGABRT")],
)
def test_a_fuzzer_that_does_not_fuzz_is_a_failure(fuzz, script, problem):
    code, last, everything = fuzz({"one_fuzzer": script})
    assert (code, last) == (1, "1 passed, 1 failed")
    assert f"FAILED fuzz:one_fuzzer: {problem}" in everything


def test_a_fuzzer_that_was_not_built_is_a_failure(run, tmp_path):
    code, last, everything = run(
        {"a": reporting(PASSED)}, arguments=["--fuzz", tmp_path / "no_fuzzer"]
    )
    assert (code, last) == (1, "1 passed, 1 failed")
    assert "fuzz:no_fuzzer: was not built" in everything


def test_fuzzers_run_at_the_lowest_priority(fuzz, tmp_path):
    code, _, _ = fuzz({"one_fuzzer": f"nice >{tmp_path}/nice; {STATS}"})
    assert code == 0
    assert (tmp_path / "nice").read_text(encoding="utf-8") == "19\n"


def test_fuzzers_run_beside_the_files_that_are_named_and_these_once(fuzz, tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    # Each waits for the other to open its end.
    os.mkfifo(tmp_path / "pipe")
    (tests / "test_waits.py").write_text(
        "def test_meets_the_fuzzer():\n"
        f"    with open({str(tmp_path / 'pipe')!r}, 'w', encoding='utf-8') as pipe:\n"
        "        pipe.write('here\\n')\n",
        encoding="utf-8",
    )
    (tests / "test_other.py").write_text("def test_other(): pass\n", encoding="utf-8")
    meets = f"read -r word <{tmp_path}/pipe; [ $word = here ] && {STATS}"
    code, last, everything = fuzz(
        {"one_fuzzer": meets},
        ["--pytest", tests, "--waiting", tests / "test_waits.py"],
    )
    assert (code, last) == (0, "4 passed, 0 failed"), everything


def test_a_background_build_runs_once_at_the_lowest_priority_and_counts(run, tmp_path):
    code, last, everything = run(
        {"a": reporting(PASSED),
         "b": f"nice >>{tmp_path}/nice; {reporting(PASSED, FAILED, code=1)}"},
        arguments=["--background-build", f"{tmp_path / 'build'}:b"],
    )
    assert (code, last) == (1, "2 passed, 1 failed"), everything
    assert (tmp_path / "nice").read_text(encoding="utf-8") == "19\n"


def test_a_room_of_a_background_build_without_tests_is_a_failure(run, tmp_path):
    code, last, everything = run(
        {"a": reporting(PASSED)}, arguments=["--background-build", f"{tmp_path / 'build'}:b"]
    )
    assert (code, last) == (1, "1 passed, 1 failed"), everything
