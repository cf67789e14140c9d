"""What the documents say about variables and commands is so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`|-) \| (\S.*) \|$", re.MULTILINE)
_PRINT_DECLARED = "import json, inkbox_site.settings; from common import env; print(json.dumps(env.DECLARED))"


def _declared(tmp_path: Path) -> dict[str, str]:
    """Variables and defaults as the settings read them without any variable set."""
    clean = {"PATH": os.environ["PATH"], "INKBOX_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_DECLARED], cwd=REPOSITORY, env=clean, capture_output=True, text=True, check=True
    )
    declared: dict[str, str] = json.loads(done.stdout)
    return declared


def test_every_variable_is_documented_with_its_default(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs/configuration.md").read_text()
    documented = {name: default for name, default, _ in _ROW.findall(text)}

    assert documented == _declared(tmp_path)


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]
    broken = [
        f"{page.relative_to(REPOSITORY)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_the_readme_says_who_this_is_not_and_how_to_test() -> None:
    text = (REPOSITORY / "README.md").read_text()

    assert "independent of, and not affiliated with, Inkbox or AgentPost" in text
    assert "make test" in text
    assert "make test" in (REPOSITORY / ".ci/run").read_text()


def test_every_app_is_in_the_image() -> None:
    listed = set(re.findall(r"^!(\w+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE))
    packages = {init.parent.name for init in REPOSITORY.glob("*/__init__.py")} - {"tests"}

    assert packages <= listed
