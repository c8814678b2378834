// What custom.css cannot see of a table: which cells are figures with a unit, which do not break; and, where there are many columns,
// the title of each cell's column, which stands before the cell on a telephone.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.docutils")) {
    const titles = [...table.querySelectorAll("thead th")].map((th) => th.textContent.trim());
    if (titles.length > 3) table.classList.add("many-columns");
    for (const row of table.querySelectorAll("tbody tr"))
      [...row.cells].forEach((cell, column) => {
        cell.dataset.title = titles[column] || "";
        if (/^\d\S*( \S{1,5})?$/.test(cell.textContent.trim())) cell.classList.add("number");
      });
  }
});
