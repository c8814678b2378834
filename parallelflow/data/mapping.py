"""Files mapped into memory copy-on-write, without an open file for each.

Standard library only: engines use it as well.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
import weakref
from typing import Any

__all__ = ["map_file"]

# Linux allows a process 65 530 maps (vm.max_map_count), and its libraries need some thousand of
# them. Beyond half of that number a file's content is copied instead.
MAX_MAPS = 32_000

_count = 0
# Reentrant, since a finalizer may run while this thread holds it.
_lock = threading.RLock()


def map_file(descriptor: int, size: int) -> memoryview:
    """Return a file's first bytes as memory of this process' own.

    The pages are shared with everybody who maps the file until this process writes into one,
    which then becomes a private copy. They stay valid when the file is unlinked. They are freed
    when the last object that refers to them is.

    Parameters
    ----------
    descriptor : int
        The open file, which may be closed afterwards.
    size : int
        How many bytes, at least 1 and at most as many as the file has: touching a page beyond
        the file's end would end the process by SIGBUS.

    Returns
    -------
    memoryview
        Writable, of `size` bytes.

    Raises
    ------
    OSError
        If the system cannot map it.
    """
    if _count >= MAX_MAPS:
        return _copy(descriptor, size)
    if sys.version_info >= (3, 13):
        # Python keeps an open duplicate of the file for each map unless it is told not to.
        mapped: Any = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False)
    else:
        mapped = _map_with_libc(descriptor, size)
    _count_map(mapped)
    return memoryview(mapped).cast("B")


def _copy(descriptor: int, size: int) -> memoryview:
    """Return a file's first bytes in memory that no file stands behind."""
    content = memoryview(bytearray(size))
    done = 0
    while done < size:
        count = os.preadv(descriptor, [content[done:]], done)
        if not count:
            raise OSError("the file is shorter than it was said to be")
        done += count
    return content


def _map_with_libc(descriptor: int, size: int) -> Any:
    """Map by the C library: before Python 3.13 the module mmap keeps each file open."""
    library = _library()
    address = library.mmap(
        None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, descriptor, 0
    )
    if address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    array = (ctypes.c_char * size).from_address(address)
    weakref.finalize(array, library.munmap, address, size).atexit = False
    return array


def _library() -> Any:
    global _libc
    if _libc is None:
        library = ctypes.CDLL(None, use_errno=True)
        library.mmap.restype = ctypes.c_void_p
        library.mmap.argtypes = [
            ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
            ctypes.c_int64,
        ]  # fmt: skip
        library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        _libc = library
    return _libc


_libc: Any = None


def _count_map(mapped: Any) -> None:
    global _count
    with _lock:
        _count += 1
    weakref.finalize(mapped, _uncount_map).atexit = False


def _uncount_map() -> None:
    global _count
    with _lock:
        _count -= 1
