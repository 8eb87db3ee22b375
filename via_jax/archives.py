"""Zip archives of arrays (.npz) by anybody: what they would unpack to is known before it is."""

import math
import os
import zipfile
from typing import BinaryIO

import numpy as np

# Poses hardly shrink by half, masks and constants a thousandfold: small files may be anything.
TIMES, ALWAYS = 20, 2**26
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_unpacked_size(file: BinaryIO) -> None:
    """Passes an archive whose members unpack to at most 64 MiB, or 20 times its size.

    zipfile gives no more of a member than the directory says; what lies beyond is never unpacked.

    Raises:
      ValueError: it would unpack to more. zipfile.BadZipFile: it is no zip archive.
    """
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    limit = max(ALWAYS, TIMES * size)
    if unpacked > limit:
        raise ValueError(f"{size} bytes that unpack to {unpacked}, more than {limit}")
    file.seek(0)


def check_arrays(file: BinaryIO) -> None:
    """Passes an .npz that `np.load` reads without taking memory for what is not there.

    Members of another form than .npy are left to the caller.

    Raises:
      ValueError: an array declares other bytes than it has, or objects; see also
        `check_unpacked_size`. zipfile.BadZipFile: no zip archive. A damaged header raises what
        NumPy's parser stumbles on.
    """
    check_unpacked_size(file)
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            with archive.open(member) as opened:
                if opened.read(6) != b"\x93NUMPY":
                    continue
                read_header = _HEADERS.get((opened.read(1)[0], opened.read(1)[0]))
                if read_header is None:
                    raise ValueError(f"{member.filename} in an unknown npy format")
                shape, _, dtype = read_header(opened)
                held = member.file_size - opened.tell()
                if dtype.hasobject:
                    raise ValueError(f"{member.filename} holds objects, not numbers")
                if math.prod(shape) * dtype.itemsize != held:
                    raise ValueError(f"{member.filename} is {dtype} {shape} in {held} bytes")
    file.seek(0)
