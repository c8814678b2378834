"""The api in a notebook: a real Jupyter kernel, its output, its errors and its interrupts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

SECONDS = 240


class Notebook:
    """A kernel, and what its cells have put out."""

    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def run(self, code: str, interrupt_at: str = "") -> dict[str, str]:
        """Run a cell; return its stdout, stderr and traceback without colours.

        The kernel is interrupted once its output has `interrupt_at`.
        """
        asked = self.client.execute(code)
        told = {"stdout": "", "stderr": "", "error": ""}
        end = time.monotonic() + SECONDS
        while True:
            message = self.client.get_iopub_msg(timeout=max(end - time.monotonic(), 0.1))
            if message["parent_header"].get("msg_id") != asked:
                continue
            content: Any = message["content"]
            if message["msg_type"] == "stream":
                told[content["name"]] += content["text"]
            elif message["msg_type"] == "error":
                told["error"] = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(content["traceback"]))
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return told
            if interrupt_at and interrupt_at in told["stdout"]:
                interrupt_at = ""
                self.manager.interrupt_kernel()

    def stop(self) -> None:
        self.run("manager.stop()")
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    notebook = Notebook()
    told = notebook.run(
        "from parallelflow import api\n"
        "from parallelflow.engine_manager import get_manager\n"
        "manager = get_manager()\n"
        "manager.configure(profile='notebook', engines=2)\n"
        "print(api.parallel_map(abs, [-1]))\n"
        "print(api.parallel_map(abs, [-2]))"
    )
    assert told["stdout"] == "[1]\n[2]\n" and not told["error"]
    line = "no engine runs in the profile 'notebook': computing in this process"
    assert told["stderr"].count(line) == 1
    told = notebook.run("client = api.get_client(); print(len(client.ids))")
    assert told["stdout"] == "2\n"
    assert "no engine runs in the profile 'notebook': starting 2 engines" in told["stderr"]
    yield notebook
    notebook.stop()


def test_an_error_shows_where_it_was_raised_on_the_engine(notebook: Notebook) -> None:
    told = notebook.run(
        "def invert(x):\n"
        "    return 1 / x\n"
        "def outer(x):\n"
        "    return invert(x - 2)\n"
        "api.parallel_map(outer, range(5))"
    )
    text = told["error"]
    remote, _, rest = text.partition("The above exception was the direct cause")
    assert "RemoteTraceback" in remote and "line 4, in outer" in remote
    assert "line 2, in invert" in remote and "return 1 / x" in remote
    assert "Element 2 of 5, (2,), failed on engine" in rest
    assert text.rstrip().endswith("ZeroDivisionError: division by zero")


def test_the_source_of_a_cells_function_is_found(notebook: Notebook) -> None:
    told = notebook.run(
        "import inspect\n"
        "def own(x):\n"
        "    return inspect.getsource(own)\n"
        "print(api.parallel_map(own, [1]) == [own(1)], own(1))"
    )
    assert told["stdout"].startswith("True def own(x):\n"), told


def test_output_is_shown_in_the_cell_in_order(notebook: Notebook) -> None:
    told = notebook.run(
        "import sys\n"
        "def talk(i):\n"
        "    print('element', i)\n"
        "    print('warned', i, file=sys.stderr)\n"
        "_ = api.parallel_map(talk, range(6))"
    )
    assert told["stdout"] == "".join(f"element {i}\n" for i in range(6))
    assert told["stderr"] == "".join(f"warned {i}\n" for i in range(6))


def test_an_interrupt_ends_the_cell_and_nothing_else(notebook: Notebook) -> None:
    told = notebook.run(
        "import time\n"
        "def slow(i):\n"
        "    time.sleep(0.2)\n"
        "    return i\n"
        "for value in api.imap(slow, range(3000)):\n"
        "    print('value', value)",
        interrupt_at="value 3\n",
    )
    assert told["error"].rstrip().endswith("KeyboardInterrupt:") or (
        "KeyboardInterrupt" in told["error"].splitlines()[-1]
    )
    told = notebook.run("print(api.parallel_map(abs, range(-4, 0)), client.ids)")
    assert told["stdout"] == "[4, 3, 2, 1] [0, 1]\n"


def test_an_interrupted_cell_goes_on_from_its_checkpoint(notebook: Notebook) -> None:
    cell = (
        "def noted(i):\n"
        "    time.sleep(0.1)\n"
        "    print(f'<{i}>')\n"
        "    return i\n"
        "print(len(api.parallel_map(noted, range(3000)[:N], checkpoint='a cell')))"
    )
    told = notebook.run("import time\n" + cell.replace("N", "3000"), interrupt_at="<8>")
    assert "KeyboardInterrupt" in told["error"].splitlines()[-1]
    # On a busy machine many more may have finished before the interrupt was heard of.
    told = notebook.run(cell.replace("N", "80"))
    assert told["stdout"].endswith("\n80\n") and "<79>" in told["stdout"]
    assert "<0>" not in told["stdout"], "what had finished was kept"


def test_progress_is_a_bar(notebook: Notebook) -> None:
    told = notebook.run("x = api.parallel_map(slow, range(8), progress=True); print(x)")
    assert told["stdout"] == "[0, 1, 2, 3, 4, 5, 6, 7]\n"
    assert "slow" in told["stderr"] and "8/8" in told["stderr"]
    assert re.search(r"\b[12] engine", told["stderr"]) and "IProgress" not in told["stderr"]
