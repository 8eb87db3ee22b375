"""The console command `via-jax`: a trained model on recordings, without a checkout.

via-jax predict --checkpoint runs/penn_ft --out labels my_video.json
via-jax features --checkpoint runs/penn --out features.npz a.json b.json
via-jax neighbours --checkpoint runs/penn --data prepared/penn_action --out similar my_video.json
via-jax retarget --checkpoint runs/mocap --out film driver.json source.json
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# What `make quickstart` leaves, taken where no checkpoint is named.
QUICKSTART = Path("runs/quickstart")


def parser() -> argparse.ArgumentParser:
    """The arguments of all four commands."""
    whole = argparse.ArgumentParser(prog="via-jax", description=(__doc__ or "").split("\n")[0])
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, words: str, stage: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=words, description=words)
        one.set_defaults(stage=stage)
        one.add_argument("--checkpoint", help=f"work directory; else {QUICKSTART / stage}")
        one.add_argument("--which", choices=["best", "latest"], default="latest")
        one.add_argument("--out", required=True, help="folder to write, a file for features")
        one.add_argument("--format", dest="file_format", help="of the files; else recognised")
        one.add_argument("--layout", help="of the joints, where the files leave it open")
        one.add_argument("--max-persons", type=int, default=2, help="kept of each recording")
        one.add_argument("--min-confidence", type=float, default=0.0, help="of a joint, in [0, 1)")
        one.add_argument("--max-gap", type=int, default=10, help="frames of absence to bridge")
        one.add_argument(
            "--image-size",
            type=int,
            nargs=2,
            metavar=("WIDTH", "HEIGHT"),
            help="in pixels, where the files do not tell it",
        )
        return one

    one = command("predict", "names the action of recordings", "fine_tune")
    one.add_argument("clips", nargs="+", metavar="CLIP")
    one.add_argument("--per-person", action="store_true", help="each person alone")
    one.add_argument("--frames", type=int, default=0, help="of sliding windows; 0: whole clips")
    one.add_argument("--hop", type=int, default=16, help="frames between windows")
    one.add_argument("--top", type=int, default=5, help="classes in the table")

    one = command("features", "writes embeddings, .npz or .parquet", "pretrain")
    one.add_argument("clips", nargs="*", metavar="CLIP")
    one.add_argument("--data", help="a prepared data set instead of clips")
    one.add_argument("--feature", choices=["motion", "code"])

    one = command("neighbours", "finds the most similar clips of a prepared data set", "pretrain")
    one.add_argument("query", metavar="CLIP")
    one.add_argument("--data", required=True, help="prepared data set to search")
    one.add_argument("--count", type=int, default=5)

    one = command("retarget", "puts the motion of one recording on the body of another", "pretrain")
    one.add_argument("driving", metavar="DRIVER")
    one.add_argument("source", metavar="SOURCE")
    one.add_argument("--film", dest="film_format", choices=["gif", "mp4"], default="gif")
    one.add_argument("--raw-bones", action="store_true", help="do not fit them to the source's")
    return whole


def checkpoint_of(given: str | None, stage: str) -> Path:
    """The work directory that is named, or the quickstart's.

    Raises:
      ValueError: none is named and the quickstart left none here.
    """
    if given:
        return Path(given)
    if not (QUICKSTART / stage / "checkpoints").is_dir():
        raise ValueError(
            f"no --checkpoint, and none at {QUICKSTART / stage}: name the work directory of a"
            " training, or make one with python -m experiments.quickstart"
        )
    return QUICKSTART / stage


def run(arguments: argparse.Namespace) -> list[str]:
    """Calls the command; returns what it prints."""
    from via_jax import commands

    size = tuple(arguments.image_size) if arguments.image_size else None
    opening = commands.Opening(
        arguments.file_format,
        arguments.layout,
        arguments.max_persons,
        arguments.min_confidence,
        size,
        arguments.max_gap,
    )
    model = checkpoint_of(arguments.checkpoint, arguments.stage), arguments.which
    a = arguments
    if a.command == "predict":
        return commands.predict(
            *model,
            a.clips,
            a.out,
            opening,
            per_person=a.per_person,
            frames=a.frames,
            hop=a.hop,
            top=a.top,
        )
    if a.command == "features":
        return commands.features(*model, a.data, a.clips, a.out, opening, feature=a.feature)
    if a.command == "neighbours":
        return commands.neighbours(*model, a.data, a.query, a.out, opening, count=a.count)
    return commands.retarget(
        *model,
        a.driving,
        a.source,
        a.out,
        opening,
        film_format=a.film_format,
        fit_bones=not a.raw_bones,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; what a user can mend ends in one line and exit code 2."""
    arguments = parser().parse_args(words)
    import jax

    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jax.config.update("jax_compilation_cache_dir", str(home / "via_jax"))
    # Small programs too: a prediction has some fifty, otherwise compiled anew at every start.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        lines = run(arguments)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
