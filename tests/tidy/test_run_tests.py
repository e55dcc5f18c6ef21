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
