// The page: what is chosen, what is drawn. Poses and results come from above.

const byId = (id) => document.getElementById(id);
const model = unpackAll(JSON.parse(byId("content").textContent));
const joints = model.joints.length;
const [, directionCount] = model.shapes.directions;
const views = ["driver", "source", "result"];

const state = {
  driver: 0,
  source: Math.min(1, model.clips.length - 1),
  offsets: new Float64Array(directionCount), // of the magnitudes, from the source's
  canonical: false,
  position: 0, // in frames, between two of them while playing
  playing: false,
  speed: 1,
  angle: 0, // degrees about the vertical axis from which 3D poses are seen
};
let poseAt = null; // result of the present choice
let before = null; // result of the same clips without any change
let scale = null; // of all panels: {centres: one for each view, spans: the largest}

// ---------------------------------------------------------------- what is chosen

function clipOf(role) {
  return model.clips[state[role]];
}

function frameCount() {
  return clipOf("driver").shapes.poses[0];
}

function currentFrame() {
  return Math.floor(state.position) % frameCount();
}

function isChanged() {
  return state.canonical || state.offsets.some((offset) => offset !== 0);
}

function currentCharacter() {
  const { magnitudes } = clipOf("source");
  const wanted = Array.from(magnitudes, (value, k) => value + state.offsets[k]);
  return characterOf(model, state.canonical ? new Float64Array(directionCount) : wanted);
}

function remake(isHeld = false) {
  poseAt = decodeOnto(model, clipOf("driver"), currentCharacter());
  showChoice();
  if (!isHeld) measureScale();
  draw();
}

function choosePair() {
  before = decodeOnto(model, clipOf("driver"), characterOf(model, clipOf("source").magnitudes));
  state.position = Math.min(state.position, frameCount() - 1);
  byId("frame").max = frameCount() - 1;
  remake();
}

// ---------------------------------------------------------------- drawing

function poseOf(view, frame) {
  if (view === "result") return poseAt(frame);
  const { poses, shapes } = clipOf(view);
  const row = joints * model.coords;
  const at = frame % shapes.poses[0]; // the source is repeated
  return poses.subarray(at * row, (at + 1) * row);
}

function isKnown(view, joint) {
  const driver = clipOf("driver").known[joint];
  const source = clipOf("source").known[joint];
  if (view === "driver") return driver;
  if (view === "source") return source;
  return driver && (source || state.canonical);
}

/** Across and down on the picture, in the units of the poses. */
function seen(pose, joint) {
  const at = joint * model.coords;
  if (model.coords === 2) return [pose[at], pose[at + 1]];
  const turned = (state.angle * Math.PI) / 180;
  return [pose[at] * Math.cos(turned) - pose[at + 2] * Math.sin(turned), -pose[at + 1]];
}

/** Middle and extent of a view over all frames, without far outliers. */
function boundsOf(view) {
  const frames = view === "source" ? clipOf("source").shapes.poses[0] : frameCount();
  const points = [];
  for (let frame = 0; frame < frames; frame++) {
    const poses = [poseOf(view, frame)];
    if (view === "result" && isChanged()) poses.push(before(frame));
    for (let j = 0; j < joints; j++) {
      if (isKnown(view, j)) points.push(...poses.map((pose) => seen(pose, j)));
    }
  }
  const middle = [0, 0];
  const span = [0, 0];
  if (points.length === 0) return { middle, span };
  const ends = [0, 1].map((axis) => {
    const values = points.map((point) => point[axis]).sort((a, b) => a - b);
    const last = values.length - 1;
    return [values[Math.floor(0.02 * last)], values[Math.ceil(0.98 * last)]];
  });
  const reach = 0.5 * Math.max(ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]);
  for (const axis of [0, 1]) {
    const [low, high] = ends[axis];
    const values = points.map((p) => p[axis]).filter((v) => v >= low - reach && v <= high + reach);
    const least = values.reduce((a, b) => Math.min(a, b));
    const most = values.reduce((a, b) => Math.max(a, b));
    middle[axis] = (least + most) / 2;
    span[axis] = most - least;
  }
  return { middle, span };
}

