"use strict";

// The decoder and what brings its output to poses, as in Python. Nothing here knows the page.

/** Values of {shape, base64}, float32, little-endian as every browser's machine. */
function unpack(packed) {
  const text = atob(packed.base64);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/** The page's content with arrays instead of packed ones; shapes under "shapes" of their owner. */
function unpackAll(content) {
  if (Array.isArray(content)) return content.map(unpackAll);
  if (content === null || typeof content !== "object") return content;
  const result = { shapes: {} };
  for (const [name, value] of Object.entries(content)) {
    const isPacked = value !== null && typeof value === "object" && "base64" in value;
    result[name] = isPacked ? unpack(value) : unpackAll(value);
    if (isPacked) result.shapes[name] = value.shape;
  }
  return result;
}

/** Nearest upsampling by 2, reflection padding, convolution: [steps, in] to [2 steps, out]. */
function upsampleConvolve(x, steps, layer) {
  const [size, inputs, outputs] = layer.shapes.kernel;
  const { kernel, bias } = layer;
  const length = 2 * steps;
  const result = new Float64Array(length * outputs);
  for (let t = 0; t < length; t++) {
    const to = t * outputs;
    for (let o = 0; o < outputs; o++) result[to + o] = bias[o];
    for (let k = 0; k < size; k++) {
      let from = t + k - (size >> 1);
      if (from < 0) from = -from;
      if (from >= length) from = 2 * length - 2 - from;
      from = (from >> 1) * inputs;
      for (let i = 0; i < inputs; i++) {
        const value = x[from + i];
        const row = (k * inputs + i) * outputs;
        for (let o = 0; o < outputs; o++) result[to + o] += value * kernel[row + o];
      }
    }
  }
  return result;
}

/** D_Pose(r_m + r_c) of one window: motion [steps, channels], character [channels] to
 * [8 steps, joints x coords], in model-output units. */
function decode(model, motion, character) {
  const channels = character.length;
  let steps = motion.length / channels;
  let x = Float64Array.from(motion, (value, index) => value + character[index % channels]);
  model.decoder.forEach((layer, index) => {
    x = upsampleConvolve(x, steps, layer);
    steps *= 2;
    if (index < model.decoder.length - 1) x = x.map((value) => (value < 0 ? 0.2 * value : value));
  });
  return x;
}

/** Undoes the standardisation and, where the model has it, the root-relative form of a window. */
function placeWindow(model, decoded) {
  const { coords, root, mean, deviation } = model;
  const row = model.joints.length * coords;
  const placed = decoded.map((value, i) => value * deviation[i % row] + mean[i % row]);
  if (root === null) return placed;
  const frames = placed.length / row;
  for (let c = 0; c < coords; c++) {
    const path = new Float64Array(frames); // the sum of the root's moves, its middle at 0
    for (let t = 1; t < frames; t++) path[t] = path[t - 1] + placed[t * row + root * coords + c];
    const middle = path.reduce((a, b) => a + b, 0) / frames;
    for (let t = 0; t < frames; t++) {
      const at = path[t] - middle;
      for (let j = 0; j < model.joints.length; j++) {
        const index = t * row + j * coords + c;
        placed[index] = j === root ? at : placed[index] + at;
      }
    }
  }
  return placed;
}

/** r_c [channels] of magnitudes [K]: the dictionary's directions, weighted and summed. */
function characterOf(model, magnitudes) {
  const [channels, count] = model.shapes.directions;
  const character = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    for (let k = 0; k < count; k++) character[c] += model.directions[c * count + k] * magnitudes[k];
  }
  return character;
}

/** Which rows of which windows make a frame: [window, row, weight] with weights of sum 1. */
function partsOfFrame(model, driver, frame) {
  const frames = driver.shapes.poses[0];
  if (model.sampling === "resample") {
    const position = (frame * (model.frames - 1)) / (frames - 1);
    const low = Math.min(Math.floor(position), model.frames - 2);
    if (low < 0) return [[0, 0, 1]];
    return [[0, low, 1 - position + low], [0, low + 1, position - low]];
  }
  const inside = Math.min(model.frames, frames); // a short clip is repeated: its first pass counts
  const parts = [];
  let end = 0; // of the windows so far
  driver.starts.forEach((start, window) => {
    const row = frame - start;
    if (row >= 0 && row < inside) {
      const share = fadeAt(row, end - start);
      for (const part of parts) part[2] *= 1 - share;
      parts.push([window, row, share]);
    }
    end = start + inside;
  });
  return parts;
}

/** How much a window counts in a row of it, where it overlaps by so many rows with those before. */
function fadeAt(row, overlap) {
  if (row >= overlap) return 1;
  const t = (row + 0.5) / overlap;
  return t ** 4 * (35 - 84 * t + 70 * t ** 2 - 20 * t ** 3);
}

/** The driver's motion with a character: a function from frame to pose [joints x coords].
 * Windows are decoded when a frame asks for them, so that a moved slider shows at once. */
function decodeOnto(model, driver, character) {
  const { coords } = model;
  const joints = model.joints.length;
  const row = joints * coords;
  const size = driver.motion.length / driver.starts.length;
  const windows = new Map();

  function windowAt(index) {
    if (!windows.has(index)) {
      const motion = driver.motion.subarray(index * size, (index + 1) * size);
      windows.set(index, placeWindow(model, decode(model, motion, character)));
    }
    return windows.get(index);
  }

  return function poseAt(frame) {
    const pose = new Float64Array(row);
    for (const [index, at, weight] of partsOfFrame(model, driver, frame)) {
      const placed = windowAt(index);
      for (let i = 0; i < row; i++) {
        pose[i] += weight * (placed[at * row + i] + driver.way[index * coords + (i % coords)]);
      }
    }
    const result = new Float64Array(row); // trunk joints as the layout defines them by the limbs
    for (let to = 0; to < joints; to++) {
      for (let from = 0; from < joints; from++) {
        const share = model.redefined[to * joints + from];
        if (share === 0) continue;
        for (let c = 0; c < coords; c++) result[to * coords + c] += share * pose[from * coords + c];
      }
    }
    return result;
  };
}

