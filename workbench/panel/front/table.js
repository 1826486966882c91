// table.js: rows of texts, the first of which is the head, as a table.

import { make } from "./dom.js";

/** @param {HTMLTableElement} table @param {string[][]} rows */
export function fillTable(table, [heads = [], ...rows]) {
  table.replaceChildren(
    make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((text) => make("td", {}, text))))),
  );
}
