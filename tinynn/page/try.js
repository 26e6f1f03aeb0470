// The network, to try: a picture goes in; probabilities, reasons and activations are shown at once.
//
//     pad, picture file, test image -> pixels -> network.forward -> bars, layers
//                                                network.logitGradient -> the map of reasons
(() => {
  const section = document.getElementById("network");
  const data = tinynn.data("network");
  if (!section || !data) return; // the section then says why there is no network

  const find = (name) => section.querySelector(".try-" + name);
  const { names, labels, height, width } = data;
  const area = height * width;
  const BLACK = 32; // of 255: a picture whose pixels are all below holds no object
  const PAUSE = 600; // milliseconds without a change, after which a screen reader hears the answer
  const AUTOMATIC = "answer"; // the class to explain: the one that the network says

  let network;
  let images;
  try {
    network = tinynn.network(tinynn.bytes(data.model));
    images = tinynn.bytes(data.images);
  } catch (error) {
    const problem = find("problem");
    const remedy = "The page is damaged; write it again.";
    problem.textContent = `The network in this page cannot be read: ${error.message}. ${remedy}`;
    problem.hidden = false;
    return;
  }
  section.querySelector(".try").hidden = false;

  // ---- colours: a number as a mixture of the surface with blue (above 0) or orange (below 0)

  let colours;
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const [zero, above, below] = ["surface", "series-0", "series-1"].map((name) => {
      const code = parseInt(
        style
          .getPropertyValue("--" + name)
          .trim()
          .slice(1),
        16,
      );
      return [code >> 16, (code >> 8) & 255, code & 255];
    });
    const mixed = (end, part) => zero.map((from, i) => Math.round(from + part * (end[i] - from)));
    colours = Array.from({ length: 511 }, (_, i) =>
      mixed(i < 255 ? below : above, Math.abs(i - 255) / 255),
    );
  }
  // part: from -1 to 1
  const colour = (part) => colours[Math.round(255 * Math.min(Math.max(part, -1), 1)) + 255];

  const largest = (numbers) =>
    numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
  const percent = (p) => `${(100 * p).toFixed(1)} %`;
  const short = (x) =>
    x.toFixed(Math.abs(x) < 10 ? 2 : Math.abs(x) < 100 ? 1 : 0).replace("-", "−");

  // ---- the answer

  const rows = names.map((name, k) => {
    const bar = tinynn.element("span", { class: "try-bar" });
    const share = tinynn.element("td", { class: "try-share" });
    const row = tinynn.element(
      "tr",
      {},
      tinynn.element("th", { scope: "row", title: name }, name), // a long name is cut on the screen
      tinynn.element("td", { class: "try-track" }, bar),
      share,
    );
    row.addEventListener("click", () => explain(String(k)));
    find("bars").tBodies[0].append(row);
    return { row, bar, share };
  });

  // The output as probabilities: of a network that ends in logits, their softmax.
  const gives = network.layers[network.layers.length - 1].kind;
  find("logits").hidden = gives === "Softmax" || gives === "Sigmoid";
  function probabilities(pixels) {
    const out = network.forward(Float32Array.from(pixels, (byte) => (byte / 255) * data.white));
    if (find("logits").hidden) return out;
    const most = Math.max(...out);
    const e = out.map((z) => Math.exp(z - most));
    return e.map((each) => each / e.reduce((sum, other) => sum + other, 0));
  }

  let label = null; // of the test image that is shown, unchanged
  let spoken;

  function answer() {
    const p = probabilities(pad.pixels);
    const best = p.indexOf(Math.max(...p));
    const empty = pad.pixels.every((byte) => byte <= BLACK);
    find("best").firstElementChild.textContent = empty ? "Nothing to see" : names[best];
    find("best").lastElementChild.textContent = empty ? "" : percent(p[best]);
    find("truth").textContent = truth(best, empty);
    rows.forEach(({ row, bar, share }, k) => {
      bar.style.width = percent(p[k]).replace(" ", "");
      share.textContent = percent(p[k]);
      row.classList.toggle("try-first", k === best && !empty);
    });
    showReasons(best);
    showLayers();
    find("undo").disabled = !pad.canUndo();
    clearTimeout(spoken);
    const says = empty ? "" : `The network says ${names[best]}, ${percent(p[best])}. `;
    spoken = setTimeout(() => tinynn.announce(says + find("truth").textContent), PAUSE);
  }

  function truth(best, empty) {
    if (empty) return "Its answer to a black picture means nothing.";
    if (label === null) return "";
    return `Its label: ${names[label]}. The network is ${label === best ? "right" : "wrong"}.`;
  }

  let asked = false; // at most one answer for each frame on the screen
  function changed() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      answer();
    });
  }

  // ---- which pixels speak for a class: each pixel times the gradient of the class's logit by it

  const select = find("class select");
  select.append(tinynn.element("option", { value: AUTOMATIC }, "the one it says"));
  names.forEach((name, k) => select.append(tinynn.element("option", { value: k }, name)));
  select.addEventListener("change", changed);

  // A click on a row: this class, or again the one that the network says.
  function explain(choice) {
    select.value = select.value === choice ? AUTOMATIC : choice;
    changed();
  }

  function showReasons(best) {
    const k = select.value === AUTOMATIC ? best : Number(select.value);
    const gradient = network.logitGradient(k);
    const reasons = Float64Array.from(
      gradient,
      (slope, i) => (slope * pad.pixels[i] * data.white) / 255,
    );
    const limit = largest(reasons);
    paint(find("map"), [reasons], height, width, limit);
    find("whom").textContent = names[k];
    find("least").textContent = limit ? `−${short(limit)} against` : "against";
    find("most").textContent = limit ? `for +${short(limit)}` : "for";
    rows.forEach(({ row }, each) => row.classList.toggle("try-explained", each === k));
    find("map").setAttribute(
      "aria-label",
      `Which pixels speak for ${names[k]}: ${inWords(reasons)}`,
    );
  }

  // For those who do not see the map: what the pixels of each part of the picture add to the logit.
  function inWords(reasons) {
    const parts = { "upper left": 0, "upper right": 0, "lower left": 0, "lower right": 0 };
    reasons.forEach((value, i) => {
      const row = i < area / 2 ? "upper" : "lower";
      const column = i % width < width / 2 ? "left" : "right";
      parts[`${row} ${column}`] += value;
    });
    return (
      Object.entries(parts)
        .map(([side, sum]) => `${side} ${short(sum)}`)
        .join(", ") + "."
    );
  }

  // ---- layer by layer

  // Paint maps of height x width numbers beside each other, a line between them.
  function paint(canvas, maps, tall, wide, limit) {
    const columns = Math.min(maps.length, 8);
    const lines = Math.ceil(maps.length / columns);
    const [w, h] = [columns * (wide + 1) - 1, lines * (tall + 1) - 1];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const image = new ImageData(w, h);
    maps.forEach((map, m) => {
      const [top, left] = [Math.floor(m / columns) * (tall + 1), (m % columns) * (wide + 1)];
      for (let i = 0; i < tall; i++) {
        for (let j = 0, at = 4 * ((top + i) * w + left); j < wide; j++, at += 4) {
          const [red, green, blue] = colour(map[i * wide + j] / (limit || 1));
          image.data[at] = red;
          image.data[at + 1] = green;
          image.data[at + 2] = blue;
          image.data[at + 3] = 255;
        }
      }
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // The numbers of a layer as maps: (H, W, C) has C of them, (H, W) is one; units, in lines of 64.
  function mapsOf(out, shape) {
    if (shape.length === 1) {
      const wide = Math.min(shape[0], 64);
      return { maps: [out], tall: Math.ceil(shape[0] / wide), wide };
    }
    const [tall, wide, channels = 1] = shape;
    const map = (c) => Float32Array.from({ length: tall * wide }, (_, i) => out[i * channels + c]);
    return { maps: Array.from({ length: channels }, (_, c) => map(c)), tall, wide };
  }

  // A layer has a picture and a line of numbers, unless it changes nothing in prediction.
  const shows = network.layers.flatMap((layer, k) => {
    if (!layer.changes) return [];
    const canvas = tinynn.element("canvas", { role: "img" });
    const numbers = tinynn.element("span", { class: "try-numbers" });
    const head = tinynn.element(
      "p",
      {},
      tinynn.element("b", {}, layer.name),
      " ",
      tinynn.element("span", { class: "try-shape" }, layer.shape.join(" × ")),
      " ",
      tinynn.element("code", {}, data.equations[k]),
      numbers,
    );
    find("layers").append(tinynn.element("li", {}, head, canvas));
    return [{ layer, k, canvas, numbers }];
  });
  const same = network.layers.filter((layer) => !layer.changes).map((layer) => layer.name);
  find("same").textContent = same.length
    ? `No number changes here, in prediction: ${same.join(", ")}.`
    : "";

  const COUNTED = ["ReLU", "LeakyReLU", "ELU"]; // a unit above 0 is active
  function inNumbers(kind, out) {
    const count = out.length.toLocaleString("en");
    const active = out.reduce((sum, number) => sum + (number > 0), 0);
    if (COUNTED.includes(kind)) {
      const share = Math.round((100 * active) / out.length);
      return `${active.toLocaleString("en")} of ${count} active, ${share} %`;
    }
    const least = out.reduce((low, number) => Math.min(low, number), Infinity);
    const most = out.reduce((high, number) => Math.max(high, number), -Infinity);
    return `from ${short(least)} to ${short(most)}`;
  }

  function showLayers() {
    for (const { layer, k, canvas, numbers } of shows) {
      const out = network.outs[k];
      const { maps, tall, wide } = mapsOf(out, layer.shape);
      paint(canvas, maps, tall, wide, largest(out));
      const pixel = layer.shape.length > 1 ? 3 : wide < 64 ? 24 : 12; // at most, on the screen
      canvas.style.width = `min(100%, ${pixel * canvas.width}px)`;
      numbers.textContent = inNumbers(layer.kind, out);
      canvas.setAttribute("aria-label", `${layer.name}: ${numbers.textContent}`);
    }
  }

  // ---- test images: one stop of the Tab key; arrows move from image to image

  const image = (n) => images.subarray(n * area, (n + 1) * area);
  const buttons = labels.map((name, n) => {
    const canvas = tinynn.element("canvas", { width, height });
    canvas.getContext("2d").putImageData(tinynn.greyImage(image(n), height, width), 0, 0);
    const text = `Test image ${n + 1}: ${names[name]}`;
    const button = tinynn.element(
      "button",
      { type: "button", "aria-label": text, title: text, "aria-pressed": "false", tabindex: -1 },
      canvas,
    );
    button.addEventListener("click", () => choose(n));
    return button;
  });
  find("images").append(...buttons);

  function choose(n, begins = false) {
    (begins ? pad.begin : pad.set)(image(n)); // what the page begins with cannot be taken back
    label = labels[n];
    note("");
    mark(n);
  }

  function mark(chosen) {
    buttons.forEach((button, n) => button.setAttribute("aria-pressed", String(n === chosen)));
    if (chosen !== null) stopAt(buttons[chosen]);
  }

  function stopAt(button) {
    for (const each of buttons) each.tabIndex = -1;
    button.tabIndex = 0;
  }

  const shown = () => buttons.filter((button) => !button.hidden);
  const STEPS = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: 0,
    ArrowUp: 0,
    Home: -Infinity,
    End: Infinity,
  };
  find("images").addEventListener("keydown", (event) => {
    const list = shown();
    const at = list.indexOf(document.activeElement);
    if (at < 0 || !(event.key in STEPS)) return;
    const inRow = list.filter((button) => button.offsetTop === list[0].offsetTop).length;
    const step = { ArrowDown: inRow, ArrowUp: -inRow }[event.key] ?? STEPS[event.key];
    const next = list[Math.min(Math.max(at + step, 0), list.length - 1)];
    stopAt(next);
    next.focus();
    event.preventDefault();
  });

  const filter = find("filter select");
  const [ALL, WRONG] = ["all", "wrong"];
  filter.append(
    tinynn.element("option", { value: ALL }, "all classes"),
    tinynn.element("option", { value: WRONG }, "those it gets wrong"),
  );
  names.forEach((name, k) => filter.append(tinynn.element("option", { value: k }, name)));
  filter.addEventListener("change", () => {
    const fits =
      {
        [ALL]: () => true,
        [WRONG]: (n) => answerOf(n) !== labels[n],
      }[filter.value] ?? ((n) => labels[n] === Number(filter.value));
    buttons.forEach((button, n) => {
      button.hidden = !fits(n);
    });
    countImages();
  });

  function answerOf(n) {
    const p = probabilities(image(n));
    return p.indexOf(Math.max(...p));
  }

  function countImages() {
    const list = shown();
    find("count").textContent = `${list.length} of ${buttons.length} images`;
    find("random").disabled = !list.length;
    if (list.length && !list.some((button) => button.tabIndex === 0)) stopAt(list[0]);
  }

  find("random").addEventListener("click", () => {
    const list = shown();
    const button = list[Math.floor(Math.random() * list.length)];
    button.click();
    button.scrollIntoView({ block: "nearest" });
  });

  // ---- the picture: drawn, from a file, or dropped

  const range = find("brush input");
  const pad = tinynn.pad(find("pad"), find("cursor"), {
    brush: () => ({ radius: Number(range.value), erase: find("erase input").checked }),
    says: tinynn.announce,
    changed() {
      label = null;
      mark(null);
      find("hint").hidden = pad.pixels.some((byte) => byte);
      changed();
    },
  });

  range.addEventListener("input", () => {
    range.setAttribute("aria-valuetext", `${2 * range.value} pixels wide`);
    pad.showCursor();
  });
  find("undo").addEventListener("click", pad.undo);
  find("clear").addEventListener("click", () => {
    note("");
    pad.set(new Uint8Array(area));
  });

  function note(text) {
    find("note").textContent = text;
  }

  async function take(file) {
    try {
      const { pixels, note: done } = await tinynn.readPicture(file, height, width);
      pad.set(pixels);
      note(`${file.name}: ${done}`);
    } catch {
      note(`${file.name} cannot be read as a picture. This browser reads PNG, JPEG, GIF and WebP.`);
    }
    tinynn.announce(find("note").textContent);
  }

  find("file input").addEventListener("change", (event) => {
    if (event.target.files.length) take(event.target.files[0]);
  });
  // Anywhere on the page, because a browser leaves the page for a file that is dropped beside.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    section.classList.toggle("try-dropping", section.contains(event.target));
  });
  document.addEventListener("dragleave", () => section.classList.remove("try-dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    section.classList.remove("try-dropping");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });

  find("save button").addEventListener("click", () =>
    tinynn.save(data.file, tinynn.bytes(data.model)),
  );

  // ---- begin with the first test image

  readColours();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    changed();
  });
  countImages();
  if (labels.length) choose(0, true);
  else changed();
})();
