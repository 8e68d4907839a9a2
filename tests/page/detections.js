// Uses the page as a reader does, and prints what it shows as one line to the console.
(async () => {
  const [section, dialog] = ["section.pictures", "dialog"].map(name => document.querySelector(name));
  const press = (key, target = document.body) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const rows = () => [...section.querySelectorAll("tbody tr")].filter(row => row.getClientRects().length);
  const name = row => row?.querySelector("bdi").textContent;
  const current = () => name(section.querySelector("[aria-current]"));
  const button = kind => section.querySelector(`button[data-kind="${kind}"]`);
  const drawn = async () => {
    const image = dialog.querySelector("img");
    await image.decode();
    const box = dialog.querySelector("i");
    const [frame, own] = [image, box].map(one => one.getBoundingClientRect());
    const place = box.hidden ? null : [own.top - frame.top, own.left - frame.left, own.height, own.width].map((value, at) => value / (at % 2 ? frame.width : frame.height));
    return { name: dialog.querySelector("bdi").textContent, file: decodeURIComponent(image.src.split("/").pop()), size: [image.naturalHeight, image.naturalWidth], place };
  };
  const found = { all: rows().map(name), kinds: {}, wide: document.documentElement.scrollWidth <= innerWidth };
  for (const kind of ["anomalous", "normal", "unlike", "skipped", ""]) {
    button(kind).click();
    found.kinds[kind] = { names: rows().map(name), count: Number(button(kind).querySelector("small").textContent) };
  }
  found.absent = button("unknown").hidden;
  const search = section.querySelector("input");
  press("/");
  found.focused = document.activeElement === search;
  const type = text => {
    search.value = text;
    search.dispatchEvent(new Event("input"));
  };
  type("BAD");
  found.searched = rows().map(name);
  type("nothing like that");
  found.none = [rows().length, section.querySelector(".none").getClientRects().length];
  type("");
  search.blur();
  found.moves = ["j", "ArrowDown", "k", "j", "j", "j", "j", "j"].map(key => (press(key), current()));
  ["k", "k", "k", "k", "k", "k"].forEach(key => press(key));
  press("Enter");
  found.large = dialog.open;
  found.first = await drawn();
  press("2");
  found.second = await drawn();
  press("ArrowRight");
  found.next = await drawn();
  found.views = [...dialog.querySelectorAll(".views button")].map(one => [one.textContent, one.getAttribute("aria-pressed")]);
  found.score = dialog.querySelector("span.score").textContent;
  found.about = dialog.querySelector(".note").textContent;
  dialog.close();
  found.images = [...section.querySelectorAll("img")].map(image => image.loading);
  console.log("DRIVEN " + JSON.stringify(found));
})();
