"""Two Unix users of one group with a remote in a folder and a shared cache, set up as docs/sharing.md says."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from laboratories import PROJECT_FILES, REPOSITORY, Laboratory, surroundings

USERS, GROUP = (64201, 64202), 64200  # no accounts are needed for what the file system decides
PAGE = REPOSITORY / "docs/sharing.md"


@pytest.fixture
def place():
    """A folder that other users can enter, unlike pytest's; with what they need of this project."""
    if os.geteuid() != 0:
        pytest.skip("only root can become two users")
    folder = Path(tempfile.mkdtemp(prefix="atlas-users-"))
    folder.chmod(0o755)
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("remote", "cache", "hub"):
        (folder / name).mkdir()
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--shared=group", "-b", "main", folder / "hub"], check=True
    )
    for path in [folder / "hub", *(folder / "hub").rglob("*"), folder / "remote", folder / "cache"]:
        os.chown(path, 0, GROUP)
        path.chmod(path.stat().st_mode | (0o2070 if path.is_dir() else 0o060))
    python = os.environ.get("TRANSFER_ATLAS_PYTHON_OF_ALL", sys.executable)
    try:
        yield folder, python
    finally:
        shutil.rmtree(folder)


class User(Laboratory):
    """A laboratory whose commands are those of a user, with the umask of most systems."""

    def __init__(self, place: Path, python: str, user: int) -> None:
        home = place / f"user{user}"
        home.mkdir()
        (home / ".gitconfig").write_text("[safe]\n    directory = *\n", encoding="utf-8")  # the hub is root's
        os.chown(home, user, GROUP)
        super().__init__(home)
        self.user, self.python, self.home, self.library = user, python, home, place / "src"

    def call(self, *command: str, status: int = 0) -> str:
        environment = surroundings() | {
            "HOME": str(self.home),
            "USER": f"user{self.user}",
            "PYTHONPATH": os.pathsep.join(
                [str(self.library), *(path for path in sys.path if "site-packages" in path)]
            ),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [self.python if part == sys.executable else part for part in command],
            cwd=self.folder,
            env=environment,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            user=self.user,
            group=GROUP,
            extra_groups=[],
            umask=0o022,
        )
        assert done.returncode == status, " ".join(command) + "\n" + done.stdout + done.stderr
        return done.stdout + done.stderr

    def sharing(self, *arguments: str, status: int = 0) -> str:
        return self.call(sys.executable, "-m", "transfer_atlas.sharing", *arguments, status=status)

    def own(self) -> None:
        """What the test made in the clone becomes the user's."""
        for path in self.folder.rglob("*"):
            if path.stat(follow_symlinks=False).st_uid == 0:
                os.chown(path, self.user, GROUP, follow_symlinks=False)


def commands(heading: str) -> list[list[str]]:
    """The dvc commands of a block of the page, without comments."""
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(rf"{re.escape(heading)}.*?```sh\n(.*?)```", text, re.DOTALL)
    return [line.split("#")[0].split() for line in block.splitlines() if line.startswith("dvc ")]


def test_two_users_share_a_remote_and_a_cache(place):
    folder, python = place
    try:
        first, second = (User(folder, python, user) for user in USERS)
        first.call(sys.executable, "-c", "import dvc, transfer_atlas.sharing.__main__")
    except (AssertionError, PermissionError):
        pytest.skip("another user cannot run this Python; name one in TRANSFER_ATLAS_PYTHON_OF_ALL")
    places = {
        "/mnt/group/transfer-atlas": str(folder / "remote"),
        "/scratch/dvc-cache": str(folder / "cache"),
    }
    first.git("clone", "--quiet", str(folder / "hub"), "atlas")
    first.folder = first.folder / "atlas"
    for name in PROJECT_FILES:
        (first.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, first.folder / name)
    first.own()
    for command in [*commands("**Several users, one folder.**"), *commands("**Several users, one cache.**")]:
        first.dvc(*[places.get(part, part) for part in command[1:]])
    source = first.run("source", "meadow", files={"model.safetensors": b"weights"})
    first.own()
    first.commit("The project")
    first.git("push", "--quiet", "--set-upstream", "origin", "HEAD:main")
    assert "git: pushed" in first.sharing("publish")

    second.git("clone", "--quiet", str(folder / "hub"), "atlas")
    second.folder = second.folder / "atlas"
    for command in commands("**Several users, one cache.**"):
        second.dvc(*[places.get(part, part) for part in command[1:]])
    assert "pulled 1 of 1 runs" in second.sharing("pull")
    assert (second.folder / source / "model.safetensors").read_bytes() == b"weights"
    assert "1 whole, 0 refused" in second.sharing("verify")
    second.run("source", "street", files={"model.safetensors": b"others"})
    second.own()
    assert "git: pushed" in second.sharing("publish")
    first.git("pull", "--quiet")
    assert "pulled 1 of 1 runs" in first.sharing("pull")
    assert first.dvc("status").strip() == "Data and pipelines are up to date."
    owners = {path.stat().st_uid for path in (folder / "remote").rglob("*") if path.is_file()}
    assert owners == set(USERS), "both put their data there"
