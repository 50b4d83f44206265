"""The Containerfile says the same as the builder that needs no engine."""

import json
import re
from pathlib import Path

from tests.image.conftest import ROOT, Built
from tools.image.debian import WANTED
from tools.image.source import PARTS, SINGLE

TEXT = (ROOT / "Containerfile").read_text()
FINAL = TEXT.rpartition("FROM ")[2]


def instruction(name: str) -> str:
    """The one instruction of that name in the stage that becomes the image."""
    (found,) = re.findall(rf"^{name} (.*)$", FINAL, re.M)
    return str(found)


def test_both_start_the_same_in_the_same_place(built: Built) -> None:
    config = built.config()["config"]
    names = [Path(word).name for word in config["Entrypoint"]]
    assert json.loads(instruction("ENTRYPOINT")) == names
    assert json.loads(instruction("CMD")) == config["Cmd"]
    assert instruction("USER") == config["User"]
    assert instruction("WORKDIR") == config["WorkingDir"]
    assert set(instruction("ENV").split()) <= set(config["Env"])


def test_both_install_the_same_debian_packages() -> None:
    found = re.search(r"--no-install-recommends \\\n(.*?) \\\n", FINAL)
    assert found is not None
    assert set(found.group(1).split()) == set(WANTED)


def test_both_install_the_same_files_of_the_checkout() -> None:
    copied = re.findall(r"^COPY (.*) /source/", TEXT, re.M)
    names = {name for line in copied for name in line.split()}
    assert names - {".ci/constraints.txt"} == {*(part.rstrip("/") for part in PARTS), *SINGLE}


def test_both_say_the_same_of_what_it_is(built: Built) -> None:
    labels = built.config()["config"]["Labels"]
    said = dict(re.findall(r'(org\.opencontainers\.image\.\w+)="([^"]*)"', FINAL))
    assert said
    assert said.items() <= labels.items()
