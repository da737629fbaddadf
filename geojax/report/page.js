"use strict";
// A button for dark or light colours, links to the figures' SVG, and a button in every heading that sorts its column:
// numbers by size, texts by letter, gaps last, equal rows as they were. Without this script the page says the same.
const order = new Intl.Collator("en", { numeric: true });
const root = document.documentElement;

function mode(chosen) { // the mode of this session: set if `chosen`, then read; a browser may refuse to keep it
  try {
    if (chosen) sessionStorage.setItem("mode", chosen);
    root.dataset.mode = sessionStorage.getItem("mode") ?? "";
  } catch {
    root.dataset.mode = chosen ?? "";
  }
}

function switchable(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => root.dataset.mode ? root.dataset.mode === "dark" : system.matches;
  const show = () => button.setAttribute("aria-pressed", dark());
  button.addEventListener("click", () => { mode(dark() ? "light" : "dark"); show(); });
  system.addEventListener("change", show);
  show();
  button.hidden = false;
}

function key(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.v) return Number(cell.dataset.v);
  const text = cell.textContent.trim();
  return text === "" || text === "–" ? null : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : Number(a > b);
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return order.compare(a, b);
}

function sort(table, head) {
  const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * compare(a, b);
  });
  body.append(...rows.map(([, row]) => row));
}

function sortable(table) {
  if (table.tBodies[0].rows.length < 2) return;
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}

mode();
document.addEventListener("DOMContentLoaded", () => {
  switchable(document.getElementById("mode"));
  for (const table of document.querySelectorAll("table")) sortable(table);
  for (const link of document.querySelectorAll("figure a[hidden]")) {
    link.href = link.closest("figure").querySelector("img").src;
    link.hidden = false;
  }
});
