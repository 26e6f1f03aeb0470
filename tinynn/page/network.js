// The network of the page, built from the bytes of model.npz. It answers one sample at a time.
//
//              x -> layers[0] -> layers[1] -> ... -> p          forward(x)
//             dx <- layers[0] <- layers[1] <- ... <- dp         inputGradient(dp)
//
// tinynn/model.py has the same in Python; what each layer does stands in layers.js.
(() => {
  const NUMBERS = { float32: Float32Array, float64: Float64Array };

  tinynn.network = function (bytes) {
    const arrays = tinynn.readNpz(bytes);
    const architecture = JSON.parse(arrays.architecture);
    const Numbers = NUMBERS[architecture.dtype];
    const inputShape = architecture.input_shape.map(Number);
    let [shape, outs, gradients] = [inputShape, [], []];

    const layers = architecture.layers.map(({ layer: kind, config }, position) => {
      const name = `${position}.${kind}`;
      if (!Object.hasOwn(tinynn.layers, kind))
        throw new Error(`this page does not know the layer ${name}`);
      const layer = tinynn.layers[kind](arraysOf(name, arrays), plain(config), shape);
      gradients.push(new Numbers(size(shape)));
      outs.push(new Numbers(size(layer.shape)));
      shape = layer.shape;
      return { name, kind, changes: true, ...layer };
    });
    let input = new Numbers(size(inputShape));

    return {
      layers,
      inputShape,
      outs, // of each layer, at the last forward; the next one writes over them

      // The output for a sample x, as many numbers as inputShape says.
      forward(x) {
        input = Numbers.from(x);
        layers.forEach((layer, k) => layer.forward(k ? outs[k - 1] : input, outs[k]));
        return outs[outs.length - 1];
      },

      // The gradient of the input, given that of the output of the first `depth` layers, for the
      // sample of the last forward: in prediction, so nothing is dropped, and BatchNorm uses its
      // running statistics.
      inputGradient(dp, depth = layers.length) {
        let dout = Numbers.from(dp);
        for (let k = depth - 1; k >= 0; k--) {
          layers[k].inputGradient(dout, gradients[k], k ? outs[k - 1] : input, outs[k]);
          dout = gradients[k];
        }
        return dout;
      },

      // The gradient of one class's logit: a Softmax or a Sigmoid at the end is left out.
      logitGradient(k) {
        const last = layers[layers.length - 1].kind;
        const depth = layers.length - (last === "Softmax" || last === "Sigmoid" ? 1 : 0);
        return this.inputGradient(
          outs[outs.length - 1].map((_, i) => (i === k ? 1 : 0)),
          depth,
        );
      },
    };
  };

  const size = (shape) => shape.reduce((product, n) => product * n, 1);

  // The numbers of a layer by their short names: {W, b}.
  function arraysOf(name, arrays) {
    const own = Object.entries(arrays).filter(([key]) => key.startsWith(name + "."));
    return Object.fromEntries(own.map(([key, array]) => [key.slice(name.length + 1), array.data]));
  }

  // Arguments as plain numbers and lists: configuration_json.py says how a file writes tuples.
  function plain(value) {
    if (value === null || typeof value !== "object") return value;
    if ("tuple" in value) return value.tuple.map(plain);
    if ("array" in value) return value.shape.length ? value.array.flat(Infinity) : value.array;
    if (Array.isArray(value)) return value.map(plain);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
})();
