// How the site's search ranks what it finds. Sphinx puts this behind its own scorer, which gives a page the same for a word in its title
// as for one in any of its headings, and knows no difference between a runbook and a decision record.
// conf.py says how far a page stands behind others (`searchDistances`, in points).
"use strict";
Scorer.score = ([page, title, anchor, , score, , kind]) => {
  const distance = searchDistances[page] ?? searchDistances.others;
  if (kind !== SearchResultKind.text) return score - distance;
  const stemmer = new Stemmer();
  const stems = text => splitQuery(text.toLowerCase()).map(word => stemmer.stemWord(word));
  const sought = stems(new URLSearchParams(location.search).get("q"));
  const share = words => sought.filter(word => words.has(word)).length / sought.length;
  const number = Search._index.docnames.indexOf(page);
  const inHeadings = word => [Search._index.titleterms[word] ?? []].flat().includes(number);
  const named = new Set(stems(`${title} ${page.split("/").pop()}`));
  return 20 * share(named) + 5 * share({ has: inHeadings }) - distance;
};
