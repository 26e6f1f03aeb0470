// Layers of images (H, W, C): what each output sees is a window of the image. layers.js says how a
// layer is written; tinynn/layers/windows.py what a window and a tap are.
(() => {
  const size = (shape) => shape.reduce((product, n) => product * n, 1);
  const pair = (value) => (Array.isArray(value) ? value : [value, value]); // (rows, columns)

  // Call see(p, q, tap, pixel) for each window (p, q) and each of its taps that lies in the image.
  // pixel: (h W + w) C, where the tap's channels begin. frame: zeros at the top, at the left.
  function eachTap([H, W, C], [P, Q], [kh, kw], [down, right], [top, left], see) {
    for (let p = 0; p < P; p++) {
      for (let q = 0; q < Q; q++) {
        for (let i = 0; i < kh; i++) {
          const h = down * p + i - top;
          if (h < 0 || h >= H) continue;
          for (let j = 0; j < kw; j++) {
            const w = right * q + j - left;
            if (w >= 0 && w < W) see(p * Q + q, i * kw + j, (h * W + w) * C);
          }
        }
      }
    }
  }

  // How many windows lie along a side, and how many zeros come before it: windows.py, frame_of.
  function windows(length, kernel, stride, padding) {
    const zeros =
      padding === "same"
        ? Math.max((Math.ceil(length / stride) - 1) * stride + kernel - length, 0)
        : 2 * padding;
    return {
      count: Math.floor((length + zeros - kernel) / stride) + 1,
      before: Math.floor(zeros / 2),
    };
  }

  // Sizes, strides, frame and output shape of a convolution or a pool.
  function geometry([H, W], kernel, stride, padding, channels) {
    const [rows, columns] = [
      windows(H, kernel[0], stride[0], padding),
      windows(W, kernel[1], stride[1], padding),
    ];
    return { frame: [rows.before, columns.before], shape: [rows.count, columns.count, channels] };
  }

  function pool(config, shape) {
    const kernel = pair(config.size);
    const stride = pair(config.stride ?? config.size);
    const { frame, shape: outShape } = geometry(shape, kernel, stride, 0, shape[2]);
    return {
      outShape,
      C: shape[2],
      taps: size(kernel),
      each: (see) => eachTap(shape, outShape, kernel, stride, frame, see),
    };
  }

  Object.assign(tinynn.layers, {
    Conv2D: ({ W, b }, config, shape) => {
      const [kernel, stride, C, F] = [
        pair(config.size),
        pair(config.stride),
        shape[2],
        config.filters,
      ];
      const { frame, shape: outShape } = geometry(shape, kernel, stride, config.padding, F);
      const each = (see) => eachTap(shape, outShape, kernel, stride, frame, see);
      const sums = new Float64Array(size(outShape));
      const pixels = new Float64Array(size(shape));
      return {
        shape: outShape,
        // out = sum(window W) + b
        forward(x, out) {
          sums.fill(0);
          each((window, tap, pixel) => {
            for (let c = 0; c < C; c++) {
              const value = x[pixel + c];
              if (value === 0) continue;
              for (let f = 0, at = (tap * C + c) * F, to = window * F; f < F; f++, at++, to++) {
                sums[to] += value * W[at];
              }
            }
          });
          if (b) for (let i = 0; i < sums.length; i++) sums[i] += b[i % F];
          out.set(sums);
        },
        // dx += dout W.T, at each window
        inputGradient(dout, dx) {
          pixels.fill(0);
          each((window, tap, pixel) => {
            for (let c = 0; c < C; c++) {
              let sum = 0;
              for (let f = 0, at = (tap * C + c) * F, from = window * F; f < F; f++, at++, from++) {
                sum += dout[from] * W[at];
              }
              pixels[pixel + c] += sum;
            }
          });
          dx.set(pixels);
        },
      };
    },

    MaxPool2D: (arrays, config, shape) => {
      const { outShape, C, each } = pool(config, shape);
      const winner = new Int32Array(size(outShape)); // where the largest number of each window lies
      const find = (x) => {
        winner.fill(-1);
        each((window, tap, pixel) => {
          for (let c = 0, to = window * C; c < C; c++, to++) {
            if (winner[to] < 0 || x[pixel + c] > x[winner[to]]) winner[to] = pixel + c; // the first
          }
        });
      };
      return {
        shape: outShape,
        // out = max(window)
        forward(x, out) {
          find(x);
          for (let i = 0; i < out.length; i++) out[i] = x[winner[i]];
        },
        // dx = dout at the max of each window
        inputGradient(dout, dx, x) {
          find(x);
          dx.fill(0);
          for (let i = 0; i < dout.length; i++) dx[winner[i]] += dout[i];
        },
      };
    },

    AveragePool2D: (arrays, config, shape) => {
      const { outShape, C, taps, each } = pool(config, shape);
      const sums = new Float64Array(size(outShape));
      return {
        shape: outShape,
        // out = mean(window)
        forward(x, out) {
          sums.fill(0);
          each((window, tap, pixel) => {
            for (let c = 0; c < C; c++) sums[window * C + c] += x[pixel + c];
          });
          for (let i = 0; i < out.length; i++) out[i] = sums[i] / taps;
        },
        // dx = dout / size of a window
        inputGradient(dout, dx) {
          dx.fill(0);
          each((window, tap, pixel) => {
            for (let c = 0; c < C; c++) dx[pixel + c] += dout[window * C + c] / taps;
          });
        },
      };
    },

    GlobalAveragePool2D: (arrays, config, [H, W, C]) => ({
      shape: [C],
      // out = mean(x) of each channel
      forward(x, out) {
        for (let c = 0; c < C; c++) {
          let sum = 0;
          for (let i = c; i < x.length; i += C) sum += x[i];
          out[c] = sum / (H * W);
        }
      },
      // dx = dout / (H W)
      inputGradient(dout, dx) {
        for (let i = 0; i < dx.length; i++) dx[i] = dout[i % C] / (H * W);
      },
    }),
  });
})();
