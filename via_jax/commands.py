"""What a trained model is used for, from files to files: labels, embeddings, search, retargeting.

The console command `via-jax` and the scripts of experiments/ call these functions.
"""

import csv
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from via_jax.api import load
from via_jax.checkpoints import Which, load_model
from via_jax.data import store
from via_jax.data.clip import Clip
from via_jax.data.open_clip import open_clip
from via_jax.data.tracking import fill_gaps
from via_jax.embeddings import check_path, embed, nearest, write_embeddings
from via_jax.evaluation import retargeting
from via_jax.predictions import pieces_of, write_table
from via_jax.runs import open_run


class Opening(NamedTuple):
    """How files with poses are read.

    Attributes:
      file_format, layout, max_persons, min_confidence: arguments of `open_clip`.
      image_size: (width, height) in pixels, of files that do not tell it.
      max_gap: frames that a person's or a joint's absence may last and be bridged.
    """

    file_format: str | None = None
    layout: str | None = None
    max_persons: int = 2
    min_confidence: float = 0.0
    image_size: tuple[int, int] | None = None
    max_gap: int = 10

    def clip(self, path: str) -> Clip:
        """Reads a clip; ValueError as `open_clip`. The size is taken where the file has none."""
        clip = open_clip(path, *self[:-1])
        if clip.image_size is None and clip.units == "pixels":
            clip = dataclasses.replace(clip, image_size=self.image_size)
        return fill_gaps(clip, self.max_gap)


def predict(
    checkpoint: str | Path,
    which: Which,
    paths: Sequence[str],
    out: str | Path,
    opening: Opening,
    *,
    per_person: bool,
    frames: int,
    hop: int,
    top: int,
) -> list[str]:
    """Names the action of clips; writes predictions.csv, and plots of sliding windows.

    Args:
      checkpoint, which: of a fine-tuning.
      paths: files or folders, as `open_clip` takes them.
      out: folder to write.
      opening: how they are read.
      per_person: each person alone.
      frames, hop: of sliding windows; frames 0 takes the whole clip.
      top: most probable classes in the table.

    Returns:
      A line for each piece.
    """
    model, out = load(checkpoint, which), Path(out)
    clips = [opening.clip(path) for path in paths]
    out.mkdir(parents=True, exist_ok=True)
    pieces: list = []
    predictions: list = []
    lines = []
    for number, clip in enumerate(clips):
        group = pieces_of(clip, per_person, frames, hop)
        found = model.predict([piece.clip for piece in group])
        pieces, predictions = pieces + group, predictions + found
        for piece, prediction in zip(group, found):
            who = "" if piece.person is None else f" person {piece.person}"
            best = ", ".join(f"{name} {value:.2f}" for name, value in prediction.top(top))
            lines.append(f"{piece.clip.name}{who} {piece.start}-{piece.end}: {best}")
        if frames:
            from via_jax.figures.timeline import draw_pieces

            draw_pieces(group, found, out / f"timeline{number}")
    write_table(out / "predictions.csv", pieces, predictions, top)
    return lines


def features(
    checkpoint: str | Path,
    which: Which,
    data: str | None,
    paths: Sequence[str],
    out: str | Path,
    opening: Opening,
    *,
    feature: str | None,
) -> list[str]:
    """Writes the embeddings of clips, or of a prepared data set, as .npz or .parquet.

    Args:
      checkpoint, which: of a training.
      data: prepared data set. paths: files or folders. One of the two.
      out: file to write.
      opening: how files are read.
      feature: see `Model.features`.

    Raises:
      ValueError: both or neither of data and paths, or a file that cannot be written.
    """
    check_path(out)
    if bool(data) == bool(paths):
        raise ValueError("give either a prepared data set or clips")
    clips: Iterable[Clip] = _all_of(data) if data else (opening.clip(p) for p in paths)
    found = embed(load(checkpoint, which), clips, feature)
    write_embeddings(out, found)
    return [f"{out}: {found.features.shape[0]} clips, {found.features.shape[1]} channels"]


def neighbours(
    checkpoint: str | Path,
    which: Which,
    data: str,
    query: str,
    out: str | Path,
    opening: Opening,
    *,
    count: int,
) -> list[str]:
    """The clips of a prepared data set most similar to a query: neighbours.csv, neighbours.png.

    count: of neighbours. Returns a line for each: rank, clip, label, cosine.
    """
    from via_jax.figures.neighbours import sheet

    model, prepared, out = load(checkpoint, which), store.load(Path(data)), Path(out)
    if not 1 <= count <= len(prepared.names):  # before all of them are embedded
        raise ValueError(f"count={count}; expected 1 to {len(prepared.names)}, the clips of {data}")
    asked = opening.clip(query)
    known = embed(model, _all_of(data))
    found = nearest(known, model.features(asked), count)
    out.mkdir(parents=True, exist_ok=True)
    rows: list[list[Any]] = [
        [rank, known.names[index], known.labels[index], f"{cosine:.4f}"]
        for rank, (index, cosine) in enumerate(found, start=1)
    ]
    with (out / "neighbours.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["rank", "clip", "label", "cosine"], *rows])
    shown = [prepared.read(index) for index, _ in found]
    sheet([asked, *shown], out / "neighbours.png", model.layout.name)
    return [" ".join(map(str, row)) for row in rows]


def retarget(
    checkpoint: str | Path,
    which: Which,
    driving: str,
    source: str,
    out: str | Path,
    opening: Opening,
    *,
    film_format: str,
    fit_bones: bool,
) -> list[str]:
    """The motion of one clip on the body and camera of another; writes retargeted.* and numbers.

    Args:
      checkpoint, which: of a pre-training.
      driving, source: files or folders.
      out: folder to write: retargeted.npz, .json, .png, the film, and results.json.
      opening: how files are read.
      film_format: "gif" or "mp4".
      fit_bones: see `retargeting.retarget`.
    """
    from via_jax.data.readers.folder import write_clip
    from via_jax.figures.retargeting import film, sheet

    moves, looks = (opening.clip(path) for path in (driving, source))
    variables, meta = load_model(Path(checkpoint) / "checkpoints", which)
    settings = {
        "driving": driving,
        "source": source,
        "which": which,
        "fit_bones": fit_bones,
        "checkpoint": str(checkpoint),
    }
    out = Path(out)
    with open_run(out, settings) as run:
        made = retargeting.generate(variables, meta, moves, looks, fit_bones=fit_bones)
        result = retargeting.in_layout_of(made, looks)
        numbers = retargeting.judge(result, moves, looks, meta["layout"])
        write_clip(out / "retargeted.npz", result)
        retargeting.write_json(out / "retargeted.json", result)
        film(moves, looks, made, out / f"retargeted.{film_format}", meta["layout"])
        count = min(8, made.num_frames)
        sheet(moves, looks, made, out / "retargeted.png", meta["layout"], count)
        run.results(**numbers)
    return [f"{name}: {value:.4g}" for name, value in numbers.items()]


def _all_of(data: str) -> Iterable[Clip]:
    prepared = store.load(Path(data))
    return (prepared.read(clip) for clip in range(len(prepared.names)))
