"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const photos = new Map(data.photos.map(photo => [photo.i, photo]));
const viewer = document.getElementById("viewer"), body = document.getElementById("viewer-body");
const title = document.getElementById("viewer-title"), back = document.getElementById("back");
const palette = ["#4a80c9", "#d08420", "#3d9a63", "#cf4f43", "#8a63c4", "#2f9ea3", "#b5568f", "#8c8c3c", "#7a8896"];
let list = { title: "", photos: [], total: 0 }, at = -1;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Places among the values of each part, of a class of the task. */
function split(code) {
  const places = [];
  for (const size of [...data.sizes].reverse()) {
    places.unshift(code % size);
    code = Math.floor(code / size);
  }
  return places;
}

const truth = (photo, part) => part < 0 ? photo.y : split(photo.y)[part];
const answer = (photo, part) => part < 0 ? photo.g : split(photo.g)[part];
const names = part => part < 0 ? data.classes : data.parts[part].values;
const percent = p => `${Math.round(100 * p)} %`;

function picture(photo) {
  const file = photo.n.split("/").pop();
  return element("img", { src: `data:image/jpeg;base64,${photo.t}`, alt: `crop of ${photo.n}`, title: file, decoding: "async" });
}

function tile(photo, open) {
  const wrong = photo.y !== photo.g;
  const caption = element("span", { class: "caption" }, element("b", {}, `answered ${data.classes[photo.g]}, ${percent(photo.c)}`),
    element("span", wrong ? { class: "bad" } : {}, wrong ? `really ${data.classes[photo.y]}` : "right"));
  const made = element("button", { type: "button", class: `tile photo ${wrong ? "wrong" : ""}`, "data-place": photo.i },
    element("span", { class: "crop", style: "display:block" }, picture(photo)), caption);
  made.addEventListener("click", open);
  return made;
}

function showList(name, found, total) {
  list = { title: name, photos: found, total };
  at = -1;
  title.textContent = `${name}: ${total === 1 ? "1 photo" : `${total.toLocaleString("en")} photos`}`;
  back.hidden = true;
  const grid = element("div", { class: "tiles" }, ...found.map((photo, place) => tile(photo, () => showOne(place))));
  body.replaceChildren(grid);
  if (found.length < total) body.prepend(element("p", { class: "note" }, `The page holds pictures of ${found.length} of them.`));
  if (!viewer.open) viewer.showModal();
  viewer.scrollTop = 0;
}

function bars(photo) {
  const made = [];
  data.parts.forEach((part, number) => {
    const really = truth(photo, number), answered = answer(photo, number);
    const heading = element("h3", {}, `${part.name}: ${part.values[answered]}`);
    if (really !== answered) heading.append(element("span", { class: "bad" }, ` – really ${part.values[really]}`));
    const rows = photo.q[number].map(([value, p]) => element("tr", {},
      element("th", { scope: "row" }, part.values[value]),
      element("td", { class: "track" }, element("i", { style: `width:${100 * p}%` })),
      element("td", { class: "count" }, `${(100 * p).toFixed(1)} %`)));
    made.push(heading, element("table", { class: "bars" }, element("tbody", {}, ...rows)));
  });
  return made;
}

function action(text, act) {
  const made = element("button", { type: "button" }, text);
  made.addEventListener("click", act);
  return made;
}

function showOne(place) {
  at = place;
  const photo = list.photos[place];
  title.textContent = photo.n;
  back.hidden = list.photos.length === 1;
  back.textContent = `← ${list.photos.length} photos`;
  const person = data.photos.filter(other => other.p === photo.p);
  const alike = data.photos.filter(other => other.y === photo.y && other.g === photo.g);
  const actions = element("div", { class: "actions" });
  if (list.photos.length > 1) {
    actions.append(action("← previous", () => step(-1)), action("next →", () => step(1)));
  }
  actions.append(action(`photos of this person (${person.length})`, () => showList(photo.p, person, person.length)),
    action(`photos answered alike (${alike.length})`, () =>
      showList(`${data.classes[photo.y]}, answered ${data.classes[photo.g]}`, alike, alike.length)));
  body.replaceChildren(element("div", { class: "one" },
    element("div", {}, picture(photo), element("p", { class: "facts" }, `person ${photo.p} · fold ${photo.f}`), actions),
    element("div", {}, ...bars(photo))));
  viewer.scrollTop = 0;
}

