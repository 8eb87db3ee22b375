"""What the benchmark measures by default, at two sizes."""

from typing import NamedTuple

GROUPS = ("floor", "training", "inference", "growth", "loader", "compile")


class Settings(NamedTuple):
    """Sizes of the cases.

    Attributes:
      width, coords, num_directions, dtype: of the models.
      batches, frames, joints: of the encoder's cases, every combination; frames are rounded up to
        multiples of 8.
      pairs, clips: of the pre-training and the fine-tuning step, with the first frames and joints.
      inference_batches: sequences encoded at once.
      growth: values of each axis along which time grows; the first is the unit.
      formulations: of the convolution over time, see `models.temporal`; all are run in turn.
      rounds: of alternated runs; each figure is their median.
      matrix: rows of the matrices, and copied: bytes, by which the machine's peaks are measured.
      rivals: run PyTorch where it is installed.
    """

    width: float
    coords: int
    num_directions: int
    dtype: str
    batches: tuple[int, ...]
    frames: tuple[int, ...]
    joints: tuple[int, ...]
    pairs: int
    clips: int
    inference_batches: tuple[int, ...]
    growth: dict[str, tuple[int, ...]]
    formulations: tuple[str, ...]
    rounds: int
    matrix: int
    copied: int
    rivals: bool


SIZES = {
    "full": Settings(
        width=1.0,
        coords=2,
        num_directions=32,
        dtype="float32",
        batches=(8,),
        frames=(64, 128, 300),
        joints=(17,),
        pairs=4,
        clips=8,
        inference_batches=(1, 64),
        growth={
            "frames": (32, 64, 128),
            "batch": (4, 8, 16),
            "joints": (17, 25),
            "num_directions": (8, 32, 128),
        },
        formulations=("auto",),
        rounds=7,
        matrix=2048,
        copied=2**28,
        rivals=True,
    ),
    "small": Settings(
        width=1 / 16,
        coords=2,
        num_directions=4,
        dtype="float32",
        batches=(2,),
        frames=(16,),
        joints=(5,),
        pairs=2,
        clips=2,
        inference_batches=(1, 4),
        growth={"frames": (16, 32), "num_directions": (2, 8)},
        formulations=("auto",),
        rounds=2,
        matrix=128,
        copied=2**20,
        rivals=True,
    ),
}
