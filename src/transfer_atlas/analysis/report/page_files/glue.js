// Glue between the page and its libraries: DataTables makes tables sortable, Vega draws charts, when they come into sight.
const parsed = (script) => JSON.parse(script.textContent);
const facts = Object.assign({}, ...[...document.querySelectorAll("script.cells")].map(parsed));
const words = { search: "Filter ", searchPlaceholder: "part of a name", zeroRecords: "nothing matches", info: "_START_ to _END_ of _TOTAL_", infoFiltered: "(of _MAX_)" };
const escaped = (text) => String(text ?? "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const number = (decimals) => (value, type) => (type === "display" ? (value == null ? "–" : value.toFixed(decimals).replace("-", "−")) : (value ?? -1e9));
const text = (value, type) => (type === "display" ? escaped(value) : value);
const link = (run) => (run[1] ? `<a href="${escaped(run[1])}"><code>${escaped(run[0])}</code></a>` : `<code>${escaped(run[0])}</code>`);

function makeTable(table) {
  const long = table.querySelectorAll("tbody tr").length > 60;
  const plain = "plain" in table.dataset;
  // What is looked for is what is read: not the markup of cells that are sorted by another number.
  table.querySelectorAll("[data-order]").forEach((cell) => { cell.dataset.search = cell.textContent; });
  new DataTable(table, { paging: long, pageLength: 50, info: long, lengthChange: false, searching: !plain, order: [], autoWidth: false, language: words, titleRow: table.tHead.rows.length - 1, layout: { topStart: null, topEnd: plain ? null : "search" } });
}

function makeGains(table) {
  const names = [text, text, text, number(1), number(1), number(1), text, number(3), text, (run, type) => (type === "display" && run ? link(run) : "")];
  const columns = names.map((render, place) => ({ render, className: place < 3 ? "name" : "", cellType: place ? "td" : "th" }));
  new DataTable(table, { data: parsed(document.getElementById("all-gains-data")), columns, deferRender: true, pageLength: 25, lengthChange: false, order: [[3, "desc"]], autoWidth: false, language: words, layout: { topStart: null, topEnd: "search" } });
}

async function draw(place) {
  const spec = parsed(place.querySelector("script"));
  spec.width = Math.max(220, Math.min(760, document.querySelector("main").clientWidth - 40));
  spec.config.legend = { ...spec.config.legend, columns: Math.max(1, Math.floor(spec.width / 190)) };
  spec.config.axisY = { labelLimit: Math.min(230, spec.width * 0.42) };
  spec.autosize = { type: "fit-x", contains: "padding" };
  await vegaEmbed(place, spec, { renderer: "svg", actions: false, tooltip: { theme: "custom" } });
}

const makers = { "table.sortable": makeTable, "table.gains-data": makeGains, ".vega": draw };
function make(element) {
  const maker = Object.entries(makers).find(([selector]) => element.matches(selector))[1];
  if (element.dataset.made) return undefined;
  element.dataset.made = "yes";
  return maker(element);
}
const all = document.querySelectorAll(Object.keys(makers).join());
const seen = new IntersectionObserver((entries) => entries.filter((e) => e.isIntersecting).forEach((e) => { seen.unobserve(e.target); make(e.target); }), { rootMargin: "300px" });
all.forEach((element) => seen.observe(element));
addEventListener("beforeprint", () => all.forEach(make));

// What a cell of a heat map is, beside it: while it is pointed at or focused, and until Escape once it is pressed.
const about = document.getElementById("about");
let kept = null;
function show(cell) {
  const told = facts[cell.dataset.cell];
  const lines = told.lines.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join("");
  about.innerHTML = `<strong>${escaped(told.title)}</strong><dl>${lines}</dl><ul>${told.runs.map((run) => `<li>${escaped(run[0])} ${link(run.slice(1))}</li>`).join("")}</ul>`;
  about.showPopover();
  const box = cell.getBoundingClientRect();
  const below = box.bottom + 8 + about.offsetHeight < innerHeight || box.top < about.offsetHeight;
  about.style.top = `${below ? box.bottom + 6 : box.top - about.offsetHeight - 6}px`;
  about.style.left = `${Math.max(8, Math.min(box.left, innerWidth - about.offsetWidth - 8))}px`;
}
const hide = () => { kept = null; about.hidePopover(); };
const cellOf = (event) => event.target.closest?.("[data-cell]");
for (const name of ["pointerover", "focusin"]) addEventListener(name, (e) => { if (cellOf(e) && !kept) show(cellOf(e)); });
for (const name of ["pointerout", "focusout"]) addEventListener(name, (e) => { if (cellOf(e) && !kept) about.hidePopover(); });
addEventListener("click", (e) => { const cell = cellOf(e); if (cell) { kept = cell; show(cell); } else if (!about.contains(e.target)) hide(); });
addEventListener("keydown", (e) => { if (e.key === "Escape" && kept) { const cell = kept; hide(); cell.focus(); about.hidePopover(); } });
addEventListener("hashchange", () => { hide(); document.querySelectorAll("nav a").forEach(mark); });
const mark = (a) => (a.hash === (location.hash || "#answers") ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current"));
document.querySelectorAll("nav a").forEach(mark);
document.documentElement.dataset.ready = Math.round(performance.now());
