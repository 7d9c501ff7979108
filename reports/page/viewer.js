// Faces to look at: before and after, the change between them, and what models and recognisers say.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("faces-data").textContent);
  const root = document.querySelector(".viewer");
  const at = (id) => document.getElementById(id);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  // Twice a second each: under the three flashes a second that can harm.
  const FLICKER_MS = 500;

  const percent = (rate) => `${(100 * rate).toFixed(1)} %`;
  const option = (text, value = text) => new Option(text, value);
  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

  // Pixels to the bit: no colour management, no alpha.
  const decoded = new Map();
  const pixels = (picture) => {
    if (!decoded.has(picture)) decoded.set(picture, decode(picture));
    return decoded.get(picture);
  };
  const decode = async (picture) => {
    const [head, encoded] = picture.split(",");
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const file = new Blob([bytes], { type: head.slice("data:".length, head.indexOf(";")) });
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  };
  const mapped = (image, change) => {
    const made = new ImageData(image.width, image.height);
    for (let i = 0; i < image.data.length; i++) made.data[i] = i % 4 === 3 ? 255 : change(i);
    return made;
  };
  const draw = (canvas, image) => {
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  const rowOf = (image) => image.rows.find((row) => row.model === at("model").value && row.method === at("method").value);
  const missed = (image) => rowOf(image).predicted !== image.person;
  let shown = null;

  const chosen = () => {
    const { value: order } = at("sort");
    const measure = order.replace("-", "");
    const sign = order.startsWith("-") ? 1 : -1;
    const kept = data.images.filter((image) => rowOf(image)
      && (!at("person").value || image.person === at("person").value)
      && (!at("outcome").value || missed(image) === (at("outcome").value === "missed")));
    if (order === "name") return kept.sort((a, b) => (a.name < b.name ? -1 : 1));
    return kept.sort((a, b) => sign * (rowOf(a)[measure] - rowOf(b)[measure]));
  };

  const fill = (select, options) => {
    const before = select.value;
    select.replaceChildren(...options);
    if ([...select.options].some((each) => each.value === before)) select.value = before;
  };

  const fillMethods = () => {
    const own = data.images.flatMap((image) => image.rows).filter((row) => row.model === at("model").value);
    fill(at("method"), [...new Set(own.map((row) => row.method))].map((name) => option(name)));
  };

  const list = () => {
    const images = chosen();
    const buttons = images.map((image) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const outcome = missed(image) ? "another name" : "still named rightly";
      button.append(Object.assign(new Image(), { src: image.clean, alt: "" }));
      button.setAttribute("aria-label", `${image.name}, person ${image.person}, ${outcome}`);
      button.className = missed(image) ? "missed" : "named";
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

  // Within the strip: scrollIntoView would move the page as well.
  const reveal = (button) => {
    const [strip, own] = [at("strip"), button].map((each) => each.getBoundingClientRect());
    at("strip").scrollLeft += Math.min(0, own.left - strip.left) + Math.max(0, own.right - strip.right);
  };

  const facts = (image, row) => {
    const entries = [
      ["Image", `${image.name} (${image.split})`],
      ["Person", image.person],
      ["Before", `the model sees ${row.predicted_clean}, ${percent(row.confidence_clean)} sure`],
      ["After", `the model sees ${row.predicted}, ${percent(row.confidence)} sure`],
      ...(row.target ? [["Target", row.target]] : []),
      ["L2", row.l2.toFixed(2)],
      ["MSSIM", row.mssim.toFixed(3)],
      ...Object.entries(row.recognised).map(([name, [before, after, first, place]]) => [data.recognisers[name] ?? name,
        `${after === null ? "no threshold" : `matches ${percent(after)} of the person's other pictures (clean ${percent(before)})`}; `
        + `the person comes at place ${place} (clean ${first})`]),
    ];
    at("facts").replaceChildren(...entries.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
  };

  const show = async (image) => {
    shown = image;
    const row = rowOf(image);
    at("pictures").setAttribute("aria-busy", "true");
    for (const button of at("strip").children) button.setAttribute("aria-pressed", String(button.image === image));
    facts(image, row);
    at("pictures").setAttribute("aria-label", `${image.name} before and after ${row.method} on Model ${row.model}`);
    const [clean, apart] = await Promise.all([pixels(image.clean), pixels(image.changes[row.change])]);
    if (shown !== image || rowOf(image) !== row) return;
    const times = Number(at("amplify").value);
    draw(at("before"), clean);
    draw(at("after"), mapped(clean, (i) => (clean.data[i] + apart.data[i] - data.zero + 256) % 256));
    // The difference is stored modulo 256; which of the two it is, the clean pixel says.
    draw(at("change"), mapped(clean, (i) => {
      const after = (clean.data[i] + apart.data[i] - data.zero + 256) % 256;
      return Math.min(255, times * Math.abs(after - clean.data[i]));
    }));
    scale(clean);
    arrange();
    at("pictures").setAttribute("aria-busy", "false");
  };

  // Until somebody says otherwise, about as wide as a phone's screen.
  const WIDTH = 360;
  let zoomed = false;
  const scale = (image) => {
    if (!zoomed) at("zoom").value = Math.max(1, Math.round(WIDTH / image.width));
    at("scale").textContent = at("zoom").value;
    const zoom = Number(at("zoom").value);
    at("frame").style.width = `${zoom * image.width}px`;
    at("pictures").style.aspectRatio = `${image.width} / ${image.height}`;
  };

  let timer = null;
  let flipped = false;
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const arrange = () => {
    const apart = pressed(at("difference"));
    at("change").hidden = !apart;
    at("after").hidden = apart;
    at("before").hidden = apart;
    at("left").textContent = apart ? `change × ${at("amplify").value}` : "protected";
    at("right").textContent = apart ? "" : "clean";
    const split = pressed(at("flicker")) ? (flipped ? 0 : 100) : Number(at("split").value);
    at("after").style.clipPath = `inset(0 ${100 - split}% 0 0)`;
    at("pictures").style.setProperty("--split", `${split}%`);
    at("pictures").classList.toggle("whole", apart || pressed(at("flicker")));
  };

  const flicker = () => {
    const on = !pressed(at("flicker"));
    at("flicker").setAttribute("aria-pressed", String(on));
    clearInterval(timer);
    flipped = on;
    // Whoever asked for less motion flips by hand: pressed shows the one, released the other.
    if (on && !still.matches) timer = setInterval(() => { flipped = !flipped; arrange(); }, FLICKER_MS);
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
  if ([...at("method").options].some((each) => each.value === "P-FGVM")) at("method").value = "P-FGVM";
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
