"""What the pages of docs/ tell a reader to type works as it stands there, in the order in which it
stands there: each line of a ```sh block by a shell, in a folder whose switchgear.yaml holds what
the page's ```yaml blocks say. Only addresses are replaced, by those of the test's servers.
"""

import os
import re
import subprocess

import pytest

import peers

# By page: what is written there, and the fixture whose server is meant by it.
PAGES = {
    "dynamodb.md": {},
    "controller.md": {},
    "templates.md": {},
}
# Pages whose commands are run where their servers are.
ELSEWHERE = {"powertools.md"}  # tests/powertools


def blocks(page, language):
    text = (peers.REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_no_page_has_commands_that_are_not_run():
    pages = {path.name for path in (peers.REPOSITORY / "docs").glob("*.md")
             if blocks(path.name, "sh") or blocks(path.name, "bash")}
    assert pages == set(PAGES) | ELSEWHERE


def test_the_rights_of_a_redis_user_are_those_that_the_store_names():
    header = (peers.REPOSITORY / "src/stores/redis_store.h").read_text(encoding="utf-8")
    constant = re.search(r"kRedisAclRule =(.*?);", header, re.S).group(1)
    rule = "".join(re.findall(r'"([^"]*)"', constant))
    page = (peers.REPOSITORY / "docs/redis.md").read_text(encoding="utf-8")
    assert f"\nACL SETUSER switchgear on >PASSWORD {rule}\n" in page


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_is_written(page, tmp_path, binary, ministack, request):
    ministack.reset()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/switchgear").symlink_to(binary)
    environment = peers.clean_environment(**ministack.environ)
    environment["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    def of_servers(text):
        for written, fixture in PAGES[page].items():
            text = text.replace(written, request.getfixturevalue(fixture).url)
        return text

    configuration = "".join(blocks(page, "yaml"))
    (tmp_path / "switchgear.yaml").write_text(of_servers(configuration), encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]
    assert lines
    for line in lines:
        done = subprocess.run(["sh", "-c", of_servers(line)], cwd=tmp_path, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
