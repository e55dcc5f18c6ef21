"""What README.md and CONTRIBUTING.md tell a reader to type works as it stands there: the commands,
the configuration and the C++.

Commands of `switchgear` are run as written, beside the README's own switchgear.yaml, whose addresses
alone are replaced by those of the test's servers. Of the targets of `make`, which build and test
everything, it is checked that they exist; other commands must name files and presets that do.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
import yaml

import peers
from child import Child
from waiting import wait_until

DOCUMENTS = {name: (peers.REPOSITORY / name).read_text(encoding="utf-8")
             for name in ("README.md", "CONTRIBUTING.md")}
README = DOCUMENTS["README.md"]


def blocks(text, language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [block for tag, block in fenced if tag == language]


def words(line):
    return shlex.split(line, comments=True)


def commands(*languages):
    """Every command line of the fenced blocks in these languages, as (document, words)."""
    return [(name, words(line))
            for name, text in DOCUMENTS.items()
            for language in languages
            for block in blocks(text, language)
            for line in block.splitlines()
            if words(line)]


def in_backticks():
    """Every piece of code within a line, blocks left out, line breaks as spaces."""
    for name, text in DOCUMENTS.items():
        outside = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        for code in re.findall(r"`([^`]+)`", outside):
            yield name, " ".join(code.split())


def only(found):
    assert len(found) == 1, found
    return found[0]


YAML = only(blocks(README, "yaml"))
CPP = only(blocks(README, "cpp"))
SWITCHGEAR = [command for _, command in commands("sh", "") if command[0] == "switchgear"]


@pytest.fixture
def reader(tmp_path, binary, redis, elasticmq, queue_name):
    """A reader's folder: `switchgear` on the PATH, the README's configuration, real servers."""
    return Reader(tmp_path, binary, redis, elasticmq, queue_name)


class Reader:
    def __init__(self, folder, binary, redis, sqs, queue_name):
        self.folder = folder
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        (bin_folder / "switchgear").symlink_to(binary)
        self.environment = peers.clean_environment(**sqs.environ)
        self.environment["PATH"] = f"{bin_folder}:{os.environ['PATH']}"
        self.program = str(bin_folder / "switchgear")
        queue = sqs.client().create_queue(QueueName=queue_name)["QueueUrl"]
        written = yaml.safe_load(YAML)
        text = YAML
        for old, new in [
            (written["store"], redis.url),
            (written["worker"]["queue"], queue),
            (written["worker"]["handler"], f"http://127.0.0.1:{peers.free_port()}/orders"),
        ]:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (folder / "switchgear.yaml").write_text(text, encoding="utf-8")

    def run(self, command):
        """(exit code, output) of a command; the worker is told to stop once it works."""
        if command[:2] == ["switchgear", "worker"]:
            log = self.folder / "worker.log"
            with Child([self.program, *command[1:]], log=log, env=self.environment,
                       cwd=self.folder) as worker:
                wait_until(lambda: "worker started" in worker.output() or not worker.alive(), 20,
                           lambda: worker.output())
                return worker.stop(), worker.output()
        done = subprocess.run([self.program, *command[1:]], cwd=self.folder, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120)
        return done.returncode, done.stdout


def test_every_command_of_switchgear_does_what_is_written_in_the_order_it_is_written(reader):
    assert len(SWITCHGEAR) >= 5
    outputs = {}
    for command in SWITCHGEAR:
        code, output = reader.run(command)
        assert code == 0, f"{shlex.join(command)}: {code}\n{output}"
        outputs[" ".join(command)] = output
    assert "payments-api" in outputs["switchgear config check"]
    assert "payments-api" in outputs["switchgear circuits list"]


def test_the_configuration_is_valid_as_it_stands(reader):
    (reader.folder / "switchgear.yaml").write_text(YAML, encoding="utf-8")
    code, output = reader.run(["switchgear", "config", "check"])
    assert code == 0, output
    assert "warning" not in output
    assert "payments-api" in output


def test_the_configuration_names_the_defaults_rightly(reader):
    _, output = reader.run(["switchgear", "config", "check", "--output", "json"])
    shown = json.loads(output)["circuits"][0]["settings"]
    for key, value in yaml.safe_load(YAML)["circuits"]["payments-api"].items():
        assert str(shown[key]) == str(value), key


def test_code_within_the_text_that_is_a_command_is_one(reader):
    seen = 0
    for document, code in in_backticks():
        # The path under which a reader has built it, or the name alone.
        match = re.match(r"(?:build/release/)?switchgear ([a-z]+(?: [a-z]+)?)", code)
        if not match:
            continue
        seen += 1
        code, output = reader.run(["switchgear", *match.group(1).split(), "--help"])
        assert code == 0, f"{document}: {match.group(0)}: {output}"
    assert seen >= 3


def test_the_subcommands_that_are_said_to_work_do(reader):
    row = only(re.findall(r"^\| (`worker`.*?) \|", README, re.M))
    for code in re.findall(r"`([^`]+)`", row):
        group, *more = code.split(" ", 1)
        for name in more[0].split(", ") if more else [""]:
            exit_code, output = reader.run(["switchgear", group, *name.split(), "--help"])
            assert exit_code == 0, f"{group} {name}: {output}"


def test_the_picture_is_made_by_the_command_that_is_written_under_it(reader):
    command = only([code for _, code in in_backticks() if "--picture" in code]).split()
    target = command[command.index("--picture") + 1]
    (reader.folder / target).parent.mkdir()
    code, output = reader.run(["switchgear", *command[1:]])
    assert code == 0, output
    assert f"]({target})" in README
    for picture in (reader.folder / target, peers.REPOSITORY / target):
        root = ElementTree.parse(picture).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg", picture


def test_every_target_of_make_is_there():
    targets = [(document, words(code)[1]) for document, code in in_backticks()
               if code.startswith("make ") and len(words(code)) > 1]
    targets += [(document, command[1]) for document, command in commands("sh", "")
                if command[0] == "make"]
    assert len(targets) >= 9
    for document, target in targets:
        done = subprocess.run(["make", "--dry-run", target, "SECONDS=1"], cwd=peers.REPOSITORY,
                              env=peers.clean_environment(), capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, f"{document}: make {target}: {done.stderr}"


def test_every_other_command_names_what_is_there():
    presets = json.loads((peers.REPOSITORY / "CMakePresets.json").read_text(encoding="utf-8"))
    configured = {preset["name"] for preset in presets["configurePresets"]}
    others = [(document, command) for document, command in commands("sh", "")
              if command[0] not in ("switchgear", "make")]
    assert others
    for document, command in others:
        where = f"{document}: {shlex.join(command)}"
        while "=" in command[0]:  # a variable for the command
            command = command[1:]
        if command[:2] == ["cmake", "--preset"]:
            assert command[2] in configured, where
        elif command[:2] == ["cmake", "--build"]:
            assert command[2].removeprefix("build/") in configured, where
            room = command[command.index("--target") + 1].removesuffix("_test")
            assert (peers.REPOSITORY / "src" / room).is_dir(), where
        elif command[1:3] == ["-m", "pytest"]:
            folder = peers.REPOSITORY / command[3]
            collected = subprocess.run(
                [peers.installed(peers.PYTHON), "-m", "pytest", "--collect-only", "-q", folder,
                 *command[4:]],
                cwd=peers.REPOSITORY, env={**peers.clean_environment(),
                                           "SWITCHGEAR_CACHE": str(peers.CACHE)},
                capture_output=True, text=True, timeout=60)
            assert collected.returncode == 0, f"{where}\n{collected.stdout}"
        else:
            assert (peers.REPOSITORY / command[0]).is_file(), where
            assert os.access(peers.REPOSITORY / command[0], os.X_OK), where


def test_every_file_and_folder_that_is_named_is_there():
    for document, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (peers.REPOSITORY / target).exists(), f"{document}: {target}"
    for document, code in in_backticks():
        if re.fullmatch(r"(?:src|tests|scripts|include|fuzz|bench|docs)/[\w./-]*", code):
            assert (peers.REPOSITORY / code).exists(), f"{document}: {code}"


PRELUDE = """\
#include <chrono>
struct Card {};
struct Receipt {};
Receipt charge(const Card&);
Receipt queue_for_later(const Card&, std::chrono::nanoseconds retry_after);
"""


def test_the_cpp_compiles_against_the_public_header(tmp_path):
    include, _, body = CPP.partition("\n")
    assert include == "#include <switchgear/switchgear.h>"
    source = tmp_path / "readme.cc"
    source.write_text(f"{include}\n{PRELUDE}\nReceipt pay(const Card& card) {{\n{body}\n"
                      "  return receipt;\n}\n", encoding="utf-8")
    compiler = shutil.which("clang++-19")
    assert compiler, "clang++-19 is missing; scripts/install.sh installs it"
    done = subprocess.run(
        [compiler, "-std=c++20", "-stdlib=libstdc++", "-Wall", "-Wextra", "-Werror",
         "-fsyntax-only", "-I", peers.REPOSITORY / "include", "-I", peers.REPOSITORY / "src", source],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_guarantees_name_tests_that_are_there():
    text = (peers.REPOSITORY / "docs/guarantees.md").read_text(encoding="utf-8")
    sources = [*(peers.REPOSITORY / "src").rglob("*_test.cc"),
               *(peers.REPOSITORY / "src/stores").glob("behaviours_*.cc"),
               *(peers.REPOSITORY / "tests").rglob("test_*.py")]
    all_tests = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = re.findall(r"`(\w+)\.(\w+)`", text)
    assert len(named) > 20
    for suite, test in named:
        form = rf'all\["{test}"\]' if suite == "StoreSuite" else \
            rf"TEST(_F|_P)?\(\s*{suite},\s*{test}\)"
        assert re.search(form, all_tests), f"{suite}.{test}"
    functions = re.findall(r"`(test_\w+)`", text)
    assert len(functions) > 10
    for function in functions:
        assert f"def {function}(" in all_tests, function
