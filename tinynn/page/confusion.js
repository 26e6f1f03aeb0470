// The confusion matrix: a number shows its images below without moving the page, and arrow keys go
// from number to number, so that the Tab key passes the matrix in one step. Without this script the
// numbers are links to their images.
(() => {
  const table = document.querySelector("table.matrix");
  if (!table) return;
  const links = [...table.querySelectorAll("a")];
  const place = (link) => [link.parentElement.parentElement.rowIndex, link.parentElement.cellIndex];
  const keys = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  for (const link of links) {
    link.tabIndex = -1;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      choose(link);
      tinynn.remember("confusion", link.hash);
    });
    link.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      const next = neighbour(link, keys[event.key]);
      if (next) reach(next, true);
    });
  }
  const worst = links.filter((link) => place(link)[0] !== place(link)[1]);
  const most = worst.reduce((a, b) => (a && count(a) >= count(b) ? a : b), undefined);
  const kept = links.find((link) => link.hash === (location.hash || tinynn.recall("confusion")));
  const start = kept ?? most ?? links[0];
  if (start) choose(start, false); // the largest confusion is shown at first

  function count(link) {
    return Number(link.textContent.replaceAll(",", ""));
  }

  function choose(link, said = true) {
    for (const each of links) each.removeAttribute("aria-current");
    for (const group of document.querySelectorAll(".cell.shown")) group.classList.remove("shown");
    const group = document.getElementById(link.hash.slice(1));
    group.classList.add("shown");
    link.setAttribute("aria-current", "true");
    reach(link, false);
    if (said) tinynn.announce(`Shown: ${group.querySelector("h4").textContent}`);
  }

  // Let the Tab key come to this number, and to no other.
  function reach(link, focus) {
    for (const each of links) each.tabIndex = each === link ? 0 : -1;
    if (focus) link.focus();
  }

  // The next number in a direction that has images.
  function neighbour(link, [down, right]) {
    let [row, column] = place(link);
    for (;;) {
      row += down;
      column += right;
      const cell = table.rows[row]?.cells[column];
      if (!cell || cell.tagName === "TH") return null;
      const found = cell.querySelector("a");
      if (found) return found;
    }
  }
})();
