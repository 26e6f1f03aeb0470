// The test images to choose from: one stop of the Tab key; arrows move from image to image.
(() => {
  const [ALL, WRONG] = ["all", "wrong"];
  const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
  const TURN = 30; // milliseconds of work, after which the page may answer its reader

  // find(name): an element of the section. image(n): its pixels. answerOf(n): the class that the
  // network says. choose(n): called when an image is chosen.
  tinynn.gallery = function ({ find, data, image, answerOf, choose }) {
    const { names, labels, height, width } = data;

    const buttons = labels.map((label, n) => {
      const canvas = tinynn.element("canvas", { width, height });
      canvas.getContext("2d").putImageData(tinynn.greyImage(image(n), height, width), 0, 0);
      const text = `Test image ${n + 1}: ${names[label]}`;
      const attributes = { type: "button", "aria-label": text, title: text, tabindex: -1 };
      const button = tinynn.element("button", attributes, canvas);
      button.addEventListener("click", () => choose(n));
      return button;
    });
    find("images").append(...buttons);

    const shown = () => buttons.filter((button) => !button.hidden);

    function stopAt(button) {
      for (const each of buttons) each.tabIndex = -1;
      button.tabIndex = 0;
    }

    find("images").addEventListener("keydown", (event) => {
      const list = shown();
      const at = list.indexOf(document.activeElement);
      const inRow = list.filter((button) => button.offsetTop === list[0].offsetTop).length;
      const step = { ...STEPS, ArrowDown: inRow, ArrowUp: -inRow }[event.key];
      if (at < 0 || step === undefined) return;
      const next = list[Math.min(Math.max(at + step, 0), list.length - 1)];
      stopAt(next);
      next.focus();
      event.preventDefault(); // the page would scroll
    });

    const filter = find("filter select");
    filter.append(
      tinynn.element("option", { value: ALL }, "all classes"),
      tinynn.element("option", { value: WRONG }, "those it gets wrong"),
    );
    names.forEach((name, k) => filter.append(tinynn.element("option", { value: k }, name)));
    filter.addEventListener("change", async () => {
      const choice = filter.value;
      const answers = choice === WRONG ? await allAnswers(() => filter.value === choice) : [];
      if (filter.value !== choice) return; // another choice came meanwhile
      buttons.forEach((button, n) => {
        const wrong = choice === WRONG && answers[n] !== labels[n];
        button.hidden = !(choice === ALL || wrong || labels[n] === Number(choice));
      });
      count();
    });

    // What the network says of each image; in turns, because a convolution takes its time.
    const answers = [];
    async function allAnswers(wanted) {
      let began = performance.now();
      while (answers.length < labels.length && wanted()) {
        answers.push(answerOf(answers.length));
        if (performance.now() - began < TURN) continue;
        find("count").textContent = `asking it: ${answers.length} of ${labels.length}`;
        await new Promise((go) => setTimeout(go));
        began = performance.now();
      }
      return answers;
    }

    function count() {
      const list = shown();
      find("count").textContent = `${list.length} of ${buttons.length} images`;
      find("random").disabled = !list.length;
      if (list.length && !list.some((button) => button.tabIndex === 0)) stopAt(list[0]);
    }

    find("random").addEventListener("click", () => {
      const list = shown();
      const button = list[Math.floor(Math.random() * list.length)];
      button.click();
      button.scrollIntoView({ block: "nearest" });
    });

    count();
    return {
      // Show which image the pad has; null: none of them.
      mark(chosen) {
        buttons.forEach((button, n) => button.setAttribute("aria-pressed", n === chosen));
        if (chosen !== null) stopAt(buttons[chosen]);
      },
    };
  };
})();
