"""What the release binary needs of the machine it runs on."""

import re
import subprocess

# Amazon Linux 2023, on which Lambda runs, has this glibc.
GLIBC_MAX = (2, 34)
# glibc is the only library that may be loaded; it comes in these parts.
GLIBC_PARTS = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1",
               "libresolv.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def objdump(option, path):
    return subprocess.run(["objdump", option, path], check=True, capture_output=True, text=True,
                          env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout


def too_new(dynamic_symbols):
    """The lines of `objdump -T` that name a symbol of a glibc newer than GLIBC_MAX."""
    return [
        line for line in dynamic_symbols.splitlines()
        for version in re.findall(r"\(?GLIBC_(\d+(?:\.\d+)+)\)?", line)
        if tuple(int(part) for part in version.split("."))[:2] > GLIBC_MAX
    ]


def test_a_newer_symbol_is_noticed():
    assert too_new("0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.36) arc4random")
    assert too_new("0000000000000000      DO *UND*  0000000000000000  GLIBC_2.35  _dl_find_object")
    assert not too_new("0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.34) dladdr\n"
                       "0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.2.5) free")


def test_binary_needs_no_newer_glibc_than_lambda_has(binary):
    symbols = objdump("-T", binary)
    assert "GLIBC_2." in symbols
    assert too_new(symbols) == []


def test_binary_loads_nothing_but_glibc(binary):
    needed = set(re.findall(r"NEEDED\s+(\S+)", objdump("-p", binary)))
    assert needed and needed <= GLIBC_PARTS


def test_binary_tells_nothing_of_the_machine_that_built_it(binary, pytestconfig):
    repository = str(pytestconfig.rootpath.parent).encode()
    assert repository not in binary.read_bytes()


def symbols(path):
    return subprocess.run(["nm", "-C", path], check=True, capture_output=True, text=True).stdout


def test_no_planted_defect_is_in_what_ships(binary, pytestconfig):
    """The defects of core/mutant.h live in a test program only, where they can be seen."""
    build = pytestconfig.rootpath.parent / "build"
    assert "active_mutant" in symbols(build / "dev/lab_mutants")
    for room in ("core", "fleet", "stores"):
        library = symbols(build / f"release/src/{room}/libsg_{room}.a")
        assert "switchgear::" in library and "active_mutant" not in library
    assert "SWITCHGEAR_MUTANTS" not in (build / "release/build.ninja").read_text(encoding="utf-8")
    assert b"SWITCHGEAR_MUTANT" not in binary.read_bytes()