/** One scale for all panels: a longer leg must look longer. Not while a slider is held. */
function measureScale() {
  const bounds = views.map(boundsOf);
  scale = {
    centres: bounds.map(({ middle }) => middle),
    spans: [0, 1].map((axis) => Math.max(...bounds.map(({ span }) => span[axis]), 1e-6)),
  };
}

function drawPose(context, pose, view, place, width) {
  const style = getComputedStyle(document.documentElement);
  const color = (side) => style.getPropertyValue(`--${side}`);
  const at = (joint) => place(seen(pose, joint));
  context.lineWidth = width;
  context.lineCap = "round";
  for (const [parent, child, side] of model.bones) {
    if (!isKnown(view, parent) || !isKnown(view, child)) continue;
    context.strokeStyle = color(side);
    context.beginPath();
    context.moveTo(...at(parent));
    context.lineTo(...at(child));
    context.stroke();
  }
  for (let j = 0; j < joints; j++) {
    if (!isKnown(view, j)) continue;
    context.fillStyle = color(model.sides[j]);
    context.beginPath();
    context.arc(...at(j), 0.85 * width, 0, 2 * Math.PI);
    context.fill();
  }
}

function drawView(view, index) {
  const canvas = byId(`${view}-view`);
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const perUnit = 0.88 * Math.min(width / scale.spans[0], height / scale.spans[1]);
  const [x, y] = scale.centres[index];
  const place = ([across, down]) => [
    width / 2 + (across - x) * perUnit,
    height / 2 + (down - y) * perUnit,
  ];
  const line = Math.max(2 * ratio, Math.min(width, height) / 60);
  const frame = currentFrame();
  if (view === "result" && isChanged()) {
    context.globalAlpha = 0.22;
    drawPose(context, before(frame), view, place, line);
    context.globalAlpha = 1;
  }
  drawPose(context, poseOf(view, frame), view, place, line);
}

function draw() {
  views.forEach(drawView);
  const frame = currentFrame();
  byId("frame").value = frame;
  byId("frame-number").textContent = `${frame + 1} / ${frameCount()}`;
}

// ---------------------------------------------------------------- controls

function showChoice() {
  const { magnitudes } = clipOf("source");
  state.offsets.forEach((offset, k) => {
    const slider = byId(`direction-${k}`);
    slider.value = offset;
    const text = (magnitudes[k] + offset).toFixed(2).replace("-", "−");
    slider.setAttribute("aria-valuetext", text);
    const output = byId(`magnitude-${k}`);
    output.textContent = text;
    output.classList.toggle("changed", offset !== 0);
  });
  byId("canonical").checked = state.canonical;
  byId("directions").disabled = state.canonical;
  byId("before").hidden = !isChanged();
  const changed = state.offsets.some((offset) => offset !== 0);
  byId("caption").textContent = state.canonical ? "canonical" : changed ? "changed" : "";
  byId("hint").textContent = state.canonical
    ? "The character is off: the motion alone, as the model decodes it. Sliders wait."
    : "In the middle of each slider lies the source’s own magnitude.";
}

function setOffset(k, value, isHeld = false) {
  state.offsets[k] = Math.abs(value) < model.reach / 50 ? 0 : value; // the middle is easy to find
  remake(isHeld);
}

function setCanonical(on) {
  state.canonical = on;
  remake();
}

function reset() {
  state.offsets.fill(0);
  setCanonical(false);
}

function setFrame(frame) {
  state.position = (frame + frameCount()) % frameCount();
  draw();
}

function setPlaying(on) {
  if (on && !state.playing) requestAnimationFrame((now) => advance(now, now));
  state.playing = on;
  byId("play").textContent = on ? "Pause" : "Play";
}

