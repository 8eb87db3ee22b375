"""The page of driver, source and result: what is embedded in it, and the page as a file."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import re

import numpy as np
import pytest

from tests.figures.explore_cases import KINDS, NAME, UNIK, case_of
from via_jax.evaluation import retargeting
from via_jax.figures import explore
from via_jax.skeletons import get_layout


@pytest.fixture(params=KINDS)
def case(request):
    return case_of(request.param)


@pytest.fixture(scope="module")
def root():
    return case_of("root")


def unpacked(value):
    """The content with arrays, read by NumPy alone."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "base64" in value:
        flat = np.frombuffer(base64.b64decode(value["base64"]), "<f4")
        return flat.reshape(value["shape"])
    return {name: unpacked(item) for name, item in value.items()}


# What is embedded


def decoded_by_hand(model, motion, character):
    """Output [8 x steps, joints x coords] of one window, from the embedded weights."""
    x = motion.astype(np.float64) + character
    for index, layer in enumerate(model["decoder"]):
        x = np.repeat(x, 2, axis=0)
        padded = np.pad(x, ((3, 3), (0, 0)), mode="reflect")
        kernel = layer["kernel"].astype(np.float64)
        x = np.stack(
            [
                layer["bias"] + sum(padded[t + k] @ kernel[k] for k in range(7))
                for t in range(len(x))
            ]
        )
        if index < 2:
            x = np.where(x < 0, 0.2 * x, x)
    return x


def result_by_hand(model, driver, magnitudes):
    """Poses [time, joints, coords] from the embedded arrays alone; windows of "crop"."""
    joints, coords = len(model["joints"]), model["coords"]
    frames, inside = len(driver["poses"]), min(len(driver["poses"]), model["frames"])
    made, end = np.zeros((frames, joints, coords)), 0
    for motion, start, way in zip(driver["motion"], driver["starts"], driver["way"]):
        decoded = decoded_by_hand(model, motion, model["directions"] @ magnitudes)
        poses = decoded.reshape(-1, joints, coords) * model["deviation"] + model["mean"]
        if model["root"] is not None:
            moves = poses[:, model["root"]].copy()
            moves[0] = 0
            path = np.cumsum(moves, axis=0)
            path -= path.mean(axis=0)
            poses[:, model["root"]] = 0
            poses += path[:, None]
        for row in range(inside):
            t = (row + 0.5) / (end - start) if row < end - start else 1.0
            share = t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)
            made[start + row] += share * (poses[row] + way - made[start + row])
        end = start + inside
    return np.einsum("ij,tjc->tic", model["redefined"], made)


@pytest.mark.parametrize("kind", ["root", "screen"])
def test_what_is_embedded_suffices(kind):
    case = case_of(kind)
    model = unpacked(json.loads(json.dumps(case.content)))
    driver, source = model["clips"]
    np.testing.assert_allclose(source["magnitudes"], case.magnitudes, atol=1e-6)
    expected = case.expected(case.coded[1].windows.character.mean(axis=0))
    result = result_by_hand(model, driver, source["magnitudes"])
    assert expected.std(axis=0).max() > 0.1  # it moves
    np.testing.assert_allclose(result, expected, atol=1e-4)
    canonical = result_by_hand(model, driver, np.zeros(4))
    np.testing.assert_allclose(canonical, case.expected(np.zeros(16, np.float32)), atol=1e-4)


def test_the_result_is_that_of_retargeting(root):
    made = retargeting.generate(root.variables, root.meta, *root.clips, fit_bones=False)
    ours = root.expected(root.coded[1].windows.character.mean(axis=0))
    stood = root.coded[1].stood
    centre, scale = stood.centre.mean(axis=0), stood.scale.mean()
    np.testing.assert_allclose((made.poses[0] - centre) / scale, ours, atol=1e-4)


def test_clips_directions_and_sides(case):
    model = unpacked(case.content)
    directions = model["directions"]
    np.testing.assert_allclose(directions.T @ directions, np.eye(4), atol=1e-5)
    largest = max(np.abs(clip["magnitudes"]).max() for clip in model["clips"])
    assert model["reach"] == pytest.approx(largest)
    first, second = model["clips"]
    assert (first["name"], first["label"], first["rate"]) == (NAME, "walk", 25.0)
    assert (second["name"], second["label"], second["rate"]) == ("ben", None, None)
    for clip, coded in zip(model["clips"], case.coded):
        poses = clip["poses"] * coded.stood.scale.mean() + coded.stood.centre.mean(axis=0)
        known = np.array(clip["known"])
        np.testing.assert_allclose(poses[:, known], coded.poses[:, known], rtol=1e-4)
        assert not clip["poses"][:, ~known].any()
    assert [len(clip["poses"]) for clip in model["clips"]] == [c.num_frames for c in case.clips]
    sides = dict(zip(model["joints"], model["sides"]))
    assert sides["left_wrist"] == "left" and sides["right_hip"] == "right"
    assert sides["mid_hip"] == "middle"
    named = {(UNIK.joints[a], UNIK.joints[b]): side for a, b, side in model["bones"]}
    assert named["neck", "left_shoulder"] == "left" and named["mid_hip", "chest"] == "middle"
    assert len(named) == 16


def test_trunk_joints_of_other_layouts_stay():
    np.testing.assert_array_equal(explore._redefinition(get_layout("ntu25")), np.eye(25))
    joined = explore.side_of(get_layout("penn13"), *get_layout("penn13").hips)
    assert joined == "middle"  # between the hips


# The page as a file


class Parts(html.parser.HTMLParser):
    """Texts of the elements style and script, and the names of all attributes."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.attributes, self._open = {}, set(), None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.attributes |= {name for name, _ in attrs}
        self._open = (tag, dict(attrs).get("type")) if tag in ("script", "style") else None

    def handle_data(self, data):
        if self._open:
            self.texts[self._open] = self.texts.get(self._open, "") + data

    def handle_endtag(self, tag):
        self._open = None


@pytest.fixture(scope="module")
def page(root, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "new" / "page.html"
    told = explore.write_page(root.variables, root.meta, root.clips, path)
    assert told == {"clips": 2, "directions": 4, "bytes": path.stat().st_size}
    return path


def test_the_page_needs_nothing_else(page, root):
    text = page.read_text(encoding="utf-8")
    parts = Parts(text)
    assert json.loads(parts.texts["script", "application/json"]) == root.content
    assert not [name for name in parts.attributes if name in ("src", "srcset", "onclick", "style")]
    assert re.findall(r'href="([^"]*)"', text) == ["data:,"]
    assert "://" not in text and "@import" not in text and "url(" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for name, key in (("style", ("style", None)), ("script", ("script", None))):
        digest = hashlib.sha256(parts.texts[key].encode()).digest()
        assert f"{name}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_what_is_refused(root, tmp_path):
    with pytest.raises(ValueError, match=r"'page.htm'; expected a name that ends in .html"):
        explore.write_page(root.variables, root.meta, root.clips, tmp_path / "page.htm")
    with pytest.raises(ValueError, match="no clip to explore; expected at least one"):
        explore.write_page(root.variables, root.meta, [], tmp_path / "page.html")
    flat = dataclasses.replace(root.clips[0], poses=np.full_like(root.clips[0].poses, np.nan))
    with pytest.raises(ValueError, match="NaN or infinity at person 0"):
        explore.write_page(root.variables, root.meta, [flat], tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
