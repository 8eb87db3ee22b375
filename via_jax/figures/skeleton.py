"""Pose sequences drawn as stick figures: animations (GIF or MP4) and contact sheets (PNG).

Left limbs are blue, right limbs vermilion and the torso dark grey (Okabe and Ito's palette, which
colour-blind readers can tell apart); "left" is the left of the person, as in the joint names.
"""

import contextlib
import math
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from via_jax.skeletons import Layout

try:
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont
except ImportError as error:
    raise ImportError(f"{error}; figures need it: pip install via_jax[viz]") from error

Panel = tuple[str, np.ndarray, np.ndarray]  # title, poses, valid
Color = tuple[int, int, int]

LEFT: Color = (0, 114, 178)
RIGHT: Color = (213, 94, 0)
TORSO: Color = (64, 64, 64)
_FRAME: Color = (224, 224, 224)  # thin border of a panel
_MARGIN = 0.1  # of a panel's side, free around the poses
_OVERSAMPLING = 3  # Pillow draws lines without smoothing: draw larger, then shrink
_MAX_GIF_RATE = 50.0  # players slow down delays below 2 hundredths of a second


def animate(
    panels: Sequence[Panel],
    layout: Layout,
    path: str | pathlib.Path,
    frame_rate: float,
    *,
    size: int = 240,
    y_up: bool = False,
    yaw: float = 0.0,
    trace: int = 0,
) -> None:
    """Writes pose sequences that play side by side.

    Each panel keeps one scale for all its frames. Invalid joints, and bones with an invalid end,
    are not drawn. 3D poses are seen without perspective, see `project`.

    Args:
      panels: (title, poses [time, joints, coords], valid [time, joints]) of each panel, left to
        right; equally many frames, any units, 2 or 3 coords.
      layout: joint layout of all panels.
      path: file to write, ending in .gif or .mp4; its folder is made if missing.
      frame_rate: frames per second, of poses and animation. Players slow down fast GIFs: above 50
        frames per second a GIF shows every n-th frame only. It stores equal frames as one.
      size: side of a panel in pixels, at least 64.
      y_up: True where y grows upwards (3D recordings), False for image coordinates.
      yaw: degrees that the viewer of 3D poses has walked around them; 0 sees x and y.
      trace: how many previous frames stay visible, ever fainter; 0 for none.

    Raises:
      ValueError: unknown suffix, wrong shapes, panels of unequal length, no valid joint, a valid
        joint that is not finite, or a setting out of range.
      ImportError: an MP4 without the [viz] extra.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"cannot write {path.name!r}; expected a name that ends in .gif or .mp4")
    if not panels:
        raise ValueError("no panel to draw; expected at least one (title, poses, valid)")
    if not (math.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"frame_rate={frame_rate} must be positive (frames per second)")
    if trace < 0:
        raise ValueError(f"trace={trace} must be 0 (none) or a number of previous frames")
    for title, poses, valid in panels:
        _check_poses(f"panel {title!r}", poses, valid, layout)
    lengths = [len(poses) for _, poses, _ in panels]
    if len(set(lengths)) > 1:
        raise ValueError(f"panels have {lengths} frames; expected equally many: crop or resample")

    is_gif = path.suffix.lower() == ".gif"
    stride = math.ceil(frame_rate / _MAX_GIF_RATE) if is_gif else 1
    placed = [
        (fit(project(poses, yaw), valid, size, size, y_up), np.asarray(valid, bool))
        for _, poses, valid in panels
    ]
    background, corners = _background([title for title, _, _ in panels], size)

    def frames() -> Iterator[Image.Image]:
        for now in range(0, lengths[0], stride):
            page = background.copy()
            shown = slice(max(0, now - trace), now + 1)
            for (pixels, valid), corner in zip(placed, corners):
                page.paste(stick_figure(pixels[shown], valid[shown], layout, size, size), corner)
            yield page

    path.parent.mkdir(parents=True, exist_ok=True)
    if is_gif:
        _write_gif(frames(), path, frame_rate / stride)
    else:
        _write_mp4(frames(), background.size, path, frame_rate)


def contact_sheet(
    poses: Sequence[np.ndarray] | np.ndarray,
    valid: Sequence[np.ndarray] | np.ndarray,
    layout: Layout,
    path: str | pathlib.Path,
    count: int,
    *,
    titles: Sequence[str] | None = None,
    size: int = 160,
    y_up: bool = False,
    yaw: float = 0.0,
) -> None:
    """Writes one picture with a row per sequence and `count` evenly spaced frames in each row.

    Args:
      poses: of each row, [time, joints, coords]; rows may differ in time and units.
      valid: of each row, [time, joints].
      layout: joint layout of all rows.
      path: file to write, ending in .png; its folder is made if missing.
      count: frames per row, from 1 to the frames of the shortest sequence; first and last included.
      titles: text above each row; None for no text.
      size: height of a cell in pixels, at least 64; its width follows the poses.
      y_up, yaw: as in `animate`.

    Raises:
      ValueError: as `animate`, or no row.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"cannot write {path.name!r}; expected a name that ends in .png")
    rows = len(poses)
    if rows == 0 or len(valid) != rows or (titles is not None and len(titles) != rows):
        seen = f"{rows} poses, {len(valid)} valid, {'no' if titles is None else len(titles)} titles"
        raise ValueError(f"{seen}; expected one of each per row and at least one row")
    for row in range(rows):
        _check_poses(f"row {row}", poses[row], valid[row], layout)
    shortest = min(map(len, poses))
    if not 1 <= count <= shortest:
        raise ValueError(f"count={count} must lie in [1, {shortest}], the shortest row's frames")

    points = [project(row_poses, yaw) for row_poses in poses]
    spans = [_bounds(row_points, row_valid) for row_points, row_valid in zip(points, valid)]
    aspect = max(span[0] / max(span[1], 1e-9) for _, span in spans)
    width = round(size * min(max(aspect, 0.5), 1.5))
    title_height = 0 if titles is None else size // 6
    gap = size // 16
    step = title_height + size + gap
    page = Image.new("RGB", (gap + count * (width + gap), gap + rows * step), "white")
    draw = ImageDraw.Draw(page)
    texts, font = shorten(titles or [""] * rows, page.width - 2 * gap, size // 11)
    for row in range(rows):
        top = gap + row * step
        draw.text((gap, top + title_height * 0.4), texts[row], TORSO, font, anchor="lm")
        pixels = fit(points[row], valid[row], width, size, y_up)
        row_valid = np.asarray(valid[row], bool)
        for column, now in enumerate(np.linspace(0, len(pixels) - 1, count).round().astype(int)):
            cell = stick_figure(pixels[[now]], row_valid[[now]], layout, width, size)
            page.paste(cell, (gap + column * (width + gap), top + title_height))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, optimize=True)


