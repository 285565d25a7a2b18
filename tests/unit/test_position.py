"""The position file: what it holds, what it refuses, and that no kill leaves it in pieces."""

from __future__ import annotations

import errno
import os
import random
import stat
import threading
from pathlib import Path
from typing import Callable

import pytest

from sse_client import PositionFile
from tests.integration.support import TIMEOUT, child

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions, and no FIFOs in directories")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "position"


def test_what_is_written_is_read(path: Path) -> None:
    """An ID, whatever its characters, comes back in the next run; so does the empty one."""
    for last_event_id in ("1", "a b", "✓ æ 💡", "2024-01-01T00:00:00Z/7", ""):
        PositionFile(path).write(last_event_id)
        assert PositionFile(str(path)).read() == last_event_id


def test_the_file_holds_the_id_and_nothing_else(path: Path) -> None:
    """Other programs can read the file: it is the ID in UTF-8."""
    PositionFile(path).write("✓")
    assert path.read_bytes() == "✓".encode()


def test_nothing_is_left_beside_the_file(path: Path) -> None:
    """After a write there is the one file."""
    PositionFile(path).write("1")
    assert os.listdir(path.parent) == ["position"]


def test_no_file_is_no_position(path: Path) -> None:
    """Without a file, the position is the beginning."""
    assert PositionFile(path).read() == ""


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n\t"])
def test_an_empty_file_is_no_position(path: Path, content: bytes) -> None:
    """A file that is empty, or has white space only, is as good as none."""
    path.write_bytes(content)
    assert PositionFile(path).read() == ""


@pytest.mark.parametrize("content", [b"42\n", b"42\r\n", b" 42", b"\n42\n\n"])
def test_white_space_around_the_id(path: Path, content: bytes) -> None:
    """What an editor or echo puts around an ID is not part of it."""
    path.write_bytes(content)
    assert PositionFile(path).read() == "42"


def test_only_white_space_of_http_is_taken_off(path: Path) -> None:
    """A no-break space at the end belongs to the ID."""
    path.write_bytes("42\u00a0".encode())
    assert PositionFile(path).read() == "42\u00a0"


@pytest.mark.parametrize("content", [b"1\n2", b"1\r2", b"4\x002", b"\xff\xfe4\x002\x00", b"4\xe6", b"\0" * 512])
def test_a_file_that_holds_something_else(path: Path, content: bytes) -> None:
    """What cannot be an ID is refused with the name of the file, and not shown."""
    path.write_bytes(content)
    with pytest.raises(ValueError, match="does not hold a last event ID") as caught:
        PositionFile(path).read()
    assert repr(os.path.realpath(path)) in str(caught.value)
    assert type(caught.value) is ValueError


def test_what_cannot_be_an_id_is_not_written(path: Path) -> None:
    """A wrong argument is refused, and the file holds what it held."""
    position = PositionFile(path)
    position.write("1")
    for wrong in ("a\nb", "a\rb", "a\0b", "\ud800"):
        with pytest.raises(ValueError, match="last_event_id"):
            position.write(wrong)
    with pytest.raises(TypeError, match="last_event_id must be a str, not bytes"):
        position.write(b"2")  # type: ignore[arg-type]
    assert path.read_text() == "1"
    assert os.listdir(path.parent) == ["position"]


@pytest.mark.parametrize("wrong", [None, 7, b"position"])
def test_a_path_of_the_wrong_type(wrong: object) -> None:
    """A path that is none is refused at once."""
    with pytest.raises(TypeError, match=r"path must be a str or an os\.PathLike, not "):
        PositionFile(wrong)  # type: ignore[arg-type]


def test_fsync_of_the_wrong_type(path: Path) -> None:
    """Whether to wait for the disk is yes or no."""
    with pytest.raises(TypeError, match="fsync must be"):
        PositionFile(path, fsync="no")  # type: ignore[arg-type]


def test_the_id_that_was_written_last_is_not_written_again(path: Path) -> None:
    """Events without an ID of their own cost no disk: the file is left alone until the ID changes."""
    position = PositionFile(path)
    position.write("1")
    path.unlink()
    position.write("1")
    assert not path.exists()
    position.write("2")
    position.write("1")
    assert path.read_text() == "1"


def test_a_write_that_failed_is_tried_again(path: Path) -> None:
    """An ID counts as written when it is in the file, and not before."""
    position = PositionFile(path)
    path.mkdir()
    with pytest.raises(OSError, match="position"):
        position.write("1")
    path.rmdir()
    position.write("1")
    assert path.read_text() == "1"


def test_a_missing_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody makes directories unasked; the error comes at once, and names the path as it was given."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"directory of the position file does not exist: 'deeper/position'$"):
        PositionFile("deeper/position")
    (tmp_path / "deeper").mkdir()
    position = PositionFile("deeper/position")
    (tmp_path / "deeper").rmdir()
    assert position.read() == ""
    with pytest.raises(FileNotFoundError, match="position"):
        position.write("1")


@posix_only
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink(os.devnull, path)])
def test_what_is_no_file(path: Path, make: Callable[[Path], object]) -> None:
    """A FIFO, directory or device is neither read, which could block, nor replaced."""
    position = PositionFile(path)
    make(path)
    with pytest.raises(OSError, match=r"position|dev/null"):
        PositionFile(path)
    with pytest.raises(OSError, match="position"):
        position.read()
    with pytest.raises(OSError, match="position"):
        position.write("1")
    assert not path.is_file()
    assert os.listdir(path.parent) == ["position"]


