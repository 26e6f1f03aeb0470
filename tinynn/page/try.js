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

  const percent = (p) => `${(100 * p).toFixed(1)} %`;
  const sure = (p) => (p > 0.999 ? "> 99.9 %" : percent(p)); // no answer is 100 % sure
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

  const likeliest = (p) => Math.max(p.indexOf(Math.max(...p)), 0); // not -1 for NaN

  let label = null; // of the test image that is shown, unchanged
  let spoken;
  let begun = false; // what the page begins with is not spoken: nobody has asked

  function answer() {
    const p = probabilities(pad.pixels);
    const best = likeliest(p);
    const empty = pad.pixels.every((byte) => byte <= BLACK);
    find("best").firstElementChild.textContent = empty ? "Nothing to see" : names[best];
    find("best").lastElementChild.textContent = empty ? "" : sure(p[best]);
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
    const says = empty ? "" : `The network says ${names[best]}, ${sure(p[best])}. `;
    const said = () => tinynn.announce(says + find("truth").textContent);
    if (begun) spoken = setTimeout(said, PAUSE);
    begun = true;
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
    const limit = extent(reasons).largest;
    tinynn.paint(find("map"), reasons, [height, width, 1], limit);
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

  // The smallest and the largest number, the largest without its sign, and how many are above 0.
  function extent(numbers) {
    let [least, most, active] = [Infinity, -Infinity, 0];
    for (let i = 0; i < numbers.length; i++) {
      if (numbers[i] < least) least = numbers[i];
      if (numbers[i] > most) most = numbers[i];
      if (numbers[i] > 0) active += 1;
    }
    return { least, most, active, largest: Math.max(-least, most) };
  }

  // How the numbers of a layer lie: maps (H, W, C); one of (H, W); of units, lines of 64.
  function placesOf(shape) {
    if (shape.length > 1) return [shape[0], shape[1], shape[2] ?? 1];
    const wide = Math.min(shape[0], 64);
    return [Math.ceil(shape[0] / wide), wide, 1];
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
  function inNumbers(kind, count, { least, most, active }) {
    if (!COUNTED.includes(kind)) return `from ${short(least)} to ${short(most)}`;
    const [some, all] = [active, count].map((number) => number.toLocaleString("en"));
    return `${some} of ${all} active, ${Math.round((100 * active) / count)} %`;
  }

  function showLayers() {
    for (const { layer, k, canvas, numbers } of shows) {
      const out = network.outs[k];
      const places = placesOf(layer.shape);
      const measured = extent(out);
      tinynn.paint(canvas, out, places, measured.largest);
      const pixel = layer.shape.length > 1 ? 3 : places[1] < 64 ? 24 : 12; // at most, on the screen
      canvas.style.width = `min(100%, ${pixel * canvas.width}px)`;
      numbers.textContent = inNumbers(layer.kind, out.length, measured);
      canvas.setAttribute("aria-label", `${layer.name}: ${numbers.textContent}`);
    }
  }

  // ---- test images

  const image = (n) => images.subarray(n * area, (n + 1) * area);
  const answerOf = (n) => likeliest(probabilities(image(n)));
  const gallery = tinynn.gallery({ find, data, image, answerOf, choose });

  function choose(n, begins = false) {
    (begins ? pad.begin : pad.set)(image(n)); // what the page begins with cannot be taken back
    label = labels[n];
    note("");
    gallery.mark(n);
  }

  // ---- the picture: drawn, from a file, or dropped

  const range = find("brush input");
  const pad = tinynn.pad(find("pad"), find("cursor"), {
    brush: () => ({ radius: Number(range.value), erase: find("erase input").checked }),
    says: tinynn.announce,
    changed() {
      label = null;
      gallery.mark(null);
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
    event.target.value = ""; // so that the same file can be opened again
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

  tinynn.readColours();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    tinynn.readColours();
    changed();
  });
  if (labels.length) choose(0, true);
  else changed();
})();
