"""Blobs in a folder."""

from __future__ import annotations

import hashlib
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from common import blobs
from common.blobs import BlobMissing, FolderBlobs


@pytest.fixture
def store(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def _files(store: FolderBlobs) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00\xff" * 100_000])
def test_what_is_put_is_got(store: FolderBlobs, content: bytes) -> None:
    key = store.put(content)

    assert key == hashlib.sha256(content).hexdigest()
    assert store.get(key) == content
    assert (store.root / key[:2] / key).read_bytes() == content


def test_the_same_bytes_are_stored_once(store: FolderBlobs) -> None:
    assert store.put(b"hello") == store.put(b"hello")
    assert len(_files(store)) == 1


def test_putting_again_renews_the_age(store: FolderBlobs) -> None:
    key = store.put(b"hello")
    os.utime(store.root / key[:2] / key, (0, 0))
    assert list(store.older_than(timedelta(days=1))) == [key]

    store.put(b"hello")

    assert list(store.older_than(timedelta(days=1))) == []


def test_a_deleted_blob_is_missing_and_may_be_deleted_again(store: FolderBlobs) -> None:
    key = store.put(b"hello")

    store.delete_unless_renewed(key, timedelta(0))
    store.delete_unless_renewed(key, timedelta(0))

    with pytest.raises(BlobMissing):
        store.get(key)


@pytest.mark.parametrize(
    "key", ["", "../../etc/passwd", "a" * 63, "a" * 65, "g" * 64, "A" * 64, "../" + "a" * 61, "\u0661" * 64]
)
def test_a_key_is_a_hash_and_never_a_path(store: FolderBlobs, key: str) -> None:
    with pytest.raises(BlobMissing):
        store.get(key)
    with pytest.raises(BlobMissing):
        store.delete_unless_renewed(key, timedelta(0))


def test_a_failed_write_leaves_nothing(store: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("common.blobs.os.fsync", full)

    with pytest.raises(OSError, match="No space left"):
        store.put(b"hello")

    assert _files(store) == []


def test_the_file_and_its_folder_are_flushed_before_put_returns(
    store: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    real = os.fsync

    def watch(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").is_dir())
        real(descriptor)

    monkeypatch.setattr("common.blobs.os.fsync", watch)

    store.put(b"hello")

    assert flushed == [False, True]


def test_unfinished_files_are_not_listed(store: FolderBlobs) -> None:
    key = store.put(b"hello")
    (store.root / key[:2] / ".new-abc").write_bytes(b"half")
    for path in store.root.rglob("*"):
        os.utime(path, (0, 0))

    assert list(store.older_than(timedelta(0))) == [key]


def test_writers_of_the_same_bytes_do_not_disturb_each_other(store: FolderBlobs) -> None:
    content = b"x" * 200_000
    together = threading.Barrier(8)
    keys: list[str] = []

    def put() -> None:
        together.wait(timeout=10)
        keys.append(store.put(content))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert store.get(keys[0]) == content
    assert _files(store) == [keys[0]]


def test_check_creates_the_folder_and_leaves_no_file(store: FolderBlobs) -> None:
    store.check()

    assert store.root.is_dir()
    assert _files(store) == []


def test_the_store_of_this_installation(settings: object, tmp_path: Path) -> None:
    settings.BLOB_DIR = tmp_path / "here"  # type: ignore[attr-defined]

    assert blobs.store().root == tmp_path / "here"
    assert blobs.store() is blobs.store()


def test_the_leftovers_of_interrupted_writes_are_removed(store: FolderBlobs) -> None:
    key = store.put(b"hello")
    old, young = store.root / key[:2] / ".new-old", store.root / key[:2] / ".new-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    store.remove_leftovers(timedelta(days=1))

    assert not old.exists()
    assert young.exists()
    assert store.get(key) == b"hello"
