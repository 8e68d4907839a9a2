"use strict";

/** The arithmetic of the gallery: pure functions, which the tests also run outside of a page. */
const Counting = (() => {
  const sum = (values, first) => values.subarray(first).reduce((total, value) => total + value, 0);

  /** The bytes of a map: base64 of a zlib stream of second differences, summed along rows and columns (modulo 256). */
  async function unpack(text, height, width) {
    const packed = Uint8Array.from(atob(text), character => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const map = new Uint8Array(await new Response(stream).arrayBuffer());
    if (map.length !== height * width) throw new Error(`a map of ${height}x${width} pixels has ${map.length} bytes`);
    for (let at = 0; at < map.length; at++) if (at % width) map[at] += map[at - 1];
    for (let at = width; at < map.length; at++) map[at] += map[at - width];
    return map;
  }

  /** Number of pixels of each level, by truth. A level is the number of thresholds that a pixel exceeds. */
  function tally(levels, truth, thresholds) {
    const pixels = { anomalous: new Float64Array(thresholds + 1), normal: new Float64Array(thresholds + 1) };
    for (let at = 0; at < levels.length; at++) (truth[at] ? pixels.anomalous : pixels.normal)[levels[at]]++;
    return pixels;
  }

  /** The tally of several images together. */
  function total(tallies, thresholds) {
    const all = tally([], [], thresholds);
    for (const one of tallies)
      for (const truth of ["anomalous", "normal"]) one[truth].forEach((count, level) => (all[truth][level] += count));
    return all;
  }

  /** Pixels by truth and verdict at threshold number `index`: a pixel is called anomalous if its value exceeds the threshold. */
  function pixels({ anomalous, normal }, index) {
    const [found, alarms] = [sum(anomalous, index + 1), sum(normal, index + 1)];
    return confusion(found, alarms, sum(anomalous, 0) - found, sum(normal, 0) - alarms);
  }

  /** Images by truth and verdict: an image is called anomalous if its score exceeds the threshold. */
  function images(list, threshold) {
    const count = (anomalous, called) =>
      list.filter(image => image.anomalous === anomalous && image.score > threshold === called).length;
    return confusion(count(true, true), count(false, true), count(true, false), count(false, false));
  }

  function confusion(true_positives, false_positives, false_negatives, true_negatives) {
    return { true_positives, false_positives, false_negatives, true_negatives };
  }

  /** Share of what is called anomalous that is, share of what is anomalous that is called so, and their harmonic mean; NaN where not defined. */
  const recall = counts => counts.true_positives / (counts.true_positives + counts.false_negatives);
  const precision = counts => defined(counts, counts.true_positives / (counts.true_positives + counts.false_positives));
  const f1 = counts =>
    defined(counts, (2 * counts.true_positives) / (2 * counts.true_positives + counts.false_positives + counts.false_negatives));

  /** Without anything anomalous, precision and F1 would be 0 whatever is called so, which judges nothing. */
  const defined = (counts, value) => (counts.true_positives + counts.false_negatives ? value : NaN);

  /** Positions of the image threshold, rising: every score, one value below all of them, and the threshold of the model. */
  function stops(list, own) {
    const scores = list.map(image => image.score);
    const least = Math.min(...scores);
    const below = scores.length ? [least > 0 ? 0 : 2 * least - 1] : [];
    return [...new Set([...below, ...scores, ...own])].sort((a, b) => a - b);
  }

  /** The place of the largest F1 among the counts at every threshold; the highest threshold of several. None where F1 is not defined. */
  function best(counts) {
    if (counts.every(one => Number.isNaN(f1(one)))) return null;
    return counts.reduce((found, one, at) => (f1(one) >= (f1(counts[found]) || 0) ? at : found), 0);
  }

  /** `found`, `missed`, `alarm` or `passed`. */
  function outcome(image, threshold) {
    if (image.score > threshold) return image.anomalous ? "found" : "alarm";
    return image.anomalous ? "missed" : "passed";
  }

  /** Misses from the lowest score on, false alarms from the highest, then what is right in the same order: places in the list. */
  function worstFirst(list, threshold) {
    const rank = image => ["missed", "alarm", "found", "passed"].indexOf(outcome(image, threshold));
    const worse = (a, b) => (a.anomalous ? a.score - b.score : b.score - a.score);
    return list.map((_, at) => at).sort((a, b) => rank(list[a]) - rank(list[b]) || worse(list[a], list[b]) || a - b);
  }

  return { unpack, tally, total, pixels, images, precision, recall, f1, stops, best, outcome, worstFirst };
})();
if (typeof module === "object") module.exports = Counting;
