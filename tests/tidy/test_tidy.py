"""The source keeps to the rules of the design; and each rule finds what it is there to find."""

import os
from pathlib import Path

import pytest

import rules

REPOSITORY = Path(__file__).resolve().parents[2]

TEXT = {".h", ".cc", ".py", ".sh", ".txt", ".cmake", ".json", ".md", ".yaml", ".yml", ".xml", ".in",
        ".ini", ".lua", ".toml", ".html", ".js", ".css", ".svg", ".go", ".mod", ".rs", ".java", ""}
LEFT_OUT = {"build", ".cache", ".git", "__pycache__", ".pytest_cache"}


def source_files():
    for folder, folders, files in os.walk(REPOSITORY):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT)
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix in TEXT and path.name != "LICENSE":
                yield path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_source_keeps_to(rule):
    problems = [f"{path}: {p}" for path, text in source_files() for p in rule(path, text)]
    assert not problems, "\n" + "\n".join(problems)


def test_every_room_of_the_source_is_seen():
    seen = {rules.room_of(path) for path, _ in source_files()}
    assert {"core", "fleet", "net"} <= seen


# What each rule must find (a rule that finds nothing guards nothing) and must leave alone.
PLANTED = [
    (rules.includes_go_down, "src/core/a.h", '#include "fleet/record.h"'),
    (rules.includes_go_down, "src/fleet/a.cc", '#include "net/http.h"'),
    (rules.includes_go_down, "src/net/a.cc", '#include "aws/sqs.h"'),
    (rules.includes_go_down, "src/aws/a.cc", '#include "stores/store.h"'),
    (rules.includes_go_down, "src/guard/a.cc", '#include "ops/metrics.h"'),
    (rules.includes_go_down, "src/config/a.cc", '#include <guard/guard.h>'),
    (rules.includes_go_down, "src/worker/a.cc", '#include "lambda/runtime.h"'),
    (rules.includes_go_down, "src/lab/a_test.cc", '#include "cli/demo.h"'),
    (rules.includes_go_down, "src/stores/a.cc", '#include "switchgear/switchgear.h"'),
    (rules.includes_go_down, "include/switchgear/a.h", '#include "worker/worker.h"'),
    (rules.includes_go_down, "src/cellar/a.cc", "int a;"),
    (rules.includes_go_down, "src/core/a.cc", '#include "policy.h"'),
    (rules.includes_go_down, "src/core/a.cc", '#include "../net/http.h"'),
    (rules.includes_go_down, "src/core/a.cc", '#include "attic/old.h"'),
    (rules.rooms_link_down, "src/core/CMakeLists.txt", "sg_room(core DEPS net)"),
    (rules.rooms_link_down, "src/queue/CMakeLists.txt", "sg_room(queue\n  DEPS core guard LIBS a)"),
    (rules.pure_rooms_are_pure, "src/core/a.cc", "auto t = std::chrono::system_clock::now();"),
    (rules.pure_rooms_are_pure, "src/fleet/a.cc", "using C = std::chrono::steady_clock;"),
    (rules.pure_rooms_are_pure, "src/fleet/a.cc", "int i = rand();"),
    (rules.pure_rooms_are_pure, "src/fleet/a_test.cc", "std::random_device seed;"),
    (rules.pure_rooms_are_pure, "src/core/a.cc", "const auto t = std::time(nullptr);"),
    (rules.pure_rooms_are_pure, "src/core/a.h", "#include <mutex>"),
    (rules.pure_rooms_are_pure, "src/core/a.h", "#include <thread>"),
    (rules.pure_rooms_are_pure, "src/core/a.h", "#include <boost/asio/io_context.hpp>"),
    (rules.pure_rooms_are_pure, "src/core/a.cc", "#include <sys/socket.h>"),
    (rules.no_random_device, "src/cli/main.cc", "std::random_device seed;"),
    (rules.beast_stays_in_net, "src/worker/a.cc", "#include <boost/beast/http.hpp>"),
    (rules.beast_stays_in_net, "src/stores/a.h", "namespace boost::asio { class io_context; }"),
    (rules.files_are_short, "src/lab/a.cc", "\n" * 601),
    (rules.headers_are_guarded, "src/core/a.h", "int a;\n"),
    (rules.headers_are_guarded, "include/switchgear/a.h", "// #pragma once\n"),
    (rules.no_machine_paths, "README.md", "see /wor" "k/main/src"),
    (rules.no_machine_paths, "src/cli/a.cc", 'open("/tmp/x")'),
    (rules.no_machine_paths, "docs/a.md", "cd /home/me/switchgear"),
    (rules.no_machine_paths, "scripts/a.sh", "pip install -i https://pypi.org/simple"),
    (rules.no_skips, "src/core/a_test.cc", "  GTEST_SKIP();"),
    (rules.no_skips, "src/core/a_test.cc", "TEST(A, DISABLED_B) {}"),
    (rules.no_skips, "tests/test_a.py", "@pytest.mark.skipif(True)"),
    (rules.no_skips, "tests/test_a.py", "pytest.skip('no redis')"),
    (rules.no_sleeping_in_tests, "src/net/a_test.cc", "std::this_thread::sleep_for(1s);"),
    (rules.no_sleeping_in_tests, "tests/a_test.cc", "usleep(1000);"),
    (rules.no_sleeping_in_tests, "tests/worker/test_a.py", "time.sleep(1)"),
    (rules.no_sleeping_in_tests, "tests/worker/test_a.py", "from time import monotonic, sleep"),
]

