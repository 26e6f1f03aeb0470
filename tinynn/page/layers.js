// The layers, as they are in prediction, for one sample: tinynn/layers/ has the same in Python.
//
//              x  ->  [ layer: W, b ]  ->  out         forward(x, out)
//              dx <-  [   x, out    ]  <-  dout        inputGradient(dout, dx, x, out)
//
// Above each function stands the equation that it repeats: the class's own, word for word (a test
// compares them). Each array is flat: number (h, w, c) of an image (H, W, C) is x[(h W + w) C + c].
// Arrays hold float32, as NumPy's do (or float64 if the model does); a sum is taken in float64 and
// rounded once, so it is nearer to the exact one than NumPy's.
//
// A layer is a function of its arrays, its constructor's arguments and its input's shape.
(() => {
  const size = (shape) => shape.reduce((product, n) => product * n, 1);
  const pair = (value) => (Array.isArray(value) ? value : [value, value]); // (rows, columns)
  const copy = (from, to) => to.set(from);

  // What changes no number in prediction, but perhaps the shape.
  const unchanged = (shape) => ({
    shape,
    changes: false,
    // out = x, a sample in one row; a sample in another shape
    forward: copy,
    // dx = dout, in x's shape
    inputGradient: copy,
  });

  // What changes each number by itself: out = value(x), dx = dout derivative(x, out).
  const elementwise = (shape, value, derivative) => ({
    shape,
    forward(x, out) {
      for (let i = 0; i < x.length; i++) out[i] = value(x[i]);
    },
    inputGradient(dout, dx, x, out) {
      for (let i = 0; i < x.length; i++) dx[i] = dout[i] * derivative(x[i], out[i]);
    },
  });

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

  // erfc(x) for the exact GELU (Abramowitz and Stegun, 1964, equations 7.1.6 and 7.1.14).
  function erfc(x) {
    if (x < 0) return 2 - erfc(-x);
    if (x < 3) {
      let [term, sum] = [x, x];
      for (let n = 1; term > 1e-17 * sum; n++) sum += term *= (2 * x * x) / (2 * n + 1);
      return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
    }
    let fraction = x;
    for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction;
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
  }

  tinynn.layers = {
    Flatten: (arrays, config, shape) => unchanged([size(shape)]),

    Reshape: (arrays, config) => unchanged(config.shape),

    // In prediction out = x: these four act in training alone.
    Dropout: (arrays, config, shape) => unchanged(shape),
    RandomFlip: (arrays, config, shape) => unchanged(shape),
    RandomShift: (arrays, config, shape) => unchanged(shape),
    GaussianNoise: (arrays, config, shape) => unchanged(shape),

    Dense: ({ W, b }, config, [F]) => {
      const U = config.units;
      const sums = new Float64Array(U);
      return {
        shape: [U],
        // out = x W + b
        forward(x, out) {
          sums.fill(0);
          if (b) sums.set(b);
          for (let i = 0; i < F; i++) {
            const value = x[i];
            if (value === 0) continue; // black pixels and inactive units: mostly the half of them
            for (let j = 0, at = i * U; j < U; j++, at++) sums[j] += value * W[at];
          }
          out.set(sums);
        },
        // dx = dout W.T
        inputGradient(dout, dx) {
          for (let i = 0; i < F; i++) {
            let sum = 0;
            for (let j = 0, at = i * U; j < U; j++, at++) sum += dout[j] * W[at];
            dx[i] = sum;
          }
        },
      };
    },

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

    BatchNorm: ({ gamma, beta, running_mean, running_var }, config, shape) => {
      const C = gamma.length;
      const std = running_var.map((value) => Math.sqrt(value + config.epsilon));
      const factor = gamma.map((each, c) => each / std[c]);
      return {
        shape,
        // out = gamma (x - running_mean) / std + beta
        forward(x, out) {
          for (let i = 0, c = 0; i < x.length; i++, c = (c + 1) % C) {
            out[i] = factor[c] * (x[i] - running_mean[c]) + beta[c];
          }
        },
        // dx = dout gamma / std
        inputGradient(dout, dx) {
          for (let i = 0, c = 0; i < dx.length; i++, c = (c + 1) % C) dx[i] = dout[i] * factor[c];
        },
      };
    },

    LayerNorm: ({ gamma, beta }, config, shape) => {
      const F = gamma.length;
      const mean = (row, value) => row.reduce((sum, number, j) => sum + value(number, j), 0) / F;
      // normalised = (x - mean) / std of one row, and its std
      const normalise = (row) => {
        const centre = mean(row, (number) => number);
        const std = Math.sqrt(mean(row, (number) => (number - centre) ** 2) + config.epsilon);
        return { normalised: Float64Array.from(row, (number) => (number - centre) / std), std };
      };
      return {
        shape,
        // out = gamma (x - mean) / std + beta, over each row
        forward(x, out) {
          for (let at = 0; at < x.length; at += F) {
            const { normalised } = normalise(x.subarray(at, at + F));
            for (let j = 0; j < F; j++) out[at + j] = gamma[j] * normalised[j] + beta[j];
          }
        },
        // g = gamma dout, dx = (g - mean(g) - normalised mean(g normalised)) / std
        inputGradient(dout, dx, x) {
          for (let at = 0; at < x.length; at += F) {
            const { normalised, std } = normalise(x.subarray(at, at + F));
            const g = Float64Array.from(gamma, (each, j) => each * dout[at + j]);
            const [first, second] = [
              mean(g, (each) => each),
              mean(g, (each, j) => each * normalised[j]),
            ];
            for (let j = 0; j < F; j++) dx[at + j] = (g[j] - first - normalised[j] * second) / std;
          }
        },
      };
    },

    Rescale: (arrays, { scale, offset }, shape) => {
      // Each is a number, or an array of a sample's shape, or of its last axes: it repeats then.
      const [scales, offsets] = [[scale].flat(Infinity), [offset].flat(Infinity)];
      return {
        shape,
        // out = x scale + offset
        forward(x, out) {
          for (let i = 0; i < x.length; i++) {
            out[i] = x[i] * scales[i % scales.length] + offsets[i % offsets.length];
          }
        },
        // dx = dout scale
        inputGradient(dout, dx) {
          for (let i = 0; i < dx.length; i++) dx[i] = dout[i] * scales[i % scales.length];
        },
      };
    },

    ReLU: (arrays, config, shape) =>
      elementwise(
        shape,
        // out = max(x, 0)
        (x) => Math.max(x, 0),
        // dx = dout where x > 0
        (x) => (x > 0 ? 1 : 0),
      ),

    LeakyReLU: (arrays, { slope }, shape) =>
      elementwise(
        shape,
        // out = max(x, slope x)
        (x) => Math.max(x, slope * x),
        // dx = dout where x > 0, else slope dout
        (x) => (x > 0 ? 1 : slope),
      ),

    ELU: (arrays, { alpha }, shape) =>
      elementwise(
        shape,
        // out = x where x > 0, else alpha (exp(x) - 1)
        (x) => (x > 0 ? x : alpha * Math.expm1(x)),
        // dx = dout where x > 0, else dout alpha exp(x)
        (x) => (x > 0 ? 1 : alpha * Math.exp(x)),
      ),

    GELU: (arrays, { exact }, shape) => {
      const clipped = (x) => Math.min(Math.max(x, -40), 40); // beyond, s is exactly 0 or 1
      const tanhForm = (x) => (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) / 2;
      return exact
        ? elementwise(
            shape,
            // out = x Phi(x)
            (x) => Math.max(x, -40) * (erfc(-clipped(x) / Math.SQRT2) / 2),
            // dx = dout (Phi(x) + x phi(x))
            (x) =>
              erfc(-clipped(x) / Math.SQRT2) / 2 +
              (clipped(x) * Math.exp(-(clipped(x) ** 2) / 2)) / Math.sqrt(2 * Math.PI),
          )
        : elementwise(
            shape,
            // out = x s, s = (1 + tanh(0.79788 (x + 0.044715 x^3))) / 2
            (x) => Math.max(x, -40) * tanhForm(clipped(x)),
            // dx = dout (s + x s'), s' = 1.59577 s (1 - s) (1 + 0.134145 x^2)
            (x) => {
              const [z, s] = [clipped(x), tanhForm(clipped(x))];
              return s + z * 2 * Math.sqrt(2 / Math.PI) * s * (1 - s) * (1 + 3 * 0.044715 * z * z);
            },
          );
    },

    Sigmoid: (arrays, config, shape) =>
      elementwise(
        shape,
        // out = 1 / (1 + exp(-x))
        (x) => 1 / (1 + Math.exp(-x)),
        // dx = dout out (1 - out)
        (x, out) => out * (1 - out),
      ),

    Tanh: (arrays, config, shape) =>
      elementwise(
        shape,
        // out = tanh(x)
        (x) => Math.tanh(x),
        // dx = dout (1 - out^2)
        (x, out) => 1 - out * out,
      ),

    Softmax: (arrays, config, shape) => {
      const C = shape[shape.length - 1];
      return {
        shape,
        // p = exp(x) / sum exp(x)
        forward(x, out) {
          for (let at = 0; at < x.length; at += C) {
            const row = x.subarray(at, at + C);
            const largest = Math.max(...row); // subtracted, so that exp cannot overflow
            const e = Float64Array.from(row, (number) => Math.exp(number - largest));
            const sum = e.reduce((total, each) => total + each, 0);
            for (let j = 0; j < C; j++) out[at + j] = Math.max(e[j] / sum, 1e-30);
          }
        },
        // dx = p * (dout - sum(dout p))
        inputGradient(dout, dx, x, out) {
          for (let at = 0; at < x.length; at += C) {
            let sum = 0;
            for (let j = at; j < at + C; j++) sum += dout[j] * out[j];
            for (let j = at; j < at + C; j++) dx[j] = out[j] * (dout[j] - sum);
          }
        },
      };
    },
  };
})();