def project(poses: np.ndarray, yaw: float) -> np.ndarray:
    """Orthographic view of poses, [..., 2] in their own units.

    Args:
      poses: [..., coords], 2 or 3 coords.
      yaw: degrees about the vertical y axis: x' = x cos(yaw) - z sin(yaw), y' = y. A viewer at
        positive z walks towards positive x as it grows.

    Raises:
      ValueError: 2D poses and a yaw other than 0.
    """
    poses = np.asarray(poses, np.float64)
    if poses.shape[-1] == 2:
        if yaw != 0:
            raise ValueError(f"yaw={yaw} needs 3D poses, seen 2D: only yaw=0 shows them")
        return poses
    angle = math.radians(yaw)
    across = poses[..., 0] * math.cos(angle) - poses[..., 2] * math.sin(angle)
    return np.stack([across, poses[..., 1]], axis=-1)


def fit(points: np.ndarray, valid: np.ndarray, width: int, height: int, y_up: bool) -> np.ndarray:
    """Places a sequence in a picture with equal scale in x and y, the same for all frames.

    Args:
      points: [time, joints, 2], any units.
      valid: [time, joints]; at least one True.
      width, height: of the picture in pixels; a tenth of the smaller side stays free all around.
      y_up: True where y grows upwards.

    Returns:
      [time, joints, 2] pixels, origin top left, y down. Outliers can lie outside the picture.

    Raises:
      ValueError: a height below 64 pixels.
    """
    if height < 64:
        raise ValueError(f"size={height} pixels is too small to see a pose; expected at least 64")
    centre, span = _bounds(points, valid)
    free = (1 - 2 * _MARGIN) * np.array([width, height]) / np.maximum(span, 1e-9)
    scale = free.min() * np.array([1.0, -1.0 if y_up else 1.0])
    pixels = (points - centre) * scale + np.array([width, height]) / 2
    far = 10 * max(width, height)  # a broken joint must not send the drawing code across the sky
    return np.clip(pixels, -far, far)


