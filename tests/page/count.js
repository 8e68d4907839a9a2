// Prints what the page counts at every position of both sliders. Arguments: counting.js and the script of a run.
const { readFileSync } = require("fs");
const Counting = require(process.argv[2]);
let data;
new Function("orthoscopeGallery", readFileSync(process.argv[3], "utf8"))(found => (data = found));
(async () => {
  const { images, thresholds } = data;
  const tallies = [];
  for (const { height, width, levels, truth } of images)
    tallies.push(Counting.tally(await Counting.unpack(levels, height, width), await Counting.unpack(truth, height, width), thresholds.length));
  const all = Counting.total(tallies, thresholds.length);
  const stops = Counting.stops(images, [data.image_threshold.value]);
  const at = stops.map(stop => Counting.images(images, stop));
  const pixels = thresholds.map((_, index) => Counting.pixels(all, index));
  const rates = counts => [Counting.precision(counts), Counting.recall(counts), Counting.f1(counts)];
  const harmless = { true_positives: 0, false_positives: 3, false_negatives: 0, true_negatives: 1 };
  console.log(JSON.stringify({
    stops, images: at, pixels,
    order: Counting.worstFirst(images, data.image_threshold.value).map(place => images[place].name),
    best: [Counting.best(at), Counting.best(pixels)],
    rates: pixels.map(rates),
    harmless: [...rates(harmless), Counting.best([harmless])],
  }));
})();
