// Gives each cell the heading of its column, which tables.css shows where a screen is too narrow for the columns.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table")) {
    const headings = [...table.querySelectorAll("thead th")].map(heading => heading.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.cells].forEach((cell, column) => cell.dataset.column = headings[column] ?? "");
    }
  }
});
