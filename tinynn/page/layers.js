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
// A layer is a function of its arrays, its constructor's arguments and its input's shape. Two files
// add theirs: convolution.js and activations.js.
(() => {
  const size = (shape) => shape.reduce((product, n) => product * n, 1);
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