@posix_only
@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "hard link", "FIFO"])
def test_what_somebody_has_planted(path: Path, kind: str) -> None:
    """A link or a FIFO at the name of the second file is removed: nothing is written to where it leads."""
    planted, victim = path.with_name("position.new"), path.with_name("victim")
    if kind != "link to nothing":
        victim.write_text("precious")
    if kind == "FIFO":
        os.mkfifo(planted)
    elif kind == "hard link":
        os.link(victim, planted)
    else:
        planted.symlink_to(victim)
    PositionFile(path).write("1")
    assert path.read_text() == "1"
    assert not path.is_symlink()
    assert not os.path.lexists(planted)
    assert victim.read_text() == "precious" if kind != "link to nothing" else not victim.exists()


@posix_only
def test_a_link_that_takes_the_place_of_the_file(path: Path) -> None:
    """A link that is there only after the object was made is neither read through nor written through."""
    position = PositionFile(path)
    victim = path.with_name("victim")
    victim.write_text("precious")
    path.symlink_to(victim)
    with pytest.raises(OSError, match="position"):
        position.read()
    position.write("1")
    assert (path.read_text(), victim.read_text()) == ("1", "precious")


@posix_only
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o666])
def test_the_permissions_stay(path: Path, mode: int) -> None:
    """The new file may be read by those who could read the old one, and by nobody else, not even for a moment."""
    path.write_text("1")
    path.chmod(mode)
    with pytest.MonkeyPatch.context() as patch:
        seen = []
        fchmod = os.fchmod
        patch.setattr(
            os, "fchmod", lambda fd, new: (seen.append(stat.S_IMODE(os.fstat(fd).st_mode) & 0o077), fchmod(fd, new))
        )
        PositionFile(path).write("2")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode), seen) == ("2", mode, [0])


@posix_only
def test_the_permissions_of_a_first_file(path: Path) -> None:
    """Without an old file, the umask decides, as for any file."""
    before = os.umask(0o027)
    try:
        PositionFile(path).write("1")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix_only
def test_a_disk_that_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the file as it was, and no second one."""
    path.write_text("1")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        PositionFile(path, fsync=True).write("2")
    assert path.read_text() == "1"
    assert os.listdir(path.parent) == ["position"]


def test_what_a_kill_has_left_does_not_matter(path: Path) -> None:
    """A second file that was not finished is not read, and is written over."""
    path.write_bytes(b"1")
    unfinished = path.with_name("position.new")
    unfinished.write_bytes(b"123456789")
    position = PositionFile(path)
    assert position.read() == "1"
    position.write("2")
    assert path.read_bytes() == b"2"
    assert not unfinished.exists()


def test_the_working_directory_may_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is taken from where the program was when it made the object."""
    monkeypatch.chdir(path.parent)
    position = PositionFile("position")
    (path.parent / "elsewhere").mkdir()
    monkeypatch.chdir(path.parent / "elsewhere")
    position.write("1")
    assert path.read_text() == "1"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_a_symbolic_link_stays_one(path: Path) -> None:
    """Through a link, the file that it leads to is replaced."""
    kept = path.parent / "kept"
    kept.mkdir()
    path.symlink_to(kept / "builds")
    PositionFile(path).write("1")
    assert path.is_symlink()
    assert (kept / "builds").read_text() == "1"


@pytest.mark.parametrize("fsync", [False, True])
def test_the_disk_is_waited_for_only_if_asked(path: Path, fsync: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fsync, the whole ID is on the disk before the file is replaced; without it, nothing is waited for."""
    seen = []
    new = path.with_name("position.new")
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(new.exists() and new.read_text()))
    PositionFile(path, fsync=fsync).write("1")
    of_the_directory = [False] if hasattr(os, "O_DIRECTORY") else []
    assert seen == (["1", *of_the_directory] if fsync else [])
    assert path.read_text() == "1"


def test_it_says_which_file_it_is(path: Path) -> None:
    """The name of the file is in its repr."""
    assert repr(PositionFile(path)) == f"PositionFile({os.path.realpath(path)!r})"


WRITER = """
import sys
from sse_client import PositionFile

position = PositionFile(sys.argv[1])
n = int(position.read() or "0")
print("from", n)
for n in range(n + 1, n + 1_000_000):
    position.write(f"{n:0200}")
    print(n)
"""


def test_a_kill_leaves_a_whole_id(path: Path) -> None:
    """Killed with -9 a dozen times while it writes as fast as it can: the ID that was written last, or the next one."""
    chance = random.Random(8)
    last = 0
    for _ in range(12):
        with child(WRITER, str(path), covered=False) as writer:
            writer.wait_for("from")
            begun = int(writer.lines[0].split()[1])
            assert begun in (last, last + 1)
            writer.wait_for(str(begun + 1))
            threading.Event().wait(chance.random() * 0.05)
            writer.process.kill()
            assert writer.process.wait(TIMEOUT) != 0
            writer.wait_for("(end of output)")
        last = int(writer.lines[-2].split()[-1])
        content = path.read_bytes()
        assert len(content) == 200
        assert int(content) in (last, last + 1)
        assert int(PositionFile(path).read()) == int(content)
