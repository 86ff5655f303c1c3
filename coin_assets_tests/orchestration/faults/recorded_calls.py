"""File operations of a process, recorded by strace, and what a crash leaves of them.

A crash image is what a disk may hold after power loss at some moment: data of a file is there if
the file was synced after it was written (fsync(2)), a name if its folder was synced after it
changed.
``keeps_names`` is the other order that file systems allow: names reach the disk before data
(ext4 without auto_da_alloc), so a renamed file that was never synced is empty.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = (
    "openat,open,creat,write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,mkdir,"
    "mkdirat,unlink,unlinkat,rmdir,ftruncate,link,linkat,symlink"
)
_UNFINISHED, _RESUMED = " <unfinished ...>", re.compile(r"<\.\.\. \w+ resumed>")
_FILE = re.compile(r"^\d+<(.*?)>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Operation:
    """One successful call below the recorded folder; paths are relative to it."""

    call: str
    path: str
    other: str = ""
    data: bytes = b""
    truncates: bool = False
    creates: bool = False


def record(command: list[str], folder: Path, log: Path, **options: object) -> list[Operation]:
    """Operations below ``folder`` of a command, in order."""
    words = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-y",
        "-xx",
        "-s",
        "100000000",
        "-e",
        f"trace={_CALLS}",
    ]
    words += ["-e", "signal=none", "-o", str(log), *command]
    subprocess.run(words, check=True, **options)  # type: ignore[call-overload]
    return list(_operations(_whole_lines(log.read_text().splitlines()), f"{folder}/"))


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """Calls without the number of their thread; those that another one interrupted as one."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith(_UNFINISHED):
            begun[thread] = text.removesuffix(_UNFINISHED)
        elif found := _RESUMED.match(text):
            yield begun.pop(thread, "") + text[found.end() :]
        else:
            yield text


def _operations(lines: Iterable[str], folder: str) -> Iterator[Operation]:
    for line in lines:
        call, _, rest = line.partition("(")
        if " = -1 " in line or ") = ?" in line or not rest:
            continue
        texts = [_bytes(each) for each in _TEXT.findall(rest)]
        file = _FILE.match(rest)
        if call in ("openat", "open", "creat"):
            path, flags = texts[0].decode(), rest.rpartition('"')[2]
            if path.startswith(folder) and ("O_CREAT" in flags or "O_TRUNC" in flags):
                yield Operation(
                    "open",
                    path.removeprefix(folder),
                    truncates="O_TRUNC" in flags,
                    creates="O_CREAT" in flags,
                )
        elif call in ("write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate"):
            path = _bytes(file[1]).decode() if file else ""
            if path.startswith(folder) or f"{path}/" == folder:
                kind = "sync" if call in ("fsync", "fdatasync") else call
                yield Operation(kind, path[len(folder) :], data=b"".join(texts[:1]))
        elif texts[0].decode(errors="replace").startswith(folder):
            paths = [text.decode().removeprefix(folder) for text in texts]
            name, other = call.removesuffix("at2").removesuffix("at"), paths[1:2]
            yield Operation(name, paths[0], "".join(other))


def _bytes(text: str) -> bytes:
    """Text as strace -xx prints it; -y prints paths of descriptors plainly."""
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


@dataclass
class _File:
    data: bytes = b""
    durable: bytes = b""


@dataclass
class Disk:
    """A folder after each operation: what programs see, and what a crash leaves."""

    names: dict[str, _File] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    durable_names: dict[str, _File] = field(default_factory=dict)
    durable_folders: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, folder: Path) -> "Disk":
        """A folder that was synced."""
        disk = cls()
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_dir():
                disk.folders.add(name)
            else:
                content = path.read_bytes()
                disk.names[name] = _File(content, content)
        disk.durable_names, disk.durable_folders = dict(disk.names), set(disk.folders)
        return disk

    def apply(self, each: Operation) -> None:
        """Let one operation happen."""
        if each.call == "open":
            if each.path not in self.names:
                self.names[each.path] = _File()
            elif each.truncates:
                self.names[each.path].data = b""
        elif each.call == "write":
            self.names[each.path].data += each.data
        elif each.call == "sync":
            if each.path in self.names:
                self.names[each.path].durable = self.names[each.path].data
            else:
                self._sync_folder(each.path)
        elif each.call == "rename":
            self._rename(each.path, each.other)
        elif each.call == "link":
            self.names[each.other] = self.names[each.path]
        elif each.call == "mkdir":
            self.folders.add(each.path)
        elif each.call == "unlink":
            self.names.pop(each.path, None)
        else:
            raise NotImplementedError(f"{each.call} of {each.path}: say what a crash leaves of it")

    def _rename(self, path: str, other: str) -> None:
        if path in self.names:
            self.names[other] = self.names.pop(path)
            return
        # A folder keeps its entries, and those that were synced, under any name.
        inside = f"{path}/"
        for name in [name for name in self.names if name.startswith(inside)]:
            self.names[other + name[len(path) :]] = self.names.pop(name)
        for name in [name for name in self.durable_names if name.startswith(inside)]:
            self.durable_names[other + name[len(path) :]] = self.durable_names[name]
        for name in [name for name in self.folders if name == path or name.startswith(inside)]:
            self.folders.remove(name)
            self.folders.add(other + name[len(path) :])

    def _sync_folder(self, folder: str) -> None:
        kept = {name: file for name, file in self.durable_names.items() if _parent(name) != folder}
        inside = {name: file for name, file in self.names.items() if _parent(name) == folder}
        self.durable_names = kept | inside
        others = {each for each in self.durable_folders if _parent(each) != folder}
        self.durable_folders = others | {each for each in self.folders if _parent(each) == folder}

    def image(self, *, keeps_names: bool) -> dict[str, bytes]:
        """Files after a crash now."""
        if keeps_names:
            return {name: file.durable for name, file in self.names.items()}
        return {
            name: file.durable
            for name, file in self.durable_names.items()
            if all(parent in self.durable_folders for parent in _parents(name))
        }


def write_image(image: dict[str, bytes], folder: Path) -> None:
    """Make a folder of an image."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in image.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _parents(name: str) -> Iterator[str]:
    while name := _parent(name):
        yield name