INNOCENT = [
    (rules.includes_go_down, "src/core/a.cc", '#include "core/policy.h"\n#include <vector>'),
    (rules.includes_go_down, "src/stores/a.cc", '#include "aws/signer.h"\n#include "net/resp.h"'),
    (rules.includes_go_down, "src/ops/a.cc", '#include "guard/guard.h"'),
    (rules.includes_go_down, "src/guard/a.cc", '#include "switchgear/switchgear.h"'),
    (rules.includes_go_down, "src/cli/a.cc", '#include "lab/world.h"\n#include <CLI/CLI.hpp>'),
    (rules.includes_go_down, "src/net/a.cc", "#include <boost/asio.hpp>\n#include <sys/types.h>"),
    (rules.includes_go_down, "src/core/a_test.cc", '#include <gtest/gtest.h>'),
    (rules.rooms_link_down, "src/net/CMakeLists.txt", "sg_room(net DEPS core LIBS OpenSSL::SSL)"),
    (rules.rooms_link_down, "src/stores/CMakeLists.txt", "sg_room(stores DEPS core fleet aws)"),
    (rules.pure_rooms_are_pure, "src/core/a.cc", "// never steady_clock here\nint t = now.time();"),
    (rules.pure_rooms_are_pure, "src/core/a.h", "#include <chrono>\n#include <atomic>"),
    (rules.pure_rooms_are_pure, "src/net/a.cc", "#include <thread>\nstd::time(nullptr);"),
    (rules.beast_stays_in_net, "src/net/a.cc", "#include <boost/beast/http.hpp>"),
    (rules.files_are_short, "src/lab/a.cc", "\n" * 600),
    (rules.headers_are_guarded, "src/core/a.h", "// A.\n#pragma once\n"),
    (rules.no_machine_paths, "docs/a.md", "make build writes build/release/switchgear to ./tmp/a"),
    (rules.no_machine_paths, "src/a/a.cc", "/* http://host/home/page and $dir/root/etc */"),
    (rules.no_skips, "src/core/a_test.cc", "TEST(A, SkipsNothing) {}"),
    (rules.no_sleeping_in_tests, "src/net/loop.cc", "std::this_thread::sleep_for(1s);"),
    (rules.no_sleeping_in_tests, "src/net/a_test.cc", "// no sleep_for() here"),
]


def case_name(value):
    return value.__name__ if callable(value) else None


@pytest.mark.parametrize("rule, path, text", PLANTED, ids=case_name)
def test_rule_finds_what_breaks_it(rule, path, text):
    assert rule(path, text)


@pytest.mark.parametrize("rule, path, text", INNOCENT, ids=case_name)
def test_rule_leaves_alone(rule, path, text):
    assert rule(path, text) == []


def test_every_rule_is_shown_to_find_something():
    assert {rule for rule, _, _ in PLANTED} == set(rules.RULES)
