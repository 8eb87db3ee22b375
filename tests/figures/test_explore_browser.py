"""The page of driver, source and result in a browser: it agrees with JAX, and it can be used."""

import re

import jax
import numpy as np
import pytest

from tests.figures.browser import Browser, program
from tests.figures.explore_cases import KINDS, NAME, case_of
from via_jax.evaluation import codes
from via_jax.figures import explore


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    case, path = case_of("root"), tmp_path_factory.mktemp("page") / "page.html"
    explore.write_page(case.variables, case.meta, case.clips, path)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program()  # skips before anything starts
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def opened(browser, page):
    """The page, not playing; at the end there must be no complaint and no request."""
    browser.open(page, prefers_reduced_motion="reduce", prefers_color_scheme="light")
    yield browser
    complaints = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    assert not [event for event in browser.events if event["method"] in complaints]
    asked = [event for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    urls = {event["params"]["request"]["url"] for event in asked}
    assert urls - {"data:,"} == {page.as_uri()}


def result_of(browser, frames):
    """The page's present result [time, joints x coords]."""
    return np.array(browser.evaluate(f"Array.from({{length: {frames}}}, (_, f) => poseAt(f))"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_agrees_with_jax(browser, kind, tmp_path):
    case = case_of(kind)
    path = tmp_path / "page.html"
    explore.write_page(case.variables, case.meta, case.clips, path)
    browser.open(path, prefers_reduced_motion="reduce")
    model, _, _ = codes.parts_of(case.meta)
    character = case.coded[1].windows.character.mean(axis=0)
    one = np.broadcast_to(character, (len(case.coded[0].windows.motion), 16))
    decoder = jax.jit(lambda v, m, c: model.apply(v, m, c, False, method="decode"))
    expected = np.asarray(decoder(case.variables, case.coded[0].windows.motion, one))
    for window, wanted in enumerate(expected):  # model-output units
        motion = f"clipOf('driver').motion.subarray({window} * 48, {window + 1} * 48)"
        ours = browser.evaluate(f"decode(model, {motion}, currentCharacter())")
        np.testing.assert_allclose(ours, wanted.ravel(), atol=1e-4)
    frames = case.clips[0].num_frames

    def agrees(character):
        wanted = case.expected(np.asarray(character, np.float32)).reshape(frames, -1)
        np.testing.assert_allclose(result_of(browser, frames), wanted, atol=1e-4)
        return wanted

    untouched = agrees(character)
    moved = np.array([0.5, 0.0, -0.25, 0.0]) * case.content["reach"]
    browser.evaluate(f"{moved.tolist()}.forEach((value, k) => setOffset(k, value))")
    directions = codes.directions_of(case.variables, case.meta)
    assert np.abs(agrees(directions @ (case.magnitudes + moved)) - untouched).max() > 0.01
    browser.evaluate("setCanonical(true)")
    assert np.abs(agrees(np.zeros(16)) - untouched).max() > 0.01


def test_the_keyboard_moves_the_character(opened):
    first = result_of(opened, 61)
    pixels = "byId('result-view').toDataURL()"
    picture = opened.evaluate(pixels)
    for _ in range(8):
        opened.evaluate("byId('direction-2').focus()")
        opened.press("ArrowRight", "ArrowRight", 39)
    reach = opened.evaluate("model.reach")
    np.testing.assert_allclose(opened.evaluate("state.offsets"), [0, 0, 8 * reach / 20, 0])
    shown = float(opened.evaluate("byId('magnitude-2').textContent").replace("\N{MINUS SIGN}", "-"))
    own = opened.evaluate("clipOf('source').magnitudes")[2]
    assert shown == pytest.approx(own + 8 * reach / 20, abs=0.006)
    assert opened.evaluate("byId('caption').textContent") == "changed"
    assert np.abs(result_of(opened, 61) - first).max() > 0.01  # joints moved
    assert opened.evaluate(pixels) != picture

    opened.press("c", "KeyC", 67)
    assert opened.evaluate("[byId('canonical').checked, byId('directions').disabled]") == [True] * 2
    canonical = result_of(opened, 61)
    assert np.abs(canonical - first).max() > 0.01
    assert opened.evaluate("byId('caption').textContent") == "canonical"
    opened.press("r", "KeyR", 82)
    np.testing.assert_array_equal(result_of(opened, 61), first)
    assert opened.evaluate(pixels) == picture
    assert opened.evaluate("byId('canonical').checked") is False


def test_a_slider_that_is_dragged(opened):
    first = result_of(opened, 61)
    spans = opened.evaluate("scale.spans")
    opened.evaluate("byId('direction-0').scrollIntoView()")
    left, top, width, height = opened.evaluate(
        "(({x, y, width, height}) => [x, y, width, height])"
        "(byId('direction-0').getBoundingClientRect())"
    )
    middle, end = left + width / 2, left + 0.9 * width
    for kind, x in (("Pressed", middle), ("Moved", end), ("Released", end)):
        opened.call(
            "Input.dispatchMouseEvent",
            **{"type": f"mouse{kind}", "x": x, "y": top + height / 2},
            **{"button": "left", "buttons": 1, "clickCount": 1},
        )
        if kind == "Moved":
            assert opened.evaluate("state.offsets")[0] > 0.5 * opened.evaluate("model.reach")
            assert opened.evaluate("scale.spans") == spans  # panels hold still
    assert np.abs(result_of(opened, 61) - first).max() > 0.01
    for view, least in zip(opened.evaluate("views.map(boundsOf)"), ("driver", "source", "result")):
        room = np.array(opened.evaluate("scale.spans")) + 1e-9
        assert (np.array(view["span"]) <= room).all(), least  # one scale shows all of them


def test_playing_and_frames(opened):
    assert opened.evaluate("[state.playing, byId('frame').max, currentFrame()]") == [False, "60", 0]
    opened.press("ArrowLeft", "ArrowLeft", 37)
    assert opened.evaluate("byId('frame-number').textContent") == "61 / 61"
    opened.press("ArrowRight", "ArrowRight", 39)
    opened.press("ArrowRight", "ArrowRight", 39)
    assert opened.evaluate("[currentFrame(), byId('frame').value]") == [1, "1"]
    opened.press(" ", "Space", 32)
    assert opened.evaluate("[state.playing, byId('play').textContent]") == [True, "Pause"]
    opened.wait(lambda: opened.evaluate("currentFrame()") > 4)
    opened.press(" ", "Space", 32)
    still = opened.evaluate("state.position")
    assert opened.evaluate("[state.playing, byId('play').textContent]") == [False, "Play"]
    opened.evaluate("new Promise(requestAnimationFrame)")
    assert opened.evaluate("state.position") == still
    change = "dispatchEvent(new Event('{}', {{bubbles: true}}))"
    opened.evaluate("(byId('speed').value = '0.5', byId('speed')." + change.format("change") + ")")
    assert opened.evaluate("state.speed") == 0.5
    opened.evaluate("(byId('frame').value = 33, byId('frame')." + change.format("input") + ")")
    assert opened.evaluate("currentFrame()") == 33


def test_driver_and_source_are_chosen(opened):
    names = opened.evaluate("Array.from(byId('driver').options, (option) => option.text)")
    assert names == [f"{NAME} (walk)", "ben"]
    opened.evaluate("setOffset(1, model.reach)")
    for role, value in (("driver", 1), ("source", 0)):
        opened.evaluate(
            f"(byId('{role}').value = {value},"
            f" byId('{role}').dispatchEvent(new Event('change', {{bubbles: true}})))"
        )
    assert opened.evaluate("[state.driver, state.source, frameCount()]") == [1, 0, 40]
    assert opened.evaluate("isChanged()") is False  # another body, other magnitudes


def colors_in(browser, view, *names):
    """How many pixels of a panel have about the color of each of these properties."""
    return browser.evaluate(
        f"""((canvas) => {{
          const context = canvas.getContext('2d');
          const {{ data }} = context.getImageData(0, 0, canvas.width, canvas.height);
          return {list(names)}.map((name) => {{
            const style = getComputedStyle(document.documentElement);
            const hex = style.getPropertyValue('--' + name).trim();
            const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {{
              if (data[i + 3] > 60 && wanted.every((v, c) => Math.abs(v - data[i + c]) < 6))
                count++;
            }}
            return count;
          }});
        }})(byId('{view}-view'))"""
    )


@pytest.mark.parametrize(("width", "height"), [(1200, 900), (360, 740)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_panels_are_seen_at_any_width(opened, page, width, height, scheme):
    opened.open(page, width, height, prefers_reduced_motion="reduce", prefers_color_scheme=scheme)
    assert opened.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    sizes = []
    for view in ("driver", "source", "result"):
        left, right, top, bottom = opened.evaluate(
            "(({left, right, top, bottom}) => [left, right, top, bottom])"
            f"(byId('{view}-view').getBoundingClientRect())"
        )
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        sizes.append([right - left, bottom - top])
        assert min(colors_in(opened, view, "left", "right", "middle")) > 10, view
    np.testing.assert_allclose(sizes, [sizes[0]] * 3, atol=0.5)  # equal, so equal in scale
    red, green, blue = map(
        int, re.findall(r"\d+", opened.evaluate("getComputedStyle(document.body).backgroundColor"))
    )
    assert (red + green + blue < 200) == (scheme == "dark")
    opened.evaluate("scrollTo(0, 10000)")
    stage = opened.evaluate("document.querySelector('.stage').getBoundingClientRect().top")
    assert (stage == 0) == (width == 360)  # stays in sight while the sliders are moved


def test_3d_is_seen_from_any_side(browser, tmp_path):
    case = case_of("solid")
    path = tmp_path / "page.html"
    explore.write_page(case.variables, case.meta, case.clips, path)
    browser.open(path, prefers_reduced_motion="reduce")
    assert browser.evaluate("byId('angle-part').hidden") is False
    x, y, z = 0.3, 0.5, -0.2
    np.testing.assert_allclose(browser.evaluate(f"seen([{x}, {y}, {z}], 0)"), [x, -y])
    browser.evaluate("(byId('angle').value = 90, byId('angle').dispatchEvent(new Event('input')))")
    np.testing.assert_allclose(browser.evaluate(f"seen([{x}, {y}, {z}], 0)"), [-z, -y])
