"""Damages a vistrail in many ways and runs each: ``python -m tests.cli.damage CASES FOLDER``.

It prints a JSON list of [name, exit code, stdout, stderr], one for each damaged file. All are run
in this process, as the command would run them.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from parallelflow.cli.command import main

#: The same files each time; of each kind as many, so that all kinds and their mixtures occur.
SEED = 10
OF_EACH_KIND = 6
#: Versions in the file that is damaged, which is read for each of them.
OF_VERSIONS = 3

Damage = Callable[[random.Random, ET.Element, list[ET.Element]], None]

NO_IDS = ["abc", "-1", "", "9" * 30, "1.5", "nan"]
NO_VALUES = ["", "x", "-1", "\u00e9", "99999", ":", " "]


def _with_attribute(choose: random.Random, actions: list[ET.Element]) -> tuple[ET.Element, str]:
    element = choose.choice([e for a in actions for e in a.iter() if e.attrib])
    return element, choose.choice(sorted(element.attrib))


def _remove_action(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    root.remove(choose.choice(actions))


def _other_parent(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    action, other = choose.sample(actions, 2)
    action.set("prevId", choose.choice([action.get("id", ""), other.get("id", ""), *NO_IDS]))


def _circle(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    one, other = choose.sample(actions, 2)
    one.set("prevId", other.get("id", ""))
    other.set("prevId", one.get("id", ""))


def _same_id(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    one, other = choose.sample(actions, 2)
    one.set("id", other.get("id", ""))


def _no_id(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    with_id = [e for action in actions for e in action.iter() if "id" in e.attrib]
    choose.choice(with_id).set("id", choose.choice(NO_IDS))


def _no_attribute(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    element, name = _with_attribute(choose, actions)
    del element.attrib[name]


def _other_value(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    element, name = _with_attribute(choose, actions)
    element.set(name, choose.choice(NO_VALUES))


def _no_element(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    parent = choose.choice([e for action in actions for e in action.iter() if len(e)])
    parent.remove(choose.choice(list(parent)))


def _other_order(choose: random.Random, root: ET.Element, actions: list[ET.Element]) -> None:
    parent = choose.choice([root, *(a for a in actions if len(a) > 1)])
    children = list(parent)
    choose.shuffle(children)
    parent[:] = children


OF_TREES: tuple[Damage, ...] = (
    _remove_action,
    _other_parent,
    _circle,
    _same_id,
    _no_id,
    _no_attribute,
    _other_value,
    _no_element,
    _other_order,
)


def damaged_trees(tree: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield version trees with damage to the actions that the latest version is made of."""
    choose = random.Random(SEED)
    for damage in OF_TREES:
        for number in range(OF_EACH_KIND):
            root = ET.fromstring(tree)
            damage(choose, root, _actions_of_latest(root))
            yield f"{damage.__name__}-{number}", ET.tostring(root)


def with_few_versions(tree: bytes) -> bytes:
    """Return a version tree with the latest version and two others: each file is read whole."""
    root = ET.fromstring(tree)
    tags = {tag.get("actionId", ""): tag for tag in root.findall("actionAnnotation")}
    kept = sorted(tags, key=int)[-OF_VERSIONS:]
    actions = {id(action) for number in kept for action in _actions_of(root, number)}
    for action in root.findall("action"):
        if id(action) not in actions:
            root.remove(action)
    for number in tags.keys() - set(kept):
        root.remove(tags[number])
    return ET.tostring(root)


def _actions_of_latest(root: ET.Element) -> list[ET.Element]:
    return _actions_of(root, max((a.get("id", "") for a in root.findall("action")), key=int))


def _actions_of(root: ET.Element, number: str) -> list[ET.Element]:
    actions = {action.get("id", ""): action for action in root.findall("action")}
    found = []
    while number in actions:
        found.append(actions[number])
        number = actions[number].get("prevId", "")
    return found


def other_texts(tree: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield version trees that are cut, in another encoding, or of another schema."""
    for part in (0, 1, 2, 3, 5, 7, 9):
        yield f"cut-{part}", tree[: len(tree) * part // 10]
    yield "utf-16", ET.tostring(ET.fromstring(tree), "utf-16")
    begin = tree.index(b"<vistrail")
    for encoding in ("utf-16", "ascii", "no-such-encoding"):
        declared = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
        yield f"declared-{encoding}", declared + tree[begin:].replace(b"name=", b"n\xe9me=", 1)
    yield "latin-1", tree.replace(b"name=", b"n\xe9me=", 3)
    yield "zeros", tree.replace(b"e", b"\x00")
    yield "mark", b"\xef\xbb\xbf" + tree
    for version in ("9.9.9", "", "1.0", "abc", "1.0.4.5", "0.0.0", "-1", "../up", "1.0.4\x7f"):
        root = ET.fromstring(tree)
        root.set("version", version)
        yield f"version-{version}", ET.tostring(root)
    root = ET.fromstring(tree)
    del root.attrib["version"]
    yield "no-version", ET.tostring(root)


def run(path: Path) -> tuple[object, str, str]:
    """Return the exit code of ``parallelflow run``, or what it raised, and what it wrote."""
    out, err = io.StringIO(), io.StringIO()
    code: object
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(["run", str(path)])
        except BaseException:
            code = traceback.format_exc()
    return code, out.getvalue(), err.getvalue()


def run_all(cases: Path, folder: Path) -> list[list[object]]:
    """Run the whole file, every damaged one, and archives that are cut."""
    with zipfile.ZipFile(cases) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    tree = members["vistrail"] = with_few_versions(members["vistrail"])
    results: list[list[object]] = []
    path = folder / "damaged.vt"
    for name, text in [("whole", tree), *damaged_trees(tree), *other_texts(tree)]:
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, text if member == "vistrail" else data)
        results.append([name, *run(path)])
    whole = cases.read_bytes()
    for part in range(1, 10, 2):
        path.write_bytes(whole[: len(whole) * part // 10])
        results.append([f"archive-cut-{part}", *run(path)])
    return results


if __name__ == "__main__":
    results = run_all(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps(results))
