// Uses the page as a reader does, and prints what it shows as one line to the console.
(async () => {
  const at = id => document.getElementById(id);
  const text = (id, selector) => at(id).querySelector(selector).textContent;
  const until = async ready => {
    while (!ready()) await new Promise(resolve => setTimeout(resolve, 10));
  };
  const counts = id => Object.fromEntries([...at(id).querySelectorAll(".counts > div")].map(one => [...one.children].map(child => child.textContent)));
  const press = (key, target = document.body) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const choose = (id, value) => {
    at(id).value = value;
    at(id).dispatchEvent(new Event("change"));
  };
  const slide = (id, position) => {
    at(id).value = position;
    at(id).dispatchEvent(new Event("input"));
  };
  const names = () => [...at("thumbs").querySelectorAll("button")].map(button => button.title);
  const current = () => at("thumbs").querySelector("[aria-current]")?.title;
  const white = canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, index) => index % 4 === 0 && value === 255).length;
  };

  async function opened(run) {
    choose("run", run.value);
    await until(() => at("state").textContent === "" && !at("bench").hidden && text("label", "strong"));
    const start = { image: counts("image"), pixel: counts("pixel"), names: names(), outcomes: outcomes() };
    start.positions = ["image", "pixel"].map(id => Number(at(`${id}-threshold`).value));
    const moved = [];
    for (const id of ["image", "pixel"]) {
      const last = Number(at(`${id}-threshold`).max);
      for (let step = 0; step <= 8; step++) {
        const position = Math.round((step * last) / 8);
        slide(`${id}-threshold`, position);
        moved.push({ id, position, counts: counts(id), name: current(), pixels: at("pixels").textContent, outcomes: outcomes() });
      }
      at(id).querySelector(".own").click();
    }
    return { run: run.textContent, start, moved, images: await images(), keys: keys() };
  }

  /** Numbers of images in the list of outcomes. */
  function outcomes() {
    return Object.fromEntries([...at("show").options].map(option => [option.value, Number(option.textContent.match(/\((\d+)\)/)[1])]));
  }

  /** What is drawn for the first images of the list. */
  async function images() {
    const found = [];
    for (const button of [...at("thumbs").querySelectorAll("button")].slice(0, 4)) {
      button.click();
      const [input, reconstruction, heat, truth] = at("layers").children;
      await Promise.all([input.decode(), reconstruction.decode()]);
      const sizes = [input, reconstruction].map(image => [image.naturalHeight, image.naturalWidth]);
      found.push({ name: current(), sizes: [...sizes, [heat.height, heat.width]], truth: white(truth), label: at("label").textContent });
    }
    return found;
  }

  function keys() {
    const position = () => Number(at("image-threshold").value);
    const opacities = () => [...at("layers").children].slice(1, 4).map(layer => Number(layer.style.opacity));
    const found = {};
    const all = names();
    at("thumbs").querySelector("button").click();
    press("ArrowRight");
    press("ArrowRight");
    press("ArrowLeft");
    found.second = [all[1], current()];
    press("3");
    found.heatmap = opacities();
    press("1");
    found.input = opacities();
    const before = position();
    press("]");
    found.up = position() - before;
    press("[");
    press("[");
    found.down = position() - before;
    press("]");
    const pixel = Number(at("pixel-threshold").value);
    press(".");
    found.pixel = Number(at("pixel-threshold").value) - pixel;
    press(",");
    press("m");
    found.mask = at("mask").checked;
    press("M");
    press("Enter");
    found.large = at("bench").classList.contains("large");
    press("Escape");
    found.back = at("bench").classList.contains("large");
    choose("show", "missed");
    found.missed = [names().length, outcomes().missed];
    choose("kind", "good");
    found.none = at("thumbs").textContent;
    press("ArrowRight");
    press("Escape");
    found.all = names().length;
    return found;
  }

  async function theme() {
    const paper = () => getComputedStyle(document.body).backgroundColor;
    const found = [[paper(), at("theme").textContent]];
    for (let click = 0; click < 2; click++) {
      at("theme").click();
      found.push([paper(), at("theme").textContent]);
    }
    return found;
  }

  /** Width of the content of the page in a phone's viewport. */
  async function phone() {
    const frame = Object.assign(document.createElement("iframe"), { src: location.pathname.replace("driven", "index"), width: 390, height: 844 });
    document.body.append(frame);
    await new Promise(resolve => (frame.onload = resolve));
    const inside = frame.contentDocument;
    inside.getElementById("gallery").scrollIntoView();
    await until(() => !inside.getElementById("bench").hidden);
    return [inside.documentElement.scrollWidth, inside.documentElement.clientWidth];
  }

  const errors = [];
  addEventListener("error", event => errors.push(event.message));
  addEventListener("unhandledrejection", event => errors.push(String(event.reason)));
  const found = { runs: [] };
  try {
    for (const run of [...at("run").options]) found.runs.push(await opened(run));
    found.theme = await theme();
    found.phone = await phone();
    const [first, second] = [...at("run").options].map(option => option.value);
    choose("run", first);
    choose("run", second);
    await until(() => at("state").textContent === "");
    await new Promise(resolve => setTimeout(resolve, 200));
    found.last = [...at("kind").options].map(option => option.value);
    for (const name of ["missing", "damaged"]) {
      at("run").append(Object.assign(document.createElement("option"), { value: `${name}.js` }));
      choose("run", `${name}.js`);
      await until(() => at("state").textContent.includes(`${name}.js is`));
      found[name] = [at("state").textContent, at("bench").hidden];
    }
    found.resources = [...document.querySelectorAll("[src], [href]")].map(one => new URL(one.src || one.href).protocol);
  } catch (error) {
    errors.push(String(error.stack));
  }
  console.log(`DRIVEN ${JSON.stringify({ ...found, errors })}`);
})();