function step(by) {
  if (at < 0) return;
  showOne((at + by + list.photos.length) % list.photos.length);
}

function openPhoto(place) {
  const photo = photos.get(place);
  if (!photo) return;
  showList(photo.n, [photo], 1);
  showOne(0);
}

/** The photos of one true and one answered value, or of one true value, the surest answer first. */
function openCell(part, really, answered, total) {
  const found = data.photos.filter(photo => truth(photo, part) === really && (answered === null || answer(photo, part) === answered));
  found.sort((one, other) => (one.y === one.g) - (other.y === other.g) || other.c - one.c);
  const name = answered === null ? names(part)[really]
    : really === answered ? `${names(part)[really]}, answered so` : `${names(part)[really]}, answered ${names(part)[answered]}`;
  showList(name, found, total ?? found.length);
}

for (const button of document.querySelectorAll("button[data-t]")) {
  button.addEventListener("click", () => openCell(Number(button.dataset.part), Number(button.dataset.t), Number(button.dataset.g),
    Number(button.textContent.replaceAll(",", ""))));
}
for (const button of document.querySelectorAll("button[data-true]")) {
  const part = Number(button.dataset.part), total = Number(button.dataset.count);
  button.addEventListener("click", () => openCell(part, Number(button.dataset.true), null, total));
}
for (const button of document.querySelectorAll(".strip button[data-place]")) {
  button.addEventListener("click", () => openPhoto(Number(button.dataset.place)));
}
for (const grid of document.querySelectorAll(".tiles[data-places]")) {
  const found = grid.dataset.places.split(" ").map(place => photos.get(Number(place))).filter(Boolean);
  const name = grid.parentElement.querySelector("h2").firstChild.textContent.trim();
  grid.append(...found.map((photo, place) => tile(photo, () => {
    showList(name, found, found.length);
    showOne(place);
  })));
}

const choice = document.getElementById("colouring"), plane = document.getElementById("plane");
const colourings = [["right or wrong", ["right", "wrong"], photo => Number(photo.y !== photo.g), ["#4a80c9", "#cf4f43"]]];
data.parts.forEach((part, number) => {
  colourings.push([`${part.name}, by the labels`, part.values, photo => truth(photo, number), palette]);
  colourings.push([`${part.name}, as answered`, part.values, photo => answer(photo, number), palette]);
});

function point(photo, x, y, colour) {
  const made = document.createElementNS(plane.namespaceURI, "circle"), name = document.createElementNS(plane.namespaceURI, "title");
  const told = `${photo.n}: ${data.classes[photo.g]}${photo.y === photo.g ? "" : `, really ${data.classes[photo.y]}`}`;
  const set = { cx: 16 + 868 * x, cy: 16 + 528 * (1 - y), r: 8, fill: colour, tabindex: -1, role: "button", "aria-label": told };
  for (const [key, text] of Object.entries(set)) made.setAttribute(key, text);
  name.textContent = told;
  made.append(name);
  made.addEventListener("click", () => openPhoto(photo.i));
  made.addEventListener("keydown", event => {
    if (event.key === "Enter") openPhoto(photo.i);
    // One stop of the tab key for all points: arrows go from one to the next.
    if (event.key === "ArrowRight") made.nextElementSibling?.focus();
    if (event.key === "ArrowLeft") made.previousElementSibling?.focus();
  });
  return made;
}

function drawMap() {
  const [, values, of, colours] = colourings[choice.selectedIndex];
  const counts = values.map(() => 0), points = [];
  for (const [place, x, y] of data.map) {
    const photo = photos.get(place);
    if (!photo) continue;
    counts[of(photo)] += 1;
    points.push(point(photo, x, y, colours[of(photo) % colours.length]));
  }
  plane.replaceChildren(...points);
  points[0]?.setAttribute("tabindex", "0");
  const legend = values.map((value, number) => element("li", {},
    element("i", { style: `background:${colours[number % colours.length]}` }), `${value} (${counts[number]})`));
  document.getElementById("legend").replaceChildren(...legend);
}

choice.append(...colourings.map(([name]) => element("option", {}, name)));
choice.addEventListener("change", drawMap);
drawMap();

back.addEventListener("click", () => showList(list.title, list.photos, list.total));
document.getElementById("close").addEventListener("click", () => viewer.close());
viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
viewer.addEventListener("keydown", event => {
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
});