def _bounds(points: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre [2] and extent [2] of the valid points, without far outliers.

    Percentiles alone would cut a kick or a raised hand, the extremes alone would let one wrongly
    detected joint shrink all poses. So: the extremes of what lies near the percentiles.
    """
    seen = points[np.asarray(valid, bool)]
    low, high = np.percentile(seen, [2, 98], axis=0)
    reach = 0.5 * (high - low).max()
    near = seen[((seen >= low - reach) & (seen <= high + reach)).all(axis=-1)]
    return (near.min(axis=0) + near.max(axis=0)) / 2, np.ptp(near, axis=0)


def stick_figure(
    points: np.ndarray, valid: np.ndarray, layout: Layout, width: int, height: int
) -> Image.Image:
    """Picture of the last of some poses, [time, joints, 2] pixels; the others fainter below."""
    scale = _OVERSAMPLING
    image = Image.new("RGB", (width * scale, height * scale), "white")
    draw = ImageDraw.Draw(image)
    thickness = max(2, round(height * scale / 55))
    radius = thickness * 0.85
    names = layout.joints
    for frame in range(len(points)):
        last = frame == len(points) - 1
        strength = 1.0 if last else 0.45 * (frame + 1) / len(points)
        where = [(x * scale, y * scale) for x, y in points[frame].tolist()]
        for parent, child in layout.bones:
            if valid[frame, parent] and valid[frame, child]:
                color = _fade(_color(names[parent], names[child]), strength)
                draw.line([where[parent], where[child]], fill=color, width=thickness)
        if not last:
            continue  # dots of a trace would hide its lines
        for joint, (x, y) in enumerate(where):
            if valid[frame, joint]:
                box = (x - radius, y - radius, x + radius, y + radius)
                draw.ellipse(box, fill=_color(names[joint]))
    image = image.reduce(scale)
    ImageDraw.Draw(image).rectangle((0, 0, width - 1, height - 1), outline=_FRAME)
    return image


def _color(*joints: str) -> Color:
    """The side on which the joints agree (neck to left shoulder: left), else that of the torso."""
    sides = {joint.partition("_")[0] for joint in joints} & {"left", "right"}
    return {"left": LEFT, "right": RIGHT}[sides.pop()] if len(sides) == 1 else TORSO


def _fade(color: Color, strength: float) -> Color:
    red, green, blue = (round(255 + (value - 255) * strength) for value in color)
    return red, green, blue


def _background(titles: Sequence[str], size: int) -> tuple[Image.Image, list[tuple[int, int]]]:
    """The page without poses, and the top left corner of each panel; sides are even (MP4)."""
    gap, title_height = size // 24, size // 8
    width = gap + len(titles) * (size + gap)
    height = title_height + size + gap
    page = Image.new("RGB", (width + width % 2, height + height % 2), "white")
    draw = ImageDraw.Draw(page)
    texts, font = shorten(titles, size, size // 16)
    corners = []
    for index, text in enumerate(texts):
        left = gap + index * (size + gap)
        draw.text((left + size / 2, title_height / 2), text, TORSO, font, anchor="mm")
        corners.append((left, title_height))
    return page, corners


def shorten(
    texts: Sequence[str], width: int, points: int
) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """Texts that fit in `width` pixels, and their font: first smaller letters, then fewer."""
    file = pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    for height in range(max(points, 11), 10, -1):
        font = ImageFont.truetype(str(file), height)
        if all(font.getlength(text) <= width for text in texts):
            return list(texts), font
    short = []
    for text in texts:
        while font.getlength(text) > width:
            text = text.removesuffix("…")[:-1] + "…"
        short.append(text)
    return short, font


def _write_gif(frames: Iterator[Image.Image], path: pathlib.Path, frame_rate: float) -> None:
    """One palette for all frames: white to each color in steps, as smoothed lines need them."""
    ramps = [_fade(color, step / 20) for color in (LEFT, RIGHT, TORSO) for step in range(1, 21)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for color in [(255, 255, 255), _FRAME, *ramps] for value in color])
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    # Delays are whole hundredths of a second; rounding their ends keeps the long-run rate exact.
    ends = np.round(100 * np.arange(len(indexed) + 1) / frame_rate).astype(int)
    delays = (10 * np.diff(ends)).tolist()
    indexed[0].save(
        path, save_all=True, append_images=indexed[1:], duration=delays, loop=0, optimize=True
    )


def _write_mp4(
    frames: Iterator[Image.Image], size: tuple[int, int], path: pathlib.Path, frame_rate: float
) -> None:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError(f"{error}; MP4 needs it: pip install via_jax[viz]") from error
    writer = imageio_ffmpeg.write_frames(path, size, fps=frame_rate, quality=7, macro_block_size=2)
    with contextlib.closing(writer):
        writer.send(None)
        for frame in frames:
            writer.send(frame.tobytes())


def _check_poses(name: str, poses: np.ndarray, valid: np.ndarray, layout: Layout) -> None:
    shape, seen = np.shape(poses), np.asarray(valid, bool)
    if len(shape) != 3 or shape[0] == 0 or shape[1] != layout.num_joints or shape[2] not in (2, 3):
        raise ValueError(
            f"{name}: poses have shape {shape}; expected [time, joints, coords] with"
            f" {layout.num_joints} joints (layout {layout.name}) and 2 or 3 coords; pick one person"
        )
    if seen.shape != shape[:2]:
        raise ValueError(f"{name}: valid has shape {seen.shape}; expected {shape[:2]}")
    if not seen.any():
        raise ValueError(f"{name}: no valid joint in any frame, nothing to draw; leave it out")
    broken = seen & ~np.isfinite(poses).all(axis=-1)
    if broken.any():
        frame, joint = np.argwhere(broken)[0]
        raise ValueError(
            f"{name}: NaN or infinity at frame {frame}, joint {layout.joints[joint]}; expected"
            " finite coordinates where valid; mark such joints as not valid"
        )
