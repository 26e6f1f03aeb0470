// What the scripts of the page share; it stands before all others. Without any script the page shows
// the same figures, tables and pictures: scripts add values under the pointer, sorting and drawing.
"use strict";

const tinynn = {
  // The data of a part: what Python wrote as JSON beside it. null if it has none.
  data(id) {
    const holder = document.getElementById("data-" + id);
    return holder && JSON.parse(holder.textContent);
  },

  // A new element. Texts become text, never markup. SVG's elements need their namespace.
  element(tag, attributes = {}, ...children) {
    const svg = ["svg", "g", "line", "path", "rect", "circle", "text", "use"].includes(tag);
    const made = svg
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  },

  // What a reader chose, kept in this tab over a reload. Where a browser keeps nothing for files,
  // the page begins anew.
  remember(key, value) {
    try {
      sessionStorage.setItem(location.pathname + " " + key, JSON.stringify(value));
    } catch { /* no storage: nothing is remembered */ }
  },
  recall(key) {
    try {
      return JSON.parse(sessionStorage.getItem(location.pathname + " " + key));
    } catch {
      return null;
    }
  },

  // Let a screen reader say a text.
  announce(words) {
    document.getElementById("announcement").textContent = words;
  },
};

document.documentElement.classList.add("scripted"); // for styles: .scripted .x { ... }
