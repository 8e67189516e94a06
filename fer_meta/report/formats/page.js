"use strict";
// Tables: a click on a head sorts, a choice above hides the rows of other words. Without this script all rows are shown.
for (const table of document.querySelectorAll("main table")) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.querySelectorAll("tbody tr")];
  if (rows.length < 3) continue;
  const said = (row, place) => row.cells[place].textContent.trim();
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(place));
  });

  function sort(place) {
    const head = heads[place];
    const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : !head.classList.contains("number");
    const number = head.classList.contains("number");
    const key = (row) => {
      const text = said(row, place);
      if (!number) return text.toLowerCase();
      return parseFloat(text.replace(/[,<\s]/g, "").replace("\u2212", "-"));
    };
    const keyed = rows.map((row, order) => [key(row), order, row]);
    keyed.sort(([one, first], [other, second]) => {
      const none = number ? isNaN(one) - isNaN(other) : (one === "") - (other === "");
      if (none) return none;                       // those without a number come last, either way
      const less = number ? one - other : one.localeCompare(other);
      return (up ? less : -less) || first - second;
    });
    const bodies = [...table.tBodies];
    bodies.slice(1).forEach((body) => body.remove());  // groups have no meaning in another order
    bodies[0].append(...keyed.map(([, , row]) => row));
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  }

  const wide = table.closest(".wide");
  const places = [...heads.keys()].filter((place) => "choice" in heads[place].dataset);
  if (!places.length) continue;
  const form = document.createElement("div");
  form.className = "choices";
  const shown = document.createElement("p");
  shown.className = "shown";
  shown.setAttribute("role", "status");
  const chosen = new Map();
  for (const place of places) {
    const words = [...new Set(rows.map((row) => said(row, place)))];
    if (words.length < 2) continue;
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.append(heads[place].textContent.trim(), select);
    select.append(new Option("all", ""), ...words.map((word) => new Option(word || "(none)", "=" + word)));
    const first = heads[place].dataset.choice;
    if (first && words.includes(first)) select.value = "=" + first;
    select.addEventListener("change", show);
    chosen.set(place, select);
    form.append(label);
  }
  const all = document.createElement("button");
  all.type = "button";
  all.textContent = "Show all";
  all.addEventListener("click", () => { for (const select of chosen.values()) select.value = ""; show(); });
  form.append(all);

  function show() {
    const wanted = [...chosen].filter(([, select]) => select.value);
    let number = 0;
    for (const row of rows) {
      row.hidden = wanted.some(([place, select]) => select.value !== "=" + said(row, place));
      number += !row.hidden;
    }
    const only = wanted.map(([place, select]) => `${heads[place].textContent.trim()} ${select.value.slice(1) || "(none)"}`);
    shown.textContent = `${number} of ${rows.length} rows${only.length ? ": " + only.join(", ") : ""}`;
  }
  show();
  wide.before(form, shown);
}

// What is wider than the screen says so.
const hints = new Map();
const watch = new ResizeObserver((seen) => {
  for (const { target } of seen) {
    const wide = target.closest(".wide");
    hints.get(wide).hidden = wide.scrollWidth <= wide.clientWidth + 1;
  }
});
for (const wide of document.querySelectorAll(".wide")) {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "Wider than the page: scroll sideways \u2192";
  hint.hidden = true;
  hints.set(wide, hint);
  wide.before(hint);
  watch.observe(wide);
  watch.observe(wide.firstElementChild);
}

// Where there is room, the list of parts is open from the start.
if (matchMedia("(min-width: 1200px)").matches) document.querySelector("nav details").open = true;

// A link into a closed part opens it, and so does printing.
const open = (part) => { for (; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true; };
const arrive = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) { open(target); target.scrollIntoView(); }
};
addEventListener("hashchange", arrive);
arrive();
addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((part) => { part.open = true; }));
