// A page of a training that goes on reads itself anew, and a reader keeps the place: the section and
// how far it was scrolled, what was opened, what had the focus. The link of the section in view is
// marked. Reading anew is all that the page's policy allows: it opens no connection. When training
// has ended, figures of the test may follow, so for some minutes the page is still read anew. A
// button stops it, for whoever reads or compares, until it is pressed again.
(() => {
  const state = tinynn.data("status");
  const sections = [...document.querySelectorAll("main > section")];
  const links = [...document.querySelectorAll("nav.sections a")];
  const details = [...document.querySelectorAll("details")];

  const seconds = Math.round(Date.now() / 1000) - state.written;
  const wait = state.reload || (seconds < state.awaits ? 5 : 0);
  if (wait) {
    let next = setTimeout(() => location.reload(), 1000 * wait);
    const pause = document.getElementById("pause");
    pause.hidden = false;
    pause.addEventListener("click", () => {
      if (!next) location.reload();
      clearTimeout(next);
      next = 0;
      pause.textContent = "Reload again";
    });
  }
  if (state.reload && seconds > state.silent) {
    document.getElementById("silence").textContent =
      `No news for ${Math.round(seconds / 60)} minutes: the run may have been killed. ` +
      "Write the page again, with tinynn.write_page, to see what became of it.";
  }

  const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload";
  const kept = reloaded ? tinynn.recall("place") : null;
  if (kept) {
    details.forEach((each, i) => (each.open = kept.open[i] ?? each.open));
    const section = document.getElementById(kept.section);
    if (section) {
      history.scrollRestoration = "manual";
      scrollTo(0, scrollY + section.getBoundingClientRect().top - kept.offset);
    }
    addEventListener("DOMContentLoaded", () => { // other scripts have made their controls then
      const part = parts().find((each) => nameOf(each) === kept.focus?.part);
      if (part) controls(part)[kept.focus.control]?.focus({ preventScroll: true });
    });
  }
  addEventListener("pagehide", () => {
    const now = current();
    const focused = document.activeElement;
    const part = parts().find((each) => each.contains(focused));
    tinynn.remember("place", {
      section: now?.id,
      offset: now?.getBoundingClientRect().top ?? 0,
      open: details.map((each) => each.open),
      focus: part && { part: nameOf(part), control: controls(part).indexOf(focused) },
    });
  });

  addEventListener("scroll", mark, { passive: true });
  mark();

  addEventListener("beforeprint", () => details.forEach((each) => (each.open = true)));

  // Where a keyboard can be: its part of the page, and which control of it.
  function parts() {
    return [...document.querySelectorAll("header, nav, main > section")];
  }
  function nameOf(part) {
    return part.id || part.tagName;
  }
  function controls(part) {
    return [...part.querySelectorAll("a[href], button, input, summary, [tabindex]")];
  }

  // The last section that begins above the middle of the window.
  function current() {
    const above = (section) => section.getBoundingClientRect().top < innerHeight / 2;
    return scrollY > 0 ? sections.filter(above).at(-1) : undefined;
  }

  function mark() {
    const id = current()?.id;
    for (const link of links) {
      if (link.hash === `#${id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
})();
