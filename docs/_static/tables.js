// What custom.css cannot see. Of a table: which cells are figures with a unit, or one name, which do not break; where a long name may break
// on a narrow screen; and, where there are many columns, which cells are blank, and the title of each cell's column, which stands before it on a telephone.
// Of a block: whether it has columns, as what --help prints.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.docutils")) {
    const titles = [...table.querySelectorAll("thead th")].map((th) => th.textContent.trim());
    if (titles.length > 3) table.classList.add("many-columns");
    for (const row of table.querySelectorAll("tbody tr"))
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
});