function advance(now, last) {
  if (!state.playing) return;
  const rate = clipOf("driver").rate || model.frame_rate;
  const step = (Math.min(now - last, 250) / 1000) * rate * state.speed; // no leap after a pause
  const shown = currentFrame();
  state.position = (state.position + step) % frameCount();
  if (currentFrame() !== shown) draw();
  requestAnimationFrame((next) => advance(next, now));
}

function makeControls() {
  for (const role of ["driver", "source"]) {
    model.clips.forEach((clip, index) => {
      const label = clip.label ? ` (${clip.label})` : "";
      byId(role).append(new Option(clip.name + label, index));
    });
    byId(role).value = state[role];
    byId(role).addEventListener("change", (event) => {
      state[role] = Number(event.target.value);
      if (role === "source") state.offsets.fill(0); // another body, other magnitudes
      choosePair();
    });
  }
  for (let k = 0; k < directionCount; k++) {
    const row = document.createElement("label");
    row.className = "direction";
    const name = document.createElement("span");
    name.textContent = `d${k + 1}`;
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", id: `direction-${k}`, step: "any", value: 0 });
    Object.assign(slider, { min: -model.reach, max: model.reach });
    slider.setAttribute("aria-label", `Direction ${k + 1}`);
    slider.addEventListener("input", () => setOffset(k, Number(slider.value), true));
    slider.addEventListener("change", () => setOffset(k, Number(slider.value)));
    slider.addEventListener("keydown", (event) => stepSlider(event, k));
    slider.addEventListener("dblclick", () => setOffset(k, 0));
    const output = document.createElement("output");
    output.id = `magnitude-${k}`;
    output.htmlFor = slider.id;
    row.append(name, slider, output);
    byId("directions").append(row);
  }
  byId("canonical").addEventListener("change", (event) => setCanonical(event.target.checked));
  byId("reset").addEventListener("click", reset);
  byId("play").addEventListener("click", () => setPlaying(!state.playing));
  byId("frame").addEventListener("input", (event) => {
    setPlaying(false);
    setFrame(Number(event.target.value));
  });
  byId("speed").addEventListener("change", (event) => (state.speed = Number(event.target.value)));
  byId("angle").addEventListener("input", (event) => {
    state.angle = Number(event.target.value);
    byId("angle-number").textContent = `${state.angle}°`.replace("-", "−");
    measureScale();
    draw();
  });
  byId("angle-part").hidden = model.coords === 2;
  const { length } = model.clips;
  byId("about").textContent =
    `${length} clip${length === 1 ? "" : "s"}, ${directionCount} directions,` +
    ` windows of ${model.frames} frames, ${model.coords}D. All panels have one scale.`;
  document.addEventListener("keydown", onKey);
  new ResizeObserver(draw).observe(document.querySelector(".stage"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** Arrows and Home on a direction: a fortieth of its range, or back to the source. */
function stepSlider(event, k) {
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
  if (event.key !== "Home" && !(event.key in steps)) return;
  event.preventDefault();
  const wanted = state.offsets[k] + (steps[event.key] * model.reach) / 20;
  setOffset(k, event.key === "Home" ? 0 : Math.max(-model.reach, Math.min(model.reach, wanted)));
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const name = event.target.tagName;
  const ofItsOwn = name === "SELECT" || event.target.type === "range"; // uses arrows itself
  if (event.key === " " && !["SELECT", "BUTTON"].includes(name) && event.target.id !== "canonical") {
    setPlaying(!state.playing);
  } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !ofItsOwn) {
    setPlaying(false);
    setFrame(currentFrame() + (event.key === "ArrowLeft" ? -1 : 1));
  } else if (event.key.toLowerCase() === "c" && name !== "SELECT") {
    setCanonical(!state.canonical);
  } else if (event.key.toLowerCase() === "r" && name !== "SELECT") {
    reset();
  } else {
    return;
  }
  event.preventDefault();
}

makeControls();
choosePair();
setPlaying(!matchMedia("(prefers-reduced-motion: reduce)").matches);
