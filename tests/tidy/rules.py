"""The rules that keep the rooms apart, as functions of a file's path and text.

Each returns the list of what breaks it, as "line N: what and why". They read text, not syntax:
comments are taken out first, so that a rule may be named where it is explained.
"""

import re

# The floors of the design. A room may use the rooms on lower floors.
FLOORS = {
    "core": 0,
    "fleet": 1, "net": 1,
    "aws": 2, "stores": 2,
    "guard": 3, "queue": 3, "ops": 3, "config": 3,
    "worker": 4, "lambda": 4, "controller": 4, "replay": 4,
    "lab": 5,
    "cli": 6,
}
# On its own floor a room may use another only where this says so.
NEIGHBOURS = {"stores": {"aws"}, "ops": {"guard"}}
# The public headers, include/switchgear/, stand with the room that implements them.
PUBLIC = "switchgear"
FLOOR_OF_PUBLIC = FLOORS["guard"]

PURE_ROOMS = {"core", "fleet"}
LINES_MAX = 600
TEST_LINES_MAX = 900  # one short test after another reads faster than code

_CLOCKS = r"\b(?:system_clock|steady_clock|high_resolution_clock|utc_clock)\b|" \
          r"\b(?:clock_gettime|gettimeofday|timespec_get|__rdtsc|localtime|gmtime)\b|" \
          r"\b(?:std::|::)time\s*\("
_RANDOM = r"\brandom_device\b|\b(?:s?rand|rand_r|drand48|arc4random\w*|getrandom|RAND_bytes)\s*\(|" \
          r"#\s*include\s*<random>"
_THREADS = r"#\s*include\s*<(?:thread|mutex|shared_mutex|condition_variable|future|stop_token|" \
           r"semaphore|latch|barrier|pthread\.h)>|\bstd::(?:j?thread|mutex|async)\b|" \
           r"\bthis_thread\b|\bpthread_"
_IO = r"#\s*include\s*<(?:sys/socket|netinet/|arpa/|unistd|fcntl|fstream|filesystem|iostream)|" \
      r"\bboost::asio\b|#\s*include\s*<(?:boost/asio|boost/beast|openssl)"
_BEAST = r"#\s*include\s*[<\"]boost/(?:asio|beast)|\bboost::(?:asio|beast)\b"
_SLEEP_CC = r"\bsleep_(?:for|until)\b|\b(?:u|nano)?sleep\s*\("
_SLEEP_PY = r"\btime\.sleep\b|\bfrom\s+time\s+import\b.*\bsleep\b|\basyncio\.sleep\b|" \
            r"[\"']sleep\s+[\d.]|[\"']sleep[\"']\s*,"
_SKIP_CC = r"\bGTEST_SKIP\b|\bTEST(?:_[FP])?\s*\([^)]*\bDISABLED_"
_SKIP_PY = r"\bpytest\.(?:mark\.)?(?:skip|skipif|xfail|importorskip)\b|\bunittest\.skip"
_MACHINE = r"(?<![\w.$}])/(?:work|root|home/\w+|Users/\w+)/\w|(?<![\w.$}])/(?:work|root)\b(?!/)|" \
           r"(?<![\w.$}])/tmp/\w|\b(?:pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|" \
           r"repo1?\.maven\.(?:apache\.)?org|proxy\.golang\.org|artifactregistry|pkg\.dev)\b"


def without_comments(text):
    """C++ text with comments blanked out, lines kept. Strings are left as they are."""
    def blank(match):
        found = match.group(0)
        return "".join("\n" if c == "\n" else " " for c in found) if found[0] == "/" else found
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def _find(pattern, text, why):
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(pattern, line)
        if match:
            problems.append(f"line {number}: {match.group(0).strip()!r}: {why}")
    return problems


