// Lists the site's versions, each with the page that is open, or with its first page if it has no such page.
// ../versions.js says which there are. Where one version lies alone, perhaps without that file, there is nothing to list.
"use strict";
(() => {
  if (typeof siteVersions === "undefined" || siteVersions.length < 2) return;
  const list = document.querySelector(".version-list");
  const { version, page } = list.dataset;
  const root = document.documentElement.dataset.content_root;
  const linkTo = ({ name, pages }, text) => {
    const link = document.createElement("a");
    link.href = `${root}../${name}/${pages.includes(page) ? page : "index"}.html${page === "search" ? location.search : ""}`;
    link.textContent = text;
    return link;
  };
  const entries = siteVersions.map(one => {
    const entry = document.createElement("li");
    entry.append(one.name === version ? `${one.name} (this one)` : linkTo(one, one.name));
    return entry;
  });
  list.appendChild(document.createElement("ul")).append(...entries);

  const newest = siteVersions[0];
  if (newest.name === version) return;
  const note = document.createElement("p");
  note.className = "old-version";
  note.append(`This page is about version ${version}. `, linkTo(newest, `The newest version is ${newest.name}.`));
  document.addEventListener("DOMContentLoaded", () => document.querySelector("article").prepend(note));
})();
