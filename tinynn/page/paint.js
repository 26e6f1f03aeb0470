// Numbers as colours: blue above 0, orange below it (Okabe and Ito), and the page's surface for 0.
(() => {
  let colours;

  // Read the colours of the page: again, when it turns dark.
  tinynn.readColours = function () {
    const style = getComputedStyle(document.documentElement);
    const context = tinynn.element("canvas").getContext("2d");
    const [zero, above, below] = ["surface", "series-0", "series-1"].map((name) => {
      context.fillStyle = style.getPropertyValue(`--${name}`);
      const code = parseInt(context.fillStyle.slice(1), 16); // a canvas says it as #rrggbb
      return [code >> 16, (code >> 8) & 255, code & 255];
    });
    const mixed = (end, part) => zero.map((from, i) => Math.round(from + part * (end[i] - from)));
    colours = Array.from({ length: 511 }, (_, i) =>
      mixed(i < 255 ? below : above, Math.abs(i - 255) / 255),
    );
  };

  // part: from -1 to 1
  function colour(part) {
    return colours[Math.round(255 * Math.min(Math.max(part || 0, -1), 1)) + 255];
  }

  // Paint maps of tall x wide numbers beside each other, a line between them. The strongest colour
  // is that of the number `limit`.
  tinynn.paint = function (canvas, maps, tall, wide, limit) {
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
  };
})();
