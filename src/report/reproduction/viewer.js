/** The gallery: one run at a time, whose script calls `orthoscopeGallery`. */
(() => {
  const at = id => document.getElementById(id);
  const [thumbs, layers, bench] = ["thumbs", "layers", "bench"].map(at);
  const OUTCOMES = {
    missed: ["wrong", "✗ anomaly missed", "misses"],
    alarm: ["wrong", "✗ false alarm", "false alarms"],
    found: ["right", "✓ anomaly found", "found anomalies"],
    passed: ["right", "✓ passed as good", "good images passed"],
  };
  const COUNTS = [
    ["found", counts => `${whole(counts.true_positives)} of ${whole(counts.true_positives + counts.false_negatives)}`],
    ["missed", counts => whole(counts.false_negatives)],
    ["false alarms", counts => `${whole(counts.false_positives)} of ${whole(counts.false_positives + counts.true_negatives)}`],
    ["precision", counts => fraction(Counting.precision(counts))],
    ["recall", counts => fraction(Counting.recall(counts))],
    ["F1", counts => fraction(Counting.f1(counts))],
  ];
  const words = kind => kind.replaceAll("_", " ");
  const whole = count => String(count).replace(/\B(?=(\d{3})+$)/g, count < 10000 ? "" : "\u202f");
  const fraction = value => (Number.isNaN(value) ? "–" : value.toFixed(3));
  const superscript = power => [...String(power)].map(c => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");

  /** Three digits: 0.0123, 1.2×10⁻⁵. */
  function readable(value) {
    const size = Math.abs(value);
    if (size === 0 || (size >= 1e-3 && size < 1e7)) return String(Number(value.toPrecision(3)));
    const [digits, power] = value.toExponential(2).split("e");
    return `${Number(digits)}×10${superscript(Number(power))}`;
  }

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  /** The run on display; `image` and `pixel` are the positions of the sliders, `order` the images shown, `current` a place in it. */
  let run = null;
  const threshold = () => run.stops[run.image];
  const shown = () => run.images[run.order[run.current]];

  // Loading

  window.orthoscopeGallery = data => document.currentScript.resolve(data);

  function script(file) {
    return new Promise((resolve, reject) => {
      const source = Object.assign(element("script", { src: file }), { resolve });
      // After a script that has called `resolve`, this does nothing.
      source.onload = () => reject(new Error(`${file} is damaged`));
      source.onerror = () => reject(new Error(`${file} is missing: it belongs to this page and must be in the same folder`));
      document.head.append(source);
    });
  }

  let wanted = 0;
  async function open() {
    const turn = ++wanted;
    at("state").textContent = "Loading …";
    try {
      const data = await script(at("run").value);
      const images = await Promise.all(data.images.map(image => prepared(image, data.thresholds.length)));
      if (turn === wanted) start({ ...data, images });
    } catch (error) {
      if (turn !== wanted) return;
      bench.hidden = true;
      at("state").textContent = `This gallery cannot be shown: ${error.message}.`;
    }
  }

  async function prepared(image, thresholds) {
    const { height, width } = image;
    const [levels, truth] = await Promise.all([image.levels, image.truth].map(map => Counting.unpack(map, height, width)));
    // Galleries of earlier versions do not say how large the original is.
    const [tall, wide] = image.original ?? [height, width];
    return { ...image, ratio: wide / tall, levels, truth, tally: Counting.tally(levels, truth, thresholds) };
  }

  function start(data) {
    const { images, thresholds } = data;
    const own = data.image_threshold ? [data.image_threshold.value] : [];
    const stops = Counting.stops(images, own);
    const tally = Counting.total(images.map(image => image.tally), thresholds.length);
    run = { ...data, stops, tally, order: [], current: 0 };
    bench.hidden = !images.length;
    at("state").textContent = images.length ? "" : "This run has no test images.";
    if (!images.length) return;
    run.bestImage = Counting.best(stops.map(stop => Counting.images(images, stop)));
    run.bestPixel = !data.has_masks ? null : Counting.best(thresholds.map((_, index) => Counting.pixels(tally, index)));
    run.ownImage = own.length ? stops.indexOf(own[0]) : null;
    run.ownPixel = data.pixel_threshold ? thresholds.indexOf(data.pixel_threshold.value) : null;
    run.image = run.ownImage ?? run.bestImage ?? stops.length >> 1;
    run.pixel = run.ownPixel ?? run.bestPixel ?? thresholds.length >> 1;
    const kinds = [...new Set(images.map(image => image.kind))];
    at("kind").replaceChildren(...["", ...kinds].map(kind => element("option", { value: kind }, kind ? words(kind) : "all kinds")));
    at("show").value = "";
    // Brighter colours than that of the largest value or threshold occur in no image.
    const [low, high] = [data.scale[0], Math.min(data.scale[1], thresholds.at(-1))];
    at("scale").replaceChildren(`Heat colours: ${readable(low)} `, ramp(low, high), ` ${readable(high)}`);
    at("image-threshold").max = stops.length - 1;
    at("pixel-threshold").max = thresholds.length - 1;
    strip();
    thumbnails();
    imageMoved();
    pixelMoved();
    remember(at("run").selectedOptions[0].dataset.hash);
  }

  /** Puts the run into the address. Some browsers refuse this for files; then the address stays. */
  function remember(hash) {
    try {
      history.replaceState(null, "", hash);
    } catch {}
  }

  /** The colours of the heatmap at equal steps of the value. */
  function ramp(low, high) {
    const colour = place => {
      const value = low + place * (high - low);
      return `#${run.colours[run.thresholds.filter(one => value > one).length]}`;
    };
    const span = element("span");
    span.style.background = `linear-gradient(to right,${Array.from({ length: 11 }, (_, step) => colour(step / 10)).join(",")})`;
    return span;
  }

  /** A tick for every image under the slider of the image threshold. */
  function strip() {
    const length = Math.max(run.stops.length - 1, 1);
    // Between few positions is much room, but the first and the last tick must not run out of the card.
    const width = Math.min(0.8, 0.025 * length);
    const tick = image => {
      const place = run.stops.indexOf(image.score);
      return `<rect class="${image.anomalous ? "anomalous" : "good"}" x="${place - width / 2}" width="${width}" y="${image.anomalous ? 0 : 5}" height="5"/>`;
    };
    const svg = document.querySelector("#image .strip");
    svg.setAttribute("viewBox", `0 0 ${length} 10`);
    svg.innerHTML = run.images.map(tick).join("");
  }

  // Thresholds

  function control(id, position, value, own, counts) {
    const box = at(id);
    box.querySelector("input").value = position;
    box.querySelector("output").textContent = readable(value);
    box.querySelector(".own").disabled = own === null || position === own;
    const best = id === "image" ? run.bestImage : run.bestPixel;
    box.querySelector(".best").disabled = best === null || position === best;
    const item = ([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text(counts)));
    box.querySelector(".counts").replaceChildren(...(counts ? COUNTS.map(item) : []));
    const origin = (id === "image" ? run.image_threshold : run.pixel_threshold)?.origin;
    const places = [own !== null && position === own && `calibrated: ${origin}`, position === best && "largest F1, chosen on the test set"];
    const things = id === "image" ? "images" : "pixels at working resolution";
    box.querySelector(".note").textContent = [`${things} above it are called anomalous`, ...places.filter(Boolean), ...(counts ? [] : ["no mask marks a pixel at this resolution, so they are not judged"])].join("; ");
  }

  function imageMoved() {
    control("image", run.image, threshold(), run.ownImage, Counting.images(run.images, threshold()));
    filter();
  }

  function pixelMoved() {
    control("pixel", run.pixel, run.thresholds[run.pixel], run.ownPixel, run.has_masks ? Counting.pixels(run.tally, run.pixel) : null);
    for (const image of run.images) tint(image);
    mark();
  }

  function move(which, position) {
    const last = (which === "image" ? run.stops : run.thresholds).length - 1;
    run[which] = Math.min(Math.max(position, 0), last);
    which === "image" ? imageMoved() : pixelMoved();
  }

  // The list

  function thumbnails() {
    for (const image of run.images) {
      const picture = element("img", { src: `data:image/jpeg;base64,${image.input}`, alt: "", width: image.width, height: image.height });
      const step = Math.max(1, Math.ceil(Math.max(image.width, image.height) / 96));
      image.tint = element("canvas", { width: Math.floor(image.width / step), height: Math.floor(image.height / step) });
      image.step = step;
      image.thumb = element("button", { title: image.name }, picture, image.tint, element("small", {}, words(image.kind)));
      image.thumb.style.setProperty("--ratio", image.ratio);
      image.thumb.onclick = () => select(run.order.indexOf(run.images.indexOf(image)));
      image.item = element("li", {}, image.thumb);
    }
  }

  /** The mask over a thumbnail. */
  function tint({ tint, step, levels, width }) {
    const pixels = new ImageData(tint.width, tint.height);
    for (let row = 0; row < tint.height; row++)
      for (let column = 0; column < tint.width; column++)
        if (levels[row * step * width + column * step] > run.pixel) pixels.data.set([0, 200, 255, 150], 4 * (row * tint.width + column));
    tint.getContext("2d").putImageData(pixels, 0, 0);
  }

  /** Chooses and sorts the images, and keeps the one on display if it is among them. */
  function filter() {
    const before = run.order.length ? run.order[run.current] : null;
    const [kind, show, order] = ["kind", "show", "order"].map(id => at(id).value);
    const outcomes = run.images.map(image => Counting.outcome(image, threshold()));
    const isOfKind = place => !kind || run.images[place].kind === kind;
    const places = order === "worst" ? Counting.worstFirst(run.images, threshold()) : run.images.map((_, place) => place);
    const wanted = { "": () => true, mistakes: place => "missed alarm".includes(outcomes[place]) };
    const isWanted = choice => wanted[choice] ?? (place => outcomes[place] === choice);
    const choices = [["", "all images"], ["mistakes", "mistakes"], ...Object.entries(OUTCOMES).map(([name, text]) => [name, text[2]])];
    const option = ([value, text]) => {
      const count = places.filter(place => isOfKind(place) && isWanted(value)(place)).length;
      return element("option", { value, selected: value === show }, `${text} (${count})`);
    };
    at("show").replaceChildren(...choices.map(option));
    run.order = places.filter(place => isOfKind(place) && isWanted(show)(place));
    run.images.forEach((image, place) => (image.thumb.className = OUTCOMES[outcomes[place]][0]));
    const none = element("li", { className: "note" }, "No image is both of this kind and outcome at this threshold.");
    thumbs.replaceChildren(...(run.order.length ? run.order.map(place => run.images[place].item) : [none]));
    select(Math.max(run.order.indexOf(before), 0));
  }

  // The image on display

  function select(place) {
    run.current = Math.min(Math.max(place, 0), Math.max(run.order.length - 1, 0));
    run.images.forEach(image => image.thumb.removeAttribute("aria-current"));
    const image = shown();
    layers.parentElement.classList.toggle("none", !image);
    if (!image) return;
    image.thumb.setAttribute("aria-current", "true");
    const top = image.item.offsetTop - thumbs.offsetTop;
    if (top < thumbs.scrollTop || top + image.item.offsetHeight > thumbs.scrollTop + thumbs.clientHeight) thumbs.scrollTop = top - 8;
    if (run.displayed !== image) display(image);
    const [colour, text] = OUTCOMES[Counting.outcome(image, threshold())];
    at("label").replaceChildren(
      element("strong", {}, image.name.split("/").pop()),
      element("span", {}, words(image.kind)),
      element("span", { className: "score" }, `score ${readable(image.score)}`),
      element("span", { className: `verdict ${colour}` }, text),
      element("span", {}, `${run.current + 1} of ${run.order.length}`),
    );
    mark();
  }

  /** Draws the four layers. */
  function display(image) {
    run.displayed = image;
    const [input, reconstruction, heat, truth] = layers.children;
    layers.style.setProperty("--ratio", image.ratio);
    input.src = `data:image/jpeg;base64,${image.input}`;
    reconstruction.src = `data:image/jpeg;base64,${image.reconstruction}`;
    const colours = run.colours.map(hex => [0, 2, 4].map(first => parseInt(hex.slice(first, first + 2), 16)));
    paint(heat, image, pixel => colours[image.levels[pixel]]);
    paint(truth, image, pixel => (image.truth[pixel] ? [255, 255, 255] : [0, 0, 0]));
  }

  function paint(canvas, { height, width }, colour) {
    Object.assign(canvas, { height, width });
    const pixels = new ImageData(width, height);
    for (let pixel = 0; pixel < height * width; pixel++) pixels.data.set([...colour(pixel), 255], 4 * pixel);
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  /** The outlines of mask and truth, and the counts of this image. */
  function mark() {
    const image = shown();
    if (!image) return;
    const canvas = layers.children[4];
    const scale = (shown, pixels) => Math.max(1, Math.round((shown * devicePixelRatio) / pixels));
    const scales = [scale(layers.clientWidth, image.width), scale(layers.clientHeight, image.height)];
    Object.assign(canvas, { width: image.width * scales[0], height: image.height * scales[1] });
    if (at("truth").checked) outline(canvas, image, scales, pixel => image.truth[pixel] > 0, "#7dff5a");
    if (at("mask").checked) outline(canvas, image, scales, pixel => image.levels[pixel] > run.pixel, "#22d3ff");
    const counts = Counting.pixels(image.tally, run.pixel);
    const truth = counts.true_positives + counts.false_negatives;
    const marked = whole(counts.true_positives + counts.false_positives);
    at("pixels").textContent = truth
      ? `mask ${marked} pixels, truth ${whole(truth)}, both ${whole(counts.true_positives)}; precision ${fraction(Counting.precision(counts))}, recall ${fraction(Counting.recall(counts))}`
      : `mask ${marked} pixels, truth ${image.anomalous && !run.has_masks ? "unknown" : "none"}`;
  }

  /** Lines along the edges between pixels inside and outside. */
  function outline(canvas, { height, width }, [across, down], inside, colour) {
    const context = canvas.getContext("2d");
    const isInside = (row, column) => row >= 0 && column >= 0 && row < height && column < width && inside(row * width + column);
    context.beginPath();
    for (let row = 0; row <= height; row++)
      for (let column = 0; column <= width; column++) {
        const own = isInside(row, column);
        const [x, y] = [column * across, row * down];
        if (own !== isInside(row, column - 1)) context.moveTo(x, y), context.lineTo(x, y + down);
        if (own !== isInside(row - 1, column)) context.moveTo(x, y), context.lineTo(x + across, y);
      }
    context.lineCap = "round";
    for (const [style, line] of [["rgb(0 0 0 / .6)", 4], [colour, 2]]) {
      Object.assign(context, { strokeStyle: style, lineWidth: line * Math.max(1, devicePixelRatio) });
      context.stroke();
    }
  }

  /** From 0, the input, to 3, the truth; between two of them, the second shows through the first. */
  function view(position) {
    at("view").value = position;
    [...layers.children].slice(1, 4).forEach((layer, index) => (layer.style.opacity = Math.min(Math.max(position - index, 0), 1)));
    [...at("views").children].forEach((name, index) => name.setAttribute("aria-pressed", index === Math.round(position)));
  }

  function enlarge(isLarge) {
    bench.classList.toggle("large", isLarge);
    document.documentElement.classList.toggle("covered", isLarge);
    at("large").textContent = isLarge ? "Back" : "Enlarge";
    mark();
  }

  // Events

  const KEYS = {
    ArrowLeft: () => select(run.current - 1),
    ArrowRight: () => select(run.current + 1),
    "[": () => move("image", run.image - 1),
    "]": () => move("image", run.image + 1),
    ",": () => move("pixel", run.pixel - 1),
    ".": () => move("pixel", run.pixel + 1),
    m: () => at("mask").click(),
    t: () => at("truth").click(),
    Enter: () => enlarge(!bench.classList.contains("large")),
    Escape: back,
    ...Object.fromEntries([0, 1, 2, 3].map(index => [String(index + 1), () => view(index)])),
  };

  function back() {
    if (bench.classList.contains("large")) return enlarge(false);
    at("kind").value = at("show").value = "";
    filter();
  }

  document.addEventListener("keydown", event => {
    if (bench.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const { type, localName } = event.target;
    const isArrow = event.key.startsWith("Arrow");
    if (localName === "select" || (isArrow && type === "range") || (event.key === "Enter" && localName !== "body")) return;
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  for (const which of ["image", "pixel"]) {
    const slider = at(`${which}-threshold`);
    slider.addEventListener("input", () => move(which, Number(slider.value)));
    at(which).querySelector(".own").onclick = () => move(which, which === "image" ? run.ownImage : run.ownPixel);
    at(which).querySelector(".best").onclick = () => move(which, which === "image" ? run.bestImage : run.bestPixel);
  }
  at("view").addEventListener("input", () => view(Number(at("view").value)));
  [...at("views").children].forEach((name, index) => (name.onclick = () => view(index)));
  for (const id of ["kind", "show", "order"]) at(id).addEventListener("change", filter);
  for (const id of ["mask", "truth"]) at(id).addEventListener("change", mark);
  at("large").onclick = () => enlarge(!bench.classList.contains("large"));
  at("run").addEventListener("change", open);
  addEventListener("resize", () => run && mark());

  /** `#gallery/CATEGORY/SEED` opens that run. */
  function follow() {
    const option = [...at("run").options].find(option => option.dataset.hash === location.hash);
    if (!option) return;
    at("gallery").scrollIntoView();
    if (option.selected && run) return;
    at("run").value = option.value;
    open();
  }
  addEventListener("hashchange", follow);
  // A link to the run that is open changes no address.
  for (const link of document.querySelectorAll('a[href^="#gallery/"]')) link.onclick = () => at("gallery").scrollIntoView();
  view(0);
  follow();
  if (!wanted) new IntersectionObserver((seen, observer) => {
    if (!seen.some(one => one.isIntersecting) || wanted) return;
    observer.disconnect();
    open();
  }).observe(at("gallery"));
})();
