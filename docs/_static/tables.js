// What custom.css cannot see. Of a table: which cells are figures with a unit, or one name, which do not break; where a long name may break
// on a narrow screen; and, where there are many columns, or three with long texts or names, which cells are blank, and the title of each cell's column, which
// stands before it on a telephone. Of a block: whether it has columns, as what --help prints. Of code: where an option is, which does not break at its hyphens.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.docutils")) {
    const titles = [...table.querySelectorAll("thead th")].map((th) => th.textContent.trim());
    if (titles.length > 3) table.classList.add("many-columns");
    const long = (cell, column) => cell.textContent.length > 200 || (column === 1 && /\S{16,}/.test(cell.textContent));
    const rows = [...table.querySelectorAll("tbody tr")];
    if (titles.length > 3 || (titles.length === 3 && rows.some((row) => [...row.cells].some(long)))) table.classList.add("as-lists");
    for (const row of rows)
      [...row.cells].forEach((cell, column) => {
        cell.dataset.title = titles[column] || "";
        const text = cell.textContent.trim();
        if (!text) cell.classList.add("blank");
        if (cell.querySelector("code")?.textContent === text) cell.classList.add("name");
        for (const name of cell.querySelectorAll("code .pre")) name.innerHTML = name.innerHTML.replace(/([._/]|\[\])(?=\w)/g, "$1<wbr>");
        if (/^\d\S*( \S{1,5})?$/.test(text)) cell.classList.add("number");
      });
  }
  // A prompt of Python, "...", is no column.
  for (const block of document.querySelectorAll("div.highlight pre"))
    if (/[^.\s] {3,}\S/.test(block.textContent)) block.classList.add("columns");
  for (const code of document.querySelectorAll("div.body :is(p, li, dd) code, div.highlight pre")) {
    const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      const parts = text.data.split(/((?<![\w-])--?[A-Za-z][\w-]{0,23})/);
      if (parts.length < 2) continue;
      const option = (part, place) => (place % 2 ? Object.assign(document.createElement("span"), { className: "option", textContent: part }) : part);
      text.replaceWith(...parts.map(option));
    }
  }
});
