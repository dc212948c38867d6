"""The contrast of the text of a page in a browser, as WCAG defines it."""

from __future__ import annotations

from typing import Final

READABLE: Final = 4.5
"""The lowest contrast of text to its background (WCAG 2.2, 1.4.3)."""

_SCRIPT: Final = """(() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
  };
  const found = {};
  for (const e of document.querySelectorAll("SELECTOR")) {
    if (!e.textContent.trim()) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    found[e.tagName + "." + e.className] = Math.min(found[e.tagName + "." + e.className] ?? 99, (a + 0.05) / (b + 0.05));
  }
  return found;
})()"""


def contrasts_of(selector: str) -> str:
    """The JavaScript that gives the lowest contrast of each kind of element that a selector of CSS finds."""
    return _SCRIPT.replace("SELECTOR", selector)
