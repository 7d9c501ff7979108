// Tables: sort by column, filter rows by words, copy as TSV, Markdown or LaTeX.
"use strict";
(() => {
  const MISSING = new Set(["", "–", "not comparable"]);
  const LATEX = { "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "−": "$-$", "–": "--", "†": "$^\\dagger$", "α": "$\\alpha$",
    "ε": "$\\varepsilon$", "λ": "$\\lambda$", "∞": "$\\infty$" };

  const value = (cell) => {
    const text = cell.textContent.trim();
    const number = parseFloat(text.replace("−", "-").replaceAll(",", ""));
    return MISSING.has(text) ? null : Number.isNaN(number) ? text : number;
  };

  // Missing values come last in both directions.
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === "number" ? -sign : sign;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
  };

  // A row with an empty first cell, such as the paper's below ours, stays below the row above it.
  const groupsOf = (body) => {
    const groups = [];
    for (const row of body.rows) {
      if (row.cells[0].textContent.trim() === "" && groups.length) groups.at(-1).push(row);
      else groups.push([row]);
    }
    return groups;
  };

  const lines = (table) => {
    const names = [...table.tHead.rows].at(-1);
    const groups = table.tHead.rows.length > 1 ? [...table.tHead.rows[0].cells].flatMap((cell) =>
      Array(cell.colSpan).fill(cell.textContent.trim())) : [];
    const header = [...names.cells].map((cell, i) => [groups[i], cell.textContent.trim()].filter(Boolean).join(": "));
    const shown = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    return [header, ...shown.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))];
  };

  const FORMATS = {
    TSV: (rows) => rows.map((row) => row.join("\t")).join("\n") + "\n",
    Markdown: ([header, ...rows], left) => {
      const escaped = (row) => `| ${row.map((cell) => cell.replace(/[\\`*_|[\]<]/g, "\\$&")).join(" | ")} |`;
      return [escaped(header), `|${header.map((_, i) => (i < left ? " --- " : " ---: ")).join("|")}|`, ...rows.map(escaped)].join("\n") + "\n";
    },
    LaTeX: ([header, ...rows], left) => {
      const escaped = (row) => `${row.map((cell) => cell.replace(/[\\&%$#_{}~^−–†αελ∞]/gu, (c) => LATEX[c])).join(" & ")} \\\\`;
      const columns = header.map((_, i) => (i < left ? "l" : "r")).join("");
      return [`\\begin{tabular}{${columns}}`, "\\toprule", escaped(header), "\\midrule", ...rows.map(escaped), "\\bottomrule", "\\end{tabular}"].join("\n") + "\n";
    },
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Browsers can refuse clipboard access to a page from a file.
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };

  const sortable = (table) => {
    [...[...table.tHead.rows].at(-1).cells].forEach((cell, column) => {
      if (cell.tagName !== "TH") return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        table.tHead.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const sorted = groupsOf(body).sort((a, b) => compare(value(a[0].cells[column]), value(b[0].cells[column]), down ? -1 : 1));
        body.append(...sorted.flat());
        body.querySelectorAll(".next").forEach((row) => row.classList.remove("next"));
      });
    });
  };

  document.querySelectorAll("figure.table").forEach((figure) => {
    const table = figure.querySelector("table");
    const tools = figure.querySelector(".tools");
    const left = table.tBodies[0].rows.length ? [...table.tBodies[0].rows[0].cells].filter((cell) => !cell.classList.contains("number")).length : 0;
    sortable(table);
    const title = figure.querySelector("figcaption").textContent.split(".")[0];
    const filter = Object.assign(document.createElement("input"), { type: "search", placeholder: "filter rows" });
    filter.setAttribute("aria-label", `Filter the rows of ${title}`);
    const state = document.createElement("span");
    state.setAttribute("role", "status");
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const group of groupsOf(table.tBodies[0])) {
        const text = group.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ")).join(" ").toLowerCase();
        group.forEach((row) => { row.hidden = !words.every((word) => text.includes(word)); });
      }
      const rows = [...table.tBodies[0].rows];
      state.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
    });
    const buttons = Object.entries(FORMATS).map(([name, format]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.setAttribute("aria-label", `Copy ${title} as ${name}`);
      button.addEventListener("click", async () => {
        await copy(format(lines(table), left));
        state.textContent = `copied as ${name}`;
      });
      return button;
    });
    const label = Object.assign(document.createElement("span"), { textContent: "Copy as" });
    tools.append(filter, label, ...buttons, state);
    tools.hidden = false;
  });
})();
