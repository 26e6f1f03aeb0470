// Activations: each changes every number by itself. layers.js says how a layer is written.
(() => {
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

  Object.assign(tinynn.layers, {
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
  });
})();
