// The pad: a grey picture that one draws with mouse, finger, pen or keys, and takes back.
(() => {
  const STEPS = 100; // that can be taken back
  const ERASER = 32; // the button at a pen's other end (W3C, Pointer Events, section 4.1.1)
  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  // canvas: height x width, which CSS enlarges. cursor: the element that shows the place for keys.
  // brush(): {radius, erase}. changed(): called after each change of `pixels`. says(text): aloud.
  tinynn.pad = function (canvas, cursor, { brush, changed, says }) {
    const { width, height } = canvas;
    const pixels = new Uint8Array(height * width);
    const context = canvas.getContext("2d");
    const before = []; // earlier pictures, the last one at the end
    const place = { row: height >> 1, column: width >> 1 };

    function show() {
      context.putImageData(tinynn.greyImage(pixels, height, width), 0, 0);
      changed();
    }

    function keep() {
      before.push(pixels.slice());
      if (before.length > STEPS) before.shift();
    }

    // A soft dot: full within the radius, and fading over the pixel around it.
    function dot(row, column, erase) {
      const { radius } = brush();
      const reach = Math.ceil(radius + 1);
      for (
        let i = Math.max(0, Math.floor(row) - reach);
        i <= Math.min(height - 1, row + reach);
        i++
      ) {
        for (
          let j = Math.max(0, Math.floor(column) - reach);
          j <= Math.min(width - 1, column + reach);
          j++
        ) {
          const distance = Math.hypot(i + 0.5 - row, j + 0.5 - column);
          const light = Math.round(255 * Math.min(Math.max(radius + 0.5 - distance, 0), 1));
          const at = i * width + j;
          pixels[at] = erase ? Math.min(pixels[at], 255 - light) : Math.max(pixels[at], light);
        }
      }
    }

    // A line of dots, half a pixel apart, from one place to another.
    function line(from, to, erase) {
      const count = Math.ceil(2 * Math.hypot(to.row - from.row, to.column - from.column)) || 1;
      for (let k = 1; k <= count; k++) {
        const part = k / count;
        dot(
          from.row + part * (to.row - from.row),
          from.column + part * (to.column - from.column),
          erase,
        );
      }
    }

    function placeOf(event) {
      const box = canvas.getBoundingClientRect();
      return {
        row: ((event.clientY - box.top) / box.height) * height,
        column: ((event.clientX - box.left) / box.width) * width,
      };
    }

    let stroke = null; // the last place of a stroke that goes on
    const erases = (event) => brush().erase || (event.buttons & ERASER) !== 0;

    canvas.addEventListener("pointerdown", (event) => {
      const draws = event.button === 0 || event.buttons & ERASER;
      if (!event.isPrimary || !draws) return;
      canvas.setPointerCapture(event.pointerId);
      keep();
      stroke = placeOf(event);
      dot(stroke.row, stroke.column, erases(event));
      show();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!stroke || !event.isPrimary) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) {
        const next = placeOf(each);
        line(stroke, next, erases(event));
        stroke = next;
      }
      show();
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => {
        stroke = null;
      });

    function showCursor() {
      cursor.style.left = `${(100 * (place.column + 0.5)) / width}%`;
      cursor.style.top = `${(100 * (place.row + 0.5)) / height}%`;
      cursor.style.width = `${(100 * (2 * brush().radius + 1)) / width}%`;
    }

    canvas.addEventListener("focus", showCursor);
    canvas.addEventListener("keydown", (event) => {
      const from = { row: place.row + 0.5, column: place.column + 0.5 };
      if (event.key in MOVES) {
        const [down, right] = MOVES[event.key];
        place.row = Math.min(Math.max(place.row + down, 0), height - 1);
        place.column = Math.min(Math.max(place.column + right, 0), width - 1);
        showCursor();
        says(`row ${place.row + 1}, column ${place.column + 1}`);
        if (event.shiftKey) {
          if (!event.repeat) keep();
          line(from, { row: place.row + 0.5, column: place.column + 0.5 }, brush().erase);
          show();
        }
      } else if (event.key === " " || event.key === "Delete" || event.key === "Backspace") {
        keep();
        dot(from.row, from.column, event.key !== " " || brush().erase);
        show();
      } else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
        undo();
      } else {
        return;
      }
      event.preventDefault(); // the page would scroll
    });

    function begin(values) {
      pixels.set(values);
      show();
    }

    function set(values) {
      keep();
      begin(values);
    }

    function undo() {
      if (!before.length) return;
      pixels.set(before.pop());
      show();
    }

    return { pixels, begin, set, undo, showCursor, canUndo: () => before.length > 0 };
  };

  // Bytes as an image of a canvas: 0 black, 255 white.
  tinynn.greyImage = function (pixels, height, width) {
    const image = new ImageData(width, height);
    pixels.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
    return image;
  };
})();
