// Values of a chart under the pointer and by keyboard, and curves that can be hidden. The lines are
// SVG that Python drew (charts.py); beside them stands their data: {x: [first, last], y: [first,
// last], log, xTitle, lines: [{name, kind, run, xs, ys, texts}, ...]}. Charts of one section with the
// same x show the same x together.
(() => {
  const sections = ["curves", "quality", "doctor"];
  for (const section of sections) {
    const charts = Object.entries(tinynn.data(section) ?? {})
      .map(([id, data]) => ({ data, figure: document.getElementById(id) }))
      .filter(({ data, figure }) => figure && data.lines)
      .map(enhanced);
    for (const chart of charts) {
      const together = charts.filter((other) => other.data.xTitle === chart.data.xTitle);
      listen(chart, (x) => together.forEach((other) => (x === null ? hide(other) : show(other, x))));
    }
  }

  const boxes = [...document.querySelectorAll(".choices input[data-run]")];
  const hidden = new Set(tinynn.recall("hidden runs") ?? []);
  for (const box of boxes) {
    box.checked = !hidden.has(box.id);
    box.addEventListener("change", () => {
      box.checked ? hidden.delete(box.id) : hidden.add(box.id);
      tinynn.remember("hidden runs", [...hidden]);
      apply(box);
    });
    apply(box);
  }

  // Show or hide the curves of a run, and its names in the legends.
  function apply(box) {
    const of_run = `.charts [data-run="${Number(box.dataset.run)}"]`;
    for (const mark of document.querySelectorAll(of_run)) {
      mark.toggleAttribute("data-hidden", !box.checked);
    }
  }

  // A chart with a cursor and a box for values, and with the role that a keyboard moves.
  function enhanced({ data, figure }) {
    const canvas = figure.querySelector(".canvas");
    const cursor = tinynn.element("div", { class: "cursor", hidden: "" });
    const values = tinynn.element("div", { class: "values", hidden: "", "aria-hidden": "true" });
    const dots = tinynn.element("g");
    canvas.querySelector("svg").append(dots);
    canvas.append(cursor, values);
    const xs = [...new Set(data.lines.flatMap((line) => line.xs))].sort((a, b) => a - b);
    const title = figure.querySelector(".chart-title").textContent;
    const roles = {
      tabindex: "0", role: "slider", "aria-label": `${title}: values by ${data.xTitle}`,
      "aria-valuemin": xs[0], "aria-valuemax": xs.at(-1),
    };
    for (const [name, value] of Object.entries(roles)) canvas.setAttribute(name, value);
    const chart = { data, figure, canvas, cursor, values, dots, xs, at: xs.length - 1 };
    describe(chart);
    return chart;
  }

  function listen(chart, choose) {
    const { canvas, xs, data } = chart;
    const to = (i) => {
      chart.at = Math.max(0, Math.min(xs.length - 1, i));
      choose(xs[chart.at]);
    };
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      to(nearest(xs, data.x[0] + share * (data.x[1] - data.x[0])));
    });
    canvas.addEventListener("pointerleave", () => choose(null));
    canvas.addEventListener("focus", () => to(chart.at));
    canvas.addEventListener("blur", () => choose(null));
    canvas.addEventListener("keydown", (event) => {
      const ends = { Home: 0, End: xs.length - 1 };
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
      if (event.key === "Escape") choose(null);
      else if (event.key in ends) to(ends[event.key]);
      else if (event.key in steps) to(chart.at + steps[event.key]);
      else return;
      event.preventDefault();
    });
  }

  // The points of the visible lines that are at an x, or as good as there.
  function pointsAt({ data, figure }, x) {
    const near = 0.01 * (data.x[1] - data.x[0]);
    return data.lines
      .map((line) => ({ line, i: nearest(line.xs, x) }))
      .filter(({ line, i }) => Math.abs(line.xs[i] - x) <= near && line.ys[i] !== null)
      .filter(({ line }) => !figure.querySelector(`path[data-run="${line.run}"][data-hidden]`));
  }

  function show(chart, x) {
    const { data, cursor, values, dots } = chart;
    const points = pointsAt(chart, x);
    const left = (x - data.x[0]) / (data.x[1] - data.x[0]);
    if (left < 0 || left > 1) return hide(chart);
    cursor.style.left = `${100 * left}%`;
    cursor.hidden = values.hidden = false;
    values.classList.toggle("before", left > 0.5);
    values.style.left = `${100 * left}%`;
    values.replaceChildren(
      tinynn.element("p", {}, `${data.xTitle} ${shortened(x)}`),
      ...points.map(({ line, i }) => {
        const stroke = tinynn.element("svg", { class: "stroke", viewBox: "0 0 24 8" });
        stroke.append(tinynn.element("path", { class: line.kind, d: "M2 4H22" }));
        const row = tinynn.element("p", {}, stroke, `${line.name} `);
        row.append(tinynn.element("b", {}, line.texts[i]));
        return row;
      })
    );
    dots.replaceChildren(
      ...points.map(({ line, i }) => {
        const y = data.log ? Math.log10(line.ys[i]) : line.ys[i];
        const at = [
          (1000 * (line.xs[i] - data.x[0])) / (data.x[1] - data.x[0]),
          1000 * (1 - (y - data.y[0]) / (data.y[1] - data.y[0])),
        ];
        return tinynn.element("path", { class: `${line.kind} point`, d: `M${at.join(" ")}h0` });
      })
    );
    chart.at = nearest(chart.xs, x);
    describe(chart);
  }

  function hide({ cursor, values, dots }) {
    cursor.hidden = values.hidden = true;
    dots.replaceChildren();
  }

  // Tell a screen reader where the slider stands.
  function describe(chart) {
    const x = chart.xs[chart.at];
    const said = pointsAt(chart, x).map(({ line, i }) => `${line.name} ${line.texts[i]}`);
    chart.canvas.setAttribute("aria-valuenow", x);
    chart.canvas.setAttribute("aria-valuetext", `${chart.data.xTitle} ${shortened(x)}: ${said.join(", ")}`);
  }

  // The place of the number in an ascending list that is nearest to x.
  function nearest(list, x) {
    let best = 0;
    list.forEach((each, i) => {
      if (Math.abs(each - x) < Math.abs(list[best] - x)) best = i;
    });
    return best;
  }

  function shortened(x) {
    return Number.isInteger(x) ? x.toLocaleString("en") : x.toPrecision(3);
  }
})();
