/** Filters, keys and the enlarged picture. Every verdict and number is the text of the table, which the program has written. */
(() => {
  const section = document.querySelector(".pictures");
  const rows = [...section.querySelectorAll("tbody tr")];
  const search = section.querySelector("input");
  const buttons = [...section.querySelectorAll("button[data-kind]")];
  const dialog = document.querySelector("dialog");
  const inside = selector => dialog.querySelector(selector);
  const parts = section.dataset.parts.split(" ").filter(Boolean).map(part => part.split(/(?=_)/));
  const name = row => row.querySelector("bdi").textContent;
  let [kind, current, part] = ["", null, 0];

  const shown = () => rows.filter(row => !row.hidden);
  const isOf = (row, kind) => !kind || row.classList.contains(kind);

  function filter() {
    const words = search.value.toLowerCase();
    for (const row of rows) row.hidden = !(isOf(row, kind) && name(row).toLowerCase().includes(words));
    const count = shown().length;
    section.querySelector("output").textContent = `${count} of ${rows.length} shown`;
    section.querySelector(".none").hidden = count > 0;
    section.querySelector("table").hidden = count === 0;
    if (current?.hidden) select(null);
  }

  function select(row) {
    current?.removeAttribute("aria-current");
    current = row;
    if (!row) return;
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const all = dialog.open ? shown().filter(row => row.dataset.stem) : shown();
    const place = current ? all.indexOf(current) + step : step > 0 ? 0 : all.length - 1;
    const next = all[Math.max(0, Math.min(place, all.length - 1))];
    if (!next) return;
    select(next);
    if (dialog.open) enlarge();
  }

  /** The picture of the current row, with the box of its largest region. */
  function enlarge() {
    if (!current?.dataset.stem || !parts.length) return;
    const [word, ...ending] = parts[part];
    const [height, width] = current.dataset.size.split(" ").map(Number);
    const image = inside("img");
    [image.width, image.height] = [width, height];
    image.src = current.dataset.stem + ending.join("");
    image.alt = `${word} of ${name(current)}`;
    image.classList.toggle("small", Math.max(width, height) < 400);
    inside(".frame").style.setProperty("--ratio", width / height);
    const box = inside("i");
    box.hidden = !current.dataset.box;
    if (!box.hidden) {
      const [top, left, tall, wide] = current.dataset.box.split(" ").map(Number);
      const percent = (value, of) => `${(100 * value) / of}%`;
      Object.assign(box.style, { top: percent(top, height), left: percent(left, width), height: percent(tall, height), width: percent(wide, width) });
    }
    inside("bdi").textContent = name(current);
    const verdict = inside(".verdict");
    const own = current.querySelector(".verdict");
    [verdict.className, verdict.textContent] = [own.className, own.textContent];
    const score = current.querySelector(".score");
    inside("span.score").textContent = `score ${score.firstChild.textContent}${score.title && `, ${score.title}`}`;
    const about = [".warning", ".largest"].map(selector => current.querySelector(selector)?.textContent).filter(Boolean);
    inside(".note").textContent = about.join("; ");
    for (const [index, button] of [...inside(".views").children].entries()) button.setAttribute("aria-pressed", String(index === part));
    if (!dialog.open) dialog.showModal();
  }

  function view(index) {
    if (index >= parts.length) return;
    part = index;
    enlarge();
  }

  for (const [index, [word]] of parts.entries()) {
    const button = document.createElement("button");
    button.textContent = word;
    button.onclick = () => view(index);
    inside(".views").append(button);
  }
  inside(".previous").onclick = () => move(-1);
  inside(".next").onclick = () => move(1);
  inside(".close").onclick = () => dialog.close();

  for (const button of buttons) {
    const count = rows.filter(row => isOf(row, button.dataset.kind)).length;
    button.querySelector("small").textContent = count;
    button.hidden = count === 0;
    button.onclick = () => {
      kind = button.dataset.kind;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      filter();
    };
  }
  search.oninput = filter;

  section.querySelector("tbody").onclick = event => {
    const row = event.target.closest("tr");
    const isOther = event.ctrlKey || event.metaKey || event.shiftKey;
    if (isOther || !event.target.closest(".picture a")) return;
    event.preventDefault();
    select(row);
    enlarge();
  };

  const keys = {
    ArrowDown: () => move(1),
    j: () => move(1),
    ArrowUp: () => move(-1),
    k: () => move(-1),
    ArrowRight: () => dialog.open && move(1),
    ArrowLeft: () => dialog.open && move(-1),
    Enter: enlarge,
    "/": () => !dialog.open && search.focus(),
  };
  for (let index = 0; index < 4; index++) keys[index + 1] = () => view(index);

  document.addEventListener("keydown", event => {
    const inField = event.target === search;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (inField && event.key === "Escape") return search.blur();
    if (inField && !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
    if (event.key === "Enter" && event.target.closest("a, button")) return;
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  section.querySelector(".controls").hidden = false;
  section.querySelector(".help").hidden = false;
  filter();
})();
