// The face viewer: clean and protected image, perturbation, predictions and recognition results.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("faces-data").textContent);
  const root = document.querySelector(".viewer");
  const at = (id) => document.getElementById(id);
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  // Two changes a second: below the limit of three flashes a second for safety.
  const FLICKER_MS = 500;

  const percent = (rate) => `${(100 * rate).toFixed(1)}\u00a0%`;
  const option = (text, value = text) => new Option(text, value);
  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

  // Exact pixels: no colour management, no alpha.
  const decoded = new Map();
  const pixels = (url) => {
    if (!decoded.has(url)) decoded.set(url, decode(url));
    return decoded.get(url);
  };
  const decode = async (url) => {
    const [head, encoded] = url.split(",");
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const file = new Blob([bytes], { type: head.slice("data:".length, head.indexOf(";")) });
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  };
  const mapped = (image, value) => {
    const result = new ImageData(image.width, image.height);
    for (let i = 0; i < image.data.length; i++) result.data[i] = i % 4 === 3 ? 255 : value(i);
    return result;
  };
  const draw = (canvas, image) => {
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  const rowOf = (image) => image.rows.find((row) => row.model === at("model").value && row.method === at("method").value);
  const misclassified = (image) => rowOf(image).predicted !== image.person;
  let shown = null;

  const chosen = () => {
    const { value: order } = at("sort");
    const measure = order.replace("-", "");
    const sign = order.startsWith("-") ? 1 : -1;
    const images = data.images.filter((image) => rowOf(image)
      && (!at("person").value || image.person === at("person").value)
      && (!at("outcome").value || misclassified(image) === (at("outcome").value === "misclassified")));
    if (order === "name") return images.sort((a, b) => (a.name < b.name ? -1 : 1));
    return images.sort((a, b) => sign * (rowOf(a)[measure] - rowOf(b)[measure]));
  };

  const fill = (select, options) => {
    const previous = select.value;
    select.replaceChildren(...options);
    if ([...select.options].some((item) => item.value === previous)) select.value = previous;
  };

  const fillMethods = () => {
    const rows = data.images.flatMap((image) => image.rows).filter((row) => row.model === at("model").value);
    fill(at("method"), [...new Set(rows.map((row) => row.method))].map((name) => option(name)));
  };

  const list = () => {
    const images = chosen();
    const buttons = images.map((image) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const outcome = misclassified(image) ? "misclassified" : "classified correctly";
      button.append(Object.assign(new Image(), { src: image.clean, alt: "" }));
      button.setAttribute("aria-label", `${image.name}, identity ${image.person}, ${outcome}`);
      button.className = misclassified(image) ? "misclassified" : "correct";
      button.addEventListener("click", () => show(image));
      button.image = image;
      return button;
    });
    at("strip").replaceChildren(...buttons);
    at("none").hidden = images.length > 0;
    at("look").hidden = !images.length;
    if (!images.length) return Promise.resolve();
    const image = images.includes(shown) ? shown : images[0];
    reveal(buttons[images.indexOf(image)]);
    return show(image);
  };

  // scrollIntoView would scroll the page as well.
  const reveal = (button) => {
    const [strip, box] = [at("strip"), button].map((element) => element.getBoundingClientRect());
    at("strip").scrollLeft += Math.min(0, box.left - strip.left) + Math.max(0, box.right - strip.right);
  };

  const facts = (image, row) => {
    const entries = [
      ["Image", `${image.name} (${image.split})`],
      ["Identity", image.person],
      ["Clean", `predicted ${row.predicted_clean} (confidence ${percent(row.confidence_clean)})`],
      ["Protected", `predicted ${row.predicted} (confidence ${percent(row.confidence)})`],
      ...(row.target ? [["Target", row.target]] : []),
      ["L2", row.l2.toFixed(2)],
      ["MSSIM", row.mssim.toFixed(3)],
      ...Object.entries(row.recognised).map(([name, [tmrClean, tmr, rankClean, rank]]) => [data.recognisers[name] ?? name,
        `${tmr === null ? "no threshold" : `TMR ${percent(tmr)} (clean ${percent(tmrClean)})`}; rank ${rank} (clean ${rankClean})`]),
    ];
    at("facts").replaceChildren(...entries.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
  };

  const show = async (image) => {
    shown = image;
    const row = rowOf(image);
    at("canvases").setAttribute("aria-busy", "true");
    for (const button of at("strip").children) button.setAttribute("aria-pressed", String(button.image === image));
    facts(image, row);
    at("canvases").setAttribute("aria-label", `${image.name}, clean and protected by ${row.method} on Model ${row.model}`);
    const [clean, difference] = await Promise.all([pixels(image.clean), pixels(image.changes[row.change])]);
    if (shown !== image || rowOf(image) !== row) return;
    const times = Number(at("amplify").value);
    draw(at("before"), clean);
    // The difference is stored modulo 256.
    const protectedValue = (i) => (clean.data[i] + difference.data[i] - data.zero + 256) % 256;
    draw(at("after"), mapped(clean, protectedValue));
    draw(at("perturbation"), mapped(clean, (i) => Math.min(255, times * Math.abs(protectedValue(i) - clean.data[i]))));
    scale(clean);
    arrange();
    at("canvases").setAttribute("aria-busy", "false");
  };

  // The width before any zoom, in CSS pixels: that of a phone's screen.
  const WIDTH = 360;
  let zoomed = false;
  const scale = (image) => {
    if (!zoomed) at("zoom").value = Math.max(1, Math.round(WIDTH / image.width));
    at("scale").textContent = at("zoom").value;
    const zoom = Number(at("zoom").value);
    at("frame").style.width = `${zoom * image.width}px`;
    at("canvases").style.aspectRatio = `${image.width} / ${image.height}`;
  };

  let timer = null;
  let flipped = false;
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const arrange = () => {
    const perturbation = pressed(at("difference"));
    at("perturbation").hidden = !perturbation;
    at("after").hidden = perturbation;
    at("before").hidden = perturbation;
    at("left").textContent = perturbation ? `perturbation × ${at("amplify").value}` : "protected";
    at("right").textContent = perturbation ? "" : "clean";
    const split = pressed(at("flicker")) ? (flipped ? 0 : 100) : Number(at("split").value);
    at("after").style.clipPath = `inset(0 ${100 - split}% 0 0)`;
    at("canvases").style.setProperty("--split", `${split}%`);
    at("canvases").classList.toggle("whole", perturbation || pressed(at("flicker")));
  };

  const flicker = () => {
    const on = !pressed(at("flicker"));
    at("flicker").setAttribute("aria-pressed", String(on));
    clearInterval(timer);
    flipped = on;
    // With reduced motion, the button switches between the images.
    if (on && !reducedMotion.matches) timer = setInterval(() => { flipped = !flipped; arrange(); }, FLICKER_MS);
    arrange();
  };

  const evolution = () => {
    const run = data.evolution[at("evolution-model").value];
    at("step").max = run.frames.length - 1;
    const step = Math.min(Number(at("step").value), run.frames.length - 1);
    at("iterate").src = run.frames[step];
    at("iterate").alt = `${run.image} from noise after ${run.steps[step]} steps`;
    at("iterate-name").textContent = `after ${run.steps[step]} steps`;
    at("steps").textContent = `i = ${run.steps[step]}`;
    at("original").src = run.clean;
  };

  const persons = [...new Set(data.images.map((image) => image.person))].sort();
  const models = [...new Set(data.images.flatMap((image) => image.rows.map((row) => row.model)))];
  fill(at("model"), models.map((name) => option(name)));
  fill(at("person"), [option("all", ""), ...persons.map((name) => option(name))]);
  fillMethods();
  if ([...at("method").options].some((item) => item.value === "P-FGVM")) at("method").value = "P-FGVM";
  at("model").addEventListener("change", () => { fillMethods(); list(); });
  ["method", "person", "outcome", "sort"].forEach((id) => at(id).addEventListener("change", list));
  at("split").addEventListener("input", arrange);
  at("amplify").addEventListener("input", () => { at("times").textContent = at("amplify").value; show(shown); });
  at("zoom").addEventListener("input", () => { zoomed = true; show(shown); });
  at("flicker").addEventListener("click", flicker);
  at("difference").addEventListener("click", () => {
    at("difference").setAttribute("aria-pressed", String(!pressed(at("difference"))));
    arrange();
  });
  root.hidden = false;
  list();
  if (at("evolution-model")) {
    fill(at("evolution-model"), Object.keys(data.evolution).map((name) => option(name)));
    ["evolution-model", "step"].forEach((id) => at(id).addEventListener("input", evolution));
    evolution();
  }
})();
