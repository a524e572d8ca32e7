# SPDX-License-Identifier: Apache-2.0
"""The simulated plant is kept in a file, so that it goes on where it stood when its process is started again."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from isthmus.app.demo.chemical.plant import Memory, Plant
from isthmus.core.errors import Damaged

_OURS: Final = ("isthmus.app.demo.chemical.", "isthmus.app.demo.pieces.", "isthmus.core.tag")
_THEIRS: Final = frozenset({
    ("numpy", "dtype"), ("numpy", "ndarray"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"), ("numpy._core.multiarray", "scalar"),
    ("numpy.random._pcg64", "PCG64"), ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._pickle", "__generator_ctor"), ("numpy.random.bit_generator", "SeedSequence"),
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
})  # fmt: skip
"""What else a plant is made of; a file that names anything beyond is not one of ours."""


def write(plant: Plant, path: Path) -> None:
    """Puts the plant's present state into place of what the file had; readers see one or the other."""
    body = pickle.dumps(plant.remember(), protocol=5)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(_model() + hashlib.sha256(body).digest() + body)
    temporary.replace(path)


def read(plant: Plant, path: Path) -> bool:
    """Has `plant` go on from the file; False when there is none, or one of a plant of another make.

    Raises Damaged when the file is not what was written.
    """
    try:
        kept = path.read_bytes()
    except FileNotFoundError:
        return False
    model, digest, body = kept[:32], kept[32:64], kept[64:]
    if model != _model():
        return False
    if hashlib.sha256(body).digest() != digest:
        raise Damaged("is not what was written", where=str(path))
    try:
        memory = _Reading(io.BytesIO(body)).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError, EOFError) as error:
        raise Damaged(f"does not hold a plant: {error}", where=str(path)) from error
    if not isinstance(memory, Memory):
        raise Damaged("does not hold a plant", where=str(path))
    plant.take_up(memory)
    return True


class _Reading(pickle.Unpickler):
    """Reads what a plant is made of, and nothing that could do anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _THEIRS:
            return super().find_class(module, name)
        if module.startswith(_OURS) and isinstance(found := super().find_class(module, name), type):
            return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a plant")


def _model() -> bytes:
    """32 bytes that change with the plant's own code: a state is of use to the code it came from only."""
    digest = hashlib.sha256()
    for package in ("isthmus.app.demo.chemical", "isthmus.app.demo.pieces"):
        for file in sorted(files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                digest.update(file.read_bytes())
    return digest.digest()