def room_of(path):
    """The room of a source path such as src/core/policy.h; None outside the rooms."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[0] == "include":
        return PUBLIC
    return None


def _floor(room):
    return FLOOR_OF_PUBLIC if room == PUBLIC else FLOORS.get(room)


def includes_go_down(path, text):
    room = room_of(path)
    if room is None:
        return []
    floor = _floor(room)
    if floor is None:
        return [f"line 1: src/{room}/ is no room of the design; its floor is unknown"]
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([\w.]+)/', line)
        if not match:
            relative = re.match(r'\s*#\s*include\s*"(\.\.?/[^"]*|[^"/]+)"', line)
            if relative:
                problems.append(f"line {number}: {relative.group(1)!r}: includes are rooted at src/")
            continue
        quote, other = match.groups()
        other_floor = _floor(other)
        if other_floor is None:
            if quote == '"':
                problems.append(f"line {number}: {other}/ is no room of the design")
            continue
        allowed = (other == room or other_floor < floor or other in NEIGHBOURS.get(room, ())
                   or {room, other} == {PUBLIC, "guard"})
        if not allowed:
            problems.append(f"line {number}: {room}/ (floor {floor}) may not use {other}/ "
                            f"(floor {other_floor})")
    return problems


def rooms_link_down(path, text):
    """The DEPS of a room's CMakeLists.txt."""
    parts = path.split("/")
    if parts[0] != "src" or parts[-1] != "CMakeLists.txt":
        return []
    problems = []
    text = re.sub(r"#[^\n]*", "", text)
    for room, rest in re.findall(r"sg_room\(\s*(\w+)([^)]*)\)", text):
        deps = re.search(r"\bDEPS\b((?:\s+\w+)*)", rest)
        for other in re.split(r"\s+", deps.group(1).strip()) if deps else []:
            if other in ("LIBS", "TEST_LIBS"):
                break
            if other not in FLOORS or not (
                FLOORS[other] < FLOORS[room] or other in NEIGHBOURS.get(room, ())
            ):
                problems.append(f"line 1: {room}/ may not depend on {other}/")
    return problems


def pure_rooms_are_pure(path, text):
    if room_of(path) not in PURE_ROOMS or path.endswith("CMakeLists.txt"):
        return []
    code = without_comments(text)
    why = "core/ and fleet/ are given the time and the seed, and do no I/O"
    return [p for pattern in (_CLOCKS, _RANDOM, _THREADS, _IO) for p in _find(pattern, code, why)]


def no_random_device(path, text):
    if room_of(path) is None:
        return []
    return _find(r"\brandom_device\b", without_comments(text),
                 "pulls a symbol of a newer glibc into the binary; take RAND_bytes or a seed")


def beast_stays_in_net(path, text):
    if room_of(path) in (None, "net"):
        return []
    return _find(_BEAST, without_comments(text), "Asio and Beast are net/'s own")


def files_are_short(path, text):
    lines = text.count("\n")
    most = TEST_LINES_MAX if path.endswith("_test.cc") else LINES_MAX
    if not path.startswith("src/") or lines <= most:
        return []
    return [f"line {most}: {lines} lines; more than can be read in a sitting"]


def headers_are_guarded(path, text):
    if room_of(path) is None or not path.endswith(".h"):
        return []
    return [] if re.search(r"^#pragma once$", text, re.M) else ["line 1: no #pragma once"]


def no_machine_paths(path, text):
    if path.startswith("tests/tidy/"):
        return []  # Here they are what the rule looks for.
    return _find(_MACHINE, text, "a path or host of one machine")


def no_skips(path, text):
    if path.startswith("tests/tidy/"):
        return []
    if path.endswith((".cc", ".h")):
        return _find(_SKIP_CC, without_comments(text), "a skipped test proves nothing")
    if path.endswith(".py"):
        return _find(_SKIP_PY, text, "a skipped test proves nothing")
    return []


def no_sleeping_in_tests(path, text):
    if path in ("tests/tidy/rules.py", "tests/tidy/test_tidy.py", "tests/peers/waiting.py"):
        return []
    why = "wait for the event, not for a length of time"
    if path.endswith("_test.cc") or (path.startswith("tests/") and path.endswith((".cc", ".h"))):
        return _find(_SLEEP_CC, without_comments(text), why)
    if path.startswith("tests/") and path.endswith(".py"):
        return _find(_SLEEP_PY, text, why)
    return []


RULES = [includes_go_down, rooms_link_down, pure_rooms_are_pure, no_random_device,
         beast_stays_in_net, files_are_short, headers_are_guarded, no_machine_paths, no_skips,
         no_sleeping_in_tests]
