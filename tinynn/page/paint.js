// Numbers as colours: blue above 0, orange below it (Okabe and Ito), and the page's surface for 0.
(() => {
  const SHADES = 255; // on each side of 0
  const colours = new Uint32Array(2 * SHADES + 1); // of pixels, as a canvas keeps them: ABGR

  // Read the colours of the page: again, when it turns dark.
  tinynn.readColours = function () {
    const style = getComputedStyle(document.documentElement);
    const context = tinynn.element("canvas").getContext("2d");
    const [zero, above, below] = ["surface", "series-0", "series-1"].map((name) => {
      context.fillStyle = style.getPropertyValue(`--${name}`);
      const code = parseInt(context.fillStyle.slice(1), 16); // a canvas says it as #rrggbb
      return [code >> 16, (code >> 8) & 255, code & 255];
    });
    for (let k = -SHADES; k <= SHADES; k++) {
      const end = k < 0 ? below : above;
      const part = Math.abs(k) / SHADES;
      const [red, green, blue] = zero.map((from, i) => Math.round(from + part * (end[i] - from)));
      colours[k + SHADES] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    }
  };

  // Paint the maps of numbers (tall, wide, channels), flat, beside each other, a line between them.
  // The strongest colour is that of the number `limit`. Places without a number stay empty.
  tinynn.paint = function (canvas, numbers, [tall, wide, channels], limit) {
    const columns = Math.min(channels, 8);
    const lines = Math.ceil(channels / columns);
    const [w, h] = [columns * (wide + 1) - 1, lines * (tall + 1) - 1];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const image = new ImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer);
    const factor = SHADES / (limit || 1);
    for (let c = 0; c < channels; c++) {
      const corner = Math.floor(c / columns) * (tall + 1) * w + (c % columns) * (wide + 1);
      for (let i = 0; i < tall; i++) {
        for (let j = 0, at = i * wide * channels + c; j < wide; j++, at += channels) {
          if (at >= numbers.length) break;
          pixels[corner + i * w + j] = colours[Math.round(factor * numbers[at]) + SHADES];
        }
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
})();
