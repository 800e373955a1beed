"use strict";
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const { classes, runs, pairs, sheet } = content;
  const byId = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const labels = bytes(content.labels);
  const positions = new Map(sheet ? sheet.indices.map((index, position) => [index, position]) : []);
  const SHOWN = 60; // images in one list
  const DASH = "–";
  const fixed = (value, digits = 4) => (value === null || value === undefined ? DASH : value.toFixed(digits));
  const signed = (value) => (value < 0 ? "" : "+") + value.toFixed(4);
  const whole = (value) => value.toLocaleString("en");
  const images = (count) => `${whole(count)} ${count === 1 ? "image" : "images"}`;
  const pValue = (p) => (p === 0 ? "less than 1e-300" : p < 0.001 ? p.toExponential(0) : String(Number(p.toPrecision(2))));

  /** Create an element. Texts become text nodes, so that a name is never read as HTML. */
  function element(name, attributes = {}, ...children) {
    const created = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
    created.append(...children);
    return created;
  }

  /** Return the predicted class of each test image. Each run is decoded once. */
  function predicted(run) {
    run.decoded ??= bytes(run.predicted);
    return run.decoded;
  }

  // Leaderboard: filters and sorting

  function filterRows() {
    const filters = [...document.querySelectorAll("[data-filter]")].filter((select) => select.value);
    const rows = [...byId("leaderboard-table").tBodies[0].rows];
    for (const row of rows) {
      row.hidden = !filters.every((select) => `=${row.dataset[select.dataset.filter]}` === select.value);
    }
    const shown = rows.filter((row) => !row.hidden).length;
    byId("leaderboard-shown").textContent = `${shown} of ${rows.length} ${rows.length === 1 ? "model" : "models"}`;
  }

  /** Sort by a column. Missing values are last in both directions; equal values keep their order. */
  function sortRows(heading) {
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const numeric = !heading.classList.contains("text");
    const former = heading.getAttribute("aria-sort");
    const descending = former ? former === "ascending" : heading.textContent.includes("accuracy");
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const value = (row) => (numeric ? row.cells[column].dataset.value : row.cells[column].textContent);
    const order = (a, b) => (numeric ? a - b : a < b ? -1 : a > b ? 1 : 0);
    const rows = [...table.tBodies[0].rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === "" || b === "") return (a === "") - (b === "");
      return descending ? order(b, a) : order(a, b);
    });
    table.tBodies[0].append(...rows);
  }

  // Images

  /** Return a list of test images, those that most models misclassify first. */
  function imageList(indices, describe) {
    if (!sheet) return element("p", { class: "small" }, "The report contains no images: the dataset was not available.");
    const found = indices.filter((index) => positions.has(index));
    found.sort((a, b) => positions.get(a) - positions.get(b));
    const shown = found.slice(0, SHOWN);
    const list = element("ul", { class: "images" });
    const scale = 84 / Math.max(sheet.width, sheet.height);
    for (const index of shown) {
      const position = positions.get(index);
      const [column, row] = [position % sheet.columns, Math.floor(position / sheet.columns)];
      const text = describe(index);
      const image = element("div", { class: "image", role: "img", "aria-label": `Test image ${index}. ${text}` });
      const [width, height] = [sheet.width * scale, sheet.height * scale];
      image.style.boxSizing = "content-box";
      image.style.width = `${width}px`;
      image.style.height = `${height}px`;
      image.style.backgroundSize = `${width * sheet.columns}px auto`;
      image.style.backgroundPosition = `${-column * width}px ${-row * height}px`;
      list.append(element("li", {}, image, element("span", { "aria-hidden": "true" }, text)));
    }
    const note = `Shown: ${shown.length} of ${images(indices.length)}. The report contains ${whole(positions.size)} of the `
      + `${images(labels.length)} in the test set, those that most models misclassify.`;
    const box = element("div", {}, element("p", { class: "small" }, note));
    if (shown.length) box.append(list);
    return box;
  }

  // Confusion matrix

  function confusion(run) {
    const counts = classes.map(() => new Array(classes.length).fill(0));
    predicted(run).forEach((found, index) => { counts[labels[index]][found] += 1; });
    return counts;
  }

  function showConfusion() {
    const run = runs[byId("confusion-run").value];
    const counts = confusion(run);
    const table = byId("confusion-table");
    const head = element("tr", {}, element("th", { scope: "col", class: "text" }, "actual \\ predicted"));
    for (const name of classes) head.append(element("th", { scope: "col" }, name));
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...counts.map((row, actual) => {
      const total = row.reduce((sum, count) => sum + count, 0);
      const line = element("tr", {}, element("th", { scope: "row", class: "text" }, classes[actual]));
      row.forEach((count, found) => {
        const label = `${images(count)}: actual ${classes[actual]}, predicted ${classes[found]}`;
        const button = element("button", { type: "button", "aria-label": label, "aria-pressed": "false" }, whole(count));
        button.addEventListener("click", () => showCell(run, actual, found, button));
        const cell = element("td", {}, button);
        cell.style.setProperty("--share", total ? count / total : 0);
        line.append(cell);
      });
      return line;
    }));
    byId("confusion-title").replaceChildren();
    byId("confusion-images").replaceChildren();
  }

  function showCell(run, actual, found, button) {
    for (const other of byId("confusion-table").querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
    const indices = [];
    predicted(run).forEach((guess, index) => { if (labels[index] === actual && guess === found) indices.push(index); });
    const title = `${run.label}: ${images(indices.length)}, actual ${classes[actual]}, predicted ${classes[found]}`;
    const list = imageList(indices, () => (actual === found ? classes[actual] : `${classes[actual]}, predicted ${classes[found]}`));
    byId("confusion-title").replaceChildren(element("h3", {}, title));
    byId("confusion-images").replaceChildren(list);
  }

  // Two runs

  /** Return the test of two runs, with the difference A minus B. Return null if the two runs were not compared. */
  function testOf(a, b) {
    const [first, second] = [Math.min(a, b), Math.max(a, b)];
    const { reference } = pairs;
    if (reference !== null && a !== reference && b !== reference) return null;
    const at = reference === null
      ? (first * (2 * runs.length - first - 1)) / 2 + (second - first - 1)
      : (first === reference ? second - 1 : first);
    const [low, high] = [pairs.low[at] / labels.length, pairs.high[at] / labels.length];
    return { p: pairs.p[at], corrected: pairs.p_holm[at], interval: a < b ? [low, high] : [0 - high, 0 - low] };
  }

  function showComparison() {
    const [a, b] = [Number(byId("compare-a").value), Number(byId("compare-b").value)];
    const [one, other] = [runs[a], runs[b]];
    const cells = [[[], []], [[], []]]; // [A is correct][B is correct]
    const [ofA, ofB] = [predicted(one), predicted(other)];
    labels.forEach((label, index) => cells[Number(ofA[index] === label)][Number(ofB[index] === label)].push(index));
    const table = byId("compare-table");
    table.tHead.replaceChildren(element("tr", {}, element("td"),
      element("th", { scope: "col" }, "B correct"), element("th", { scope: "col" }, "B wrong")));
    table.tBodies[0].replaceChildren(...[1, 0].map((right) => element("tr", {},
      element("th", { scope: "row", class: "text" }, right ? "A correct" : "A wrong"),
      ...[1, 0].map((alike) => element("td", {}, whole(cells[right][alike].length))))));
    byId("comparison-caption").textContent = `Test images by the predictions of A (${one.label}) and B (${other.label})`;
    const [onlyA, onlyB] = [cells[1][0], cells[0][1]];
    const accuracy = (run) => fixed(run.metrics.test_accuracy);
    let text = `A: ${accuracy(one)}, B: ${accuracy(other)}. `;
    const test = a === b ? null : testOf(a, b);
    if (a === b) text += "Choose two different runs.";
    else if (test === null) {
      text += `Because there are many runs, only the pairs with ${runs[pairs.reference].label} are tested.`;
    } else {
      const { p, corrected, interval } = test;
      const verdict = corrected <= 0.05 ? "significant" : "not significant";
      text += `Difference ${signed((onlyA.length - onlyB.length) / labels.length)}, 95 % bootstrap interval `
        + `${signed(interval[0])} to ${signed(interval[1])}. McNemar's exact p = ${pValue(p)}; corrected for all `
        + `${whole(pairs.p.length)} pairs of runs (Holm) p = ${pValue(corrected)}: ${verdict}.`;
    }
    byId("compare-result").textContent = text;
    const describe = (guesses) => (index) => `${classes[labels[index]]}, predicted ${classes[guesses[index]]}`;
    byId("compare-images").replaceChildren(
      element("h3", {}, `Only ${one.label} is correct: ${images(onlyA.length)}`), imageList(onlyA, describe(ofB)),
      element("h3", {}, `Only ${other.label} is correct: ${images(onlyB.length)}`), imageList(onlyB, describe(ofA)));
  }

  // Parameters of one run

  function showRun() {
    const run = runs[byId("run-run").value];
    const rows = [
      ["model", run.model], ["kind", run.kind], ["seed", run.seed], ["key of the record", run.key],
      ["weights", run.weights === null ? DASH : whole(run.weights)], ["device", run.device], ["host", run.host],
      ["training, s", run.seconds], ["commit", run.commit],
      ...Object.entries(run.metrics), ...Object.entries(run.parameters),
      ...Object.entries(run.libraries).map(([name, version]) => [`version of ${name}`, version]),
    ];
    byId("run-caption").textContent = `Parameters, results and versions of ${run.label}`;
    byId("run-table").tBodies[0].replaceChildren(...rows.map(([name, value]) => element("tr", {},
      element("th", { scope: "row", class: "text" }, name), element("td", { class: "text note" }, value === null ? DASH : String(value)))));
  }

  // Figures

  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#888888"]; // Okabe and Ito
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const printing = matchMedia("print");
  const escaped = (text) => text.replace(/[&<>]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[character]);

  function draw(id, traces, horizontal, vertical, scale = {}) {
    const night = dark.matches && !printing.matches;
    const [ink, grid] = night ? ["#e8e8e8", "#474c54"] : ["#1b1b1b", "#d5d5d5"];
    const axis = (title, more = {}) => ({ title: { text: title }, gridcolor: grid, zerolinecolor: grid, automargin: true, ...more });
    const layout = {
      font: { family: "inherit", size: 13, color: ink }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 56, r: 12, t: 12, b: 48 }, xaxis: axis(horizontal, scale), yaxis: axis(vertical),
      showlegend: false, hovermode: "closest",
    };
    return Plotly.react(byId(id), traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  }

  /** Write a legend: a symbol in its colour and a text for each entry. Plotly's own legend can cover the curves. */
  function writeLegend(id, entries) {
    byId(id).replaceChildren(...entries.map(([symbol, colour, text]) => {
      const mark = element("span", { "aria-hidden": "true" }, symbol);
      mark.style.color = colour;
      return element("li", {}, mark, ` ${text}`);
    }));
  }

  function drawCurves() {
    const chosen = [...document.querySelectorAll("[name=curve]:checked")].map((box) => runs.find((run) => run.label === box.value));
    for (const [name, title] of [["loss", "loss"], ["accuracy", "accuracy"]]) {
      const traces = chosen.flatMap((run, number) => [[`val_${name}`, "solid", "validation"], [name, "dot", "training"]].map(
        ([key, dash, part]) => ({
          x: run.history[key].map((_, epoch) => epoch + 1), y: run.history[key], name: escaped(run.label),
          mode: run.history[key].length > 1 ? "lines" : "markers",
          hovertemplate: `${part} %{y:.4f}, epoch %{x}`,
          line: { color: COLOURS[number % COLOURS.length], dash, width: part === "validation" ? 2 : 1.5 },
        })));
      draw(`curves-${name}`, traces, "epoch", title);
      byId(`curves-${name}`).setAttribute("aria-label",
        `${title} per epoch of ${chosen.map((run) => run.label).join(", ") || "no run"}; the table below has the numbers`);
    }
    writeLegend("curves-legend", chosen.map((run, number) => ["■", COLOURS[number % COLOURS.length], run.label]));
    byId("curves-table").tBodies[0].replaceChildren(...chosen.map((run) => {
      const { loss, val_loss: losses, accuracy, val_accuracy: accuracies } = run.history;
      const lowest = Math.min(...losses.map((value) => value ?? Infinity));
      const cells = [losses.length, fixed(Number.isFinite(lowest) ? lowest : null), losses.indexOf(lowest) + 1 || DASH,
        fixed(losses.at(-1)), fixed(loss.at(-1)), fixed(accuracies.at(-1)), fixed(accuracy.at(-1))];
      return element("tr", {}, element("th", { scope: "row", class: "text" }, run.label),
        ...cells.map((cell) => element("td", {}, String(cell))));
    }));
  }

  function drawCosts() {
    const symbols = { network: "circle", classical: "square", committee: "diamond" };
    const characters = { circle: "●", square: "■", diamond: "◆" };
    writeLegend("cost-legend", [
      ...Object.entries(symbols).map(([kind, symbol], number) => [characters[symbol], COLOURS[number], kind]),
      ["―", "#888888", "Pareto front"],
    ]);
    const titles = { seconds: "training time, s", parameters: "parameters", prediction: "prediction time per 1,000 images, s" };
    for (const [name, title] of Object.entries(titles).filter(([name]) => name in content.costs)) {
      const points = content.costs[name];
      const traces = Object.keys(symbols).map((kind, number) => {
        const own = points.filter((point) => point.kind === kind);
        return {
          x: own.map((point) => point.cost), y: own.map((point) => point.accuracy), text: own.map((point) => escaped(point.name)),
          name: kind, mode: "markers", marker: { symbol: symbols[kind], size: 9, color: COLOURS[number] },
          hovertemplate: "%{text}<br>%{x:,.6~g}<br>%{y:.4f}<extra></extra>",
        };
      }).filter((trace) => trace.x.length);
      const front = points.filter((point) => point.front);
      traces.push({
        x: front.map((point) => point.cost), y: front.map((point) => point.accuracy), name: "Pareto front", mode: "lines",
        line: { shape: "hv", color: "#888888", width: 1.5 }, hoverinfo: "skip",
      });
      draw(`cost-${name}`, traces, `${title} (logarithmic)`, "test accuracy", { type: "log", dtick: "D2", exponentformat: "SI" });
      byId(`cost-${name}`).setAttribute("aria-label",
        `Test accuracy against ${title} of ${points.length} models; the table below has the Pareto front`);
    }
  }

  function drawAll() {
    drawCurves();
    drawCosts();
    // Plotly measures texts in an invisible element, which is nothing to read.
    byId("js-plotly-tester")?.setAttribute("aria-hidden", "true");
  }

  document.querySelectorAll("[data-filter]").forEach((select) => select.addEventListener("change", filterRows));
  document.querySelectorAll(".sortable thead button").forEach((button) =>
    button.addEventListener("click", () => sortRows(button.closest("th"))));
  byId("confusion-run").addEventListener("change", showConfusion);
  for (const id of ["compare-a", "compare-b"]) byId(id).addEventListener("change", showComparison);
  byId("run-run").addEventListener("change", showRun);
  byId("curve-runs").addEventListener("change", drawCurves);
  dark.addEventListener("change", drawAll);
  printing.addEventListener("change", drawAll);
  filterRows(); // a browser can restore a former choice
  showConfusion();
  showComparison();
  showRun();
  // The tables appear before the figures, which take longer.
  requestAnimationFrame(() => setTimeout(() => {
    drawAll();
    document.documentElement.dataset.ready = "yes";
  }));
})();
