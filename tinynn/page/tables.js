// Tables that a reader sorts by any column: the head of each column becomes a button. Cells of
// numbers have the number as data-value, and come last without one; others are sorted by their text.
(() => {
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = tinynn.element("button", { type: "button", class: "sort" }, head.textContent);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("number");
        const before = head.getAttribute("aria-sort");
        // numbers: the largest first, at the first click; texts in the order of the alphabet
        const first = numbers ? "descending" : "ascending";
        const other = numbers ? "ascending" : "descending";
        const order = before === first ? other : first;
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        sort(table.tBodies[0], column, numbers, order === "ascending" ? 1 : -1);
        tinynn.announce(`Sorted by ${button.textContent}, ${order}.`);
      });
    });
  }

  function sort(body, column, numbers, sign) {
    const key = (row) => {
      const cell = row.cells[column];
      if (!numbers) return cell.textContent;
      return "value" in cell.dataset ? Number(cell.dataset.value) : null; // null: empty, or NaN
    };
    const compare = (a, b) => {
      const [left, right] = [key(a), key(b)];
      if (!numbers) return sign * left.localeCompare(right, "en", { numeric: true });
      if (left === null || right === null) return (left === null) - (right === null);
      return sign * (left - right);
    };
    body.append(...[...body.rows].sort(compare));
  }
})();
