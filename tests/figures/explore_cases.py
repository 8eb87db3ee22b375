"""Models, clips and the page's content for the tests of the page."""

import functools

import jax
import numpy as np

from configs import base
from via_jax.data.clip import Clip
from via_jax.evaluation import codes
from via_jax.figures import explore
from via_jax.models.autoencoder import Autoencoder
from via_jax.skeletons import get_layout

UNIK = get_layout("unik17")
NAME = "</script>{{data}}<b>ann"  # of a clip, as unkind as can be
BODY = (  # joints of unik17 in pixels, the hips at 0, y down
    *((0, -85), (0, -72), (0, -60), (0, -30), (0, 0), (20, -60), (-20, -60), (30, -35), (-30, -35)),
    *((36, -10), (-36, -10), (12, 0), (-12, 0), (14, 45), (-14, 45), (15, 90), (-15, 90)),
)
KINDS = {  # coords, normalisation, window's sampling, frames of driver and source
    "root": (2, "root", "crop", (61, 40)),
    "screen": (2, "screen", "crop", (15, 24)),
    "solid": (3, "body", "resample", (30, 24)),
}


def model_of(coords, normalisation, sampling):
    """(variables, meta) of a small random model."""
    rng = np.random.default_rng(0)
    settings = {
        **{"coords": coords, "width": 1 / 16, "decoder_width": 1 / 16, "num_heads": 1},
        **{"num_directions": 4, "learned_directions": True, "dropout": 0.2, "dtype": "float32"},
    }
    model = Autoencoder(joints=17, **settings)
    init = jax.jit(lambda key: model.init(key, np.zeros((1, 1, 24, 17, coords), np.float32)))
    variables = jax.tree.map(
        lambda x: np.asarray(x) + rng.uniform(-0.05, 0.05, x.shape).astype(np.float32),
        init(jax.random.key(0)),
    )
    views = base.get_config().data.views.to_dict()
    views |= {"normalisation": normalisation, "face_front": True}
    window = {"frames": 24, "sampling": sampling, "shortest_share": 1.0, "speed": (1.0, 1.0)}
    statistics = None
    if normalisation == "root":
        variables["params"]["decoder"]["conv3"]["kernel"] *= 0.05  # results as large as bodies
        mean, deviation = rng.uniform(0.2, 1.0, (2, 17, coords))
        hips = UNIK.index("mid_hip")
        mean[hips], deviation[hips] = 0.01, 0.05  # of its moves from frame to frame
        statistics = {"mean": mean.tolist(), "deviation": deviation.tolist()}
    meta = {"layout": "unik17", "model": settings, "views": views, "window": window}
    return variables, meta | {"statistics": statistics}


def walking(frames, seed, coords, **facts):
    """A standing body that swings around its places while it crosses the picture, in pixels."""
    rng = np.random.default_rng(seed)
    place = np.zeros((1, 1, 17, coords))
    place[..., :2] = BODY
    place += 300 + rng.normal(0, 3, place.shape)
    phase = rng.uniform(0, 6, (1, 1, 17, coords))
    time = np.arange(frames)[None, :, None, None]
    poses = place + 1.0 * time + 8 * np.sin(0.3 * time + phase)
    valid = np.ones((1, frames, 17), bool)
    facts = {"frame_rate": 25.0, "image_size": (640, 480)} | facts
    return Clip(poses.astype(np.float32), valid, "unik17", **facts)


class Case:
    """One kind of model, two clips, and the page's content."""

    def __init__(self, kind):
        coords, normalisation, sampling, (first, second) = KINDS[kind]
        self.variables, self.meta = model_of(coords, normalisation, sampling)
        self.clips = [
            walking(first, 0, coords, name=NAME, label="walk"),
            walking(second, 1, coords, name="ben", frame_rate=None),
        ]
        if kind == "screen":
            wrist = UNIK.index("left_wrist")
            self.clips[1].valid[..., wrist] = False
            self.clips[1].poses[..., wrist, :] = 0
        self.coded = [codes.encode_clip(self.variables, self.meta, clip) for clip in self.clips]
        self.content = explore.contents(self.variables, self.meta, self.clips)
        self.magnitudes = self.coded[1].windows.magnitudes.mean(axis=0)

    def expected(self, character):
        return codes.decode_onto(self.variables, self.meta, self.coded[0], character)


@functools.cache
def case_of(kind):
    return Case(kind)
