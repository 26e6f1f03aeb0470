// Any picture as the network's input: grey, light on dark, cropped to the object and scaled down,
// by the same steps as examples/predict_image.py, which has the reasons.
(() => {
  const FAINT = 32; // of 255: a smaller difference from the background is noise of the camera
  const LARGEST = 16_000_000; // pixels: what a canvas holds on a phone; a larger picture is reduced

  // {pixels: height x width bytes, note: what was done, in words}. Rejects what is no picture.
  tinynn.readPicture = async function (file, height, width) {
    const bitmap = await createImageBitmap(file);
    const reduction = Math.min(1, Math.sqrt(LARGEST / (bitmap.width * bitmap.height)));
    const sides = [bitmap.height, bitmap.width].map((side) =>
      Math.max(1, Math.floor(side * reduction)),
    );
    const canvas = tinynn.element("canvas", { width: sides[1], height: sides[0] });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white"; // behind what is transparent
    context.fillRect(0, 0, sides[1], sides[0]);
    context.drawImage(bitmap, 0, 0, sides[1], sides[0]);
    bitmap.close();
    return tinynn.asInput(context.getImageData(0, 0, sides[1], sides[0]), height, width);
  };

  tinynn.asInput = function ({ data, width: columns, height: rows }, height, width) {
    const grey = new Uint8Array(rows * columns);
    for (let i = 0; i < grey.length; i++) {
      grey[i] =
        (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 32768) >> 16;
    }
    let background = median(border(grey, rows, columns));
    const inverted = background > 127;
    if (inverted) {
      for (let i = 0; i < grey.length; i++) grey[i] = 255 - grey[i];
      background = 255 - background;
    }
    const turned = inverted ? "Turned into light on dark, because its background is light. " : "";
    if (rows === height && columns === width) {
      return { pixels: grey, note: `${turned}It has the network's size already.` };
    }

    const above = grey.map((value) => Math.max(value - background, 0));
    const factor =
      255 /
      Math.max(
        1,
        above.reduce((most, value) => Math.max(most, value), 0),
      );
    const object = box(above, rows, columns, FAINT / factor);
    if (!object) {
      const note = `${turned}No object stands out from the background; the answer means nothing.`;
      return { pixels: new Uint8Array(height * width), note };
    }
    const cropped = cut(above, columns, object).map((value) => Math.floor(value * factor));
    const [tall, wide] = [object.bottom - object.top, object.right - object.left];
    const scale = Math.min(height / tall, width / wide);
    const [h, w] = [tall, wide].map((side) => Math.max(1, Math.round(side * scale)));
    const small = resized(cropped, tall, wide, h, w);
    const pixels = new Uint8Array(height * width);
    const [top, left] = [(height - h) >> 1, (width - w) >> 1];
    for (let i = 0; i < h; i++)
      pixels.set(small.subarray(i * w, (i + 1) * w), (top + i) * width + left);
    return {
      pixels,
      note: `${turned}Made grey, cropped to the object, scaled to ${width} × ${height} pixels.`,
    };
  };

  // The pixels along the four sides, the corners twice.
  function border(grey, rows, columns) {
    const along = [...grey.subarray(0, columns), ...grey.subarray((rows - 1) * columns)];
    for (let i = 0; i < rows; i++) along.push(grey[i * columns], grey[(i + 1) * columns - 1]);
    return along;
  }

  function median(values) {
    values.sort((a, b) => a - b);
    const middle = values.length / 2; // their number is even
    return (values[middle - 1] + values[middle]) >> 1;
  }

  // The rows and columns between which the pixels above a value lie; null if there is none.
  function box(values, rows, columns, least) {
    let [top, bottom, left, right] = [rows, 0, columns, 0];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        if (values[i * columns + j] <= least) continue;
        [top, bottom] = [Math.min(top, i), Math.max(bottom, i + 1)];
        [left, right] = [Math.min(left, j), Math.max(right, j + 1)];
      }
    }
    return bottom ? { top, bottom, left, right } : null;
  }

  function cut(values, columns, { top, bottom, left, right }) {
    const part = new Uint8Array((bottom - top) * (right - left));
    for (let i = top; i < bottom; i++) {
      part.set(
        values.subarray(i * columns + left, i * columns + right),
        (i - top) * (right - left),
      );
    }
    return part;
  }

  // An image in another size, by Lanczos' filter of three lobes: along the rows, then the columns.
  // (Turkowski, Filters for Common Resampling Tasks, 1990; Pillow's resize does the same.)
  function resized(image, rows, columns, h, w) {
    return transposed(along(transposed(along(image, rows, columns, w), rows, w), w, rows, h), w, h);
  }

  // Each row, `length` numbers, with `wanted` numbers.
  function along(image, rows, length, wanted) {
    const out = new Uint8Array(rows * wanted);
    const scale = length / wanted;
    const stretch = Math.max(scale, 1); // a picture that shrinks is smoothed
    for (let j = 0; j < wanted; j++) {
      const centre = (j + 0.5) * scale;
      const first = Math.max(0, Math.floor(centre - 3 * stretch + 0.5));
      const last = Math.min(length, Math.floor(centre + 3 * stretch + 0.5));
      const weights = [];
      for (let k = first; k < last; k++) weights.push(lanczos((k + 0.5 - centre) / stretch));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let i = 0; i < rows; i++) {
        let sum = 0;
        for (let k = first; k < last; k++) sum += weights[k - first] * image[i * length + k];
        out[i * wanted + j] = Math.min(Math.max(Math.floor(sum / total + 0.5), 0), 255);
      }
    }
    return out;
  }

  function lanczos(x) {
    const sinc = (z) => (z === 0 ? 1 : Math.sin(Math.PI * z) / (Math.PI * z));
    return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
  }

  function transposed(image, rows, columns) {
    const out = new Uint8Array(image.length);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) out[j * rows + i] = image[i * columns + j];
    }
    return out;
  }
})();
