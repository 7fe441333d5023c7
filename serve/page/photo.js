"use strict";

const get = (id) => document.getElementById(id);
const say = (text, failed = false) => {
  get("state").textContent = text;
  get("state").classList.toggle("failed", failed);
};
const percent = (share) => (share > 0 && share < 0.01 ? "under 1 %" : `${Math.round(100 * share)} %`);
// The contest's words; those of other labels stand as they are.
const PLAIN = { wear: "worn", incorrect: "worn wrongly", normal: "none" };
const AGES = { "<30": "under 30", "30-59": "30 to 59", ">=60": "60 or over" };
const plain = (factor, word) => (factor === "mask" && PLAIN[word]) || (factor === "age" && AGES[word]) || word;
const titled = (factor) => factor.charAt(0).toUpperCase() + factor.slice(1).replaceAll("_", " ");
const element = (name, text = "", kind = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
};

let model = { factors: {}, explains: false };
const MOST_AT_ONCE = 8; // photos of a request

async function describe() {
  model = await (await fetch("model")).json();
  const name = model.name.replace(/-[0-9a-f]{12}$/, ""); // without the digest of an ensemble's export
  get("who").textContent = `${name} looks at a face in a photo and tells: ${Object.keys(model.factors).join(", ")}.`;
  get("drawn").hidden = !model.drawn;
  get("drawn").textContent = model.note;
  get("notfor").textContent = model.not_for;
}

async function asked(path, files) {
  const form = new FormData();
  for (const file of files) form.append("photos", file, "photo");
  const answer = await fetch(path, { method: "POST", body: form });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({ reason: `the service failed (${answer.status})` }));
  throw new Error(told.reason);
}

async function predict(files) {
  const photos = [...files];
  if (!photos.length) return;
  for (let first = 0; first < photos.length; first += MOST_AT_ONCE) {
    const some = photos.slice(first, first + MOST_AT_ONCE);
    say(photos.length > 1 ? `looking at ${first + 1} to ${first + some.length} of ${photos.length} photos ...` : "looking ...");
    try {
      const told = await (await asked("predict", some)).json();
      for (const [place, photo] of told.photos.entries()) await show(some[place], photo);
      const answered = told.photos.filter((photo) => photo.status !== "refused").length;
      say(some.length > 1 ? `${answered} of ${some.length} photos answered` : "");
    } catch (error) {
      say(`${some.length > 1 ? "None of these photos is" : "This photo is not"} answered: ${error.message}`, true);
    }
  }
}

function title(photo) {
  if (photo.status === "refused") return "Not answered";
  if (photo.status === "fallback") return "No face found";
  return photo.found > 1 ? `${photo.found} faces` : "One face";
}

async function show(file, photo) {
  const card = get("photo").content.cloneNode(true).firstElementChild;
  const heading = card.querySelector("h2");
  heading.textContent = title(photo);
  card.querySelector(".about").textContent =
    photo.status === "fallback"
      ? "What follows is said of the middle of the photo, and worth little."
      : photo.reason;
  card.classList.toggle("weak", photo.status === "fallback");
  get("results").prepend(card);
  if (photo.status !== "refused") {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
    const choose = (chosen) => {
      draw(card.querySelector("canvas"), picture, photo, chosen);
      answers(card.querySelector(".answers"), file, photo, chosen);
      for (const [place, button] of [...card.querySelectorAll(".faces button")].entries())
        button.setAttribute("aria-pressed", String(place === chosen));
    };
    if (photo.faces.length > 1)
      for (const place of photo.faces.keys()) {
        const button = element("button", `Face ${place + 1}`);
        button.type = "button";
        button.onclick = () => choose(place);
        card.querySelector(".faces").append(button);
      }
    choose(0);
  } else card.querySelector(".shown").remove();
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

function draw(canvas, picture, photo, chosen) {
  const told = photo.faces[chosen].answers;
  const words = Object.entries(told).map(([factor, each]) => `${factor} ${plain(factor, each.word)}`);
  canvas.setAttribute("aria-label", `Photo, ${title(photo).toLowerCase()}; face ${chosen + 1}: ${words.join(", ")}`);
  const scale = Math.min(1, 1200 / Math.max(photo.width, photo.height));
  [canvas.width, canvas.height] = [photo.width * scale, photo.height * scale];
  const pen = canvas.getContext("2d");
  if (picture) pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const thick = Math.max(2, canvas.width / 160);
  for (const [place, face] of photo.faces.entries()) {
    if (!face.box) continue;
    const [left, top, right, bottom] = face.box.map((edge) => edge * scale);
    for (const [width, colour] of [[thick * 2, "#0009"], [thick, place === chosen ? "#ffb000" : "#fff"]]) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.strokeRect(left, top, right - left, bottom - top);
    }
    if (photo.faces.length > 1) {
      pen.font = `600 ${thick * 7}px system-ui, sans-serif`;
      pen.lineWidth = thick;
      pen.strokeStyle = "#000b";
      pen.strokeText(place + 1, left + thick * 2, top + thick * 8);
      pen.fillStyle = place === chosen ? "#ffb000" : "#fff";
      pen.fillText(place + 1, left + thick * 2, top + thick * 8);
    }
  }
}

function answers(place, file, photo, chosen) {
  place.replaceChildren();
  for (const [factor, told] of Object.entries(photo.faces[chosen].answers)) {
    const part = element("div", "", "factor");
    const heading = element("h3", `${titled(factor)}: ${plain(factor, told.word)}`);
    part.append(heading, bars(factor, told));
    if (model.explains) heading.append(looking(part, file, factor, chosen));
    place.append(part);
  }
}

function bars(factor, told) {
  const table = element("table", "", "bars");
  for (const [word, share] of Object.entries(told.probabilities)) {
    const row = element("tr", "", word === told.word ? "" : "no");
    const name = element("th", plain(factor, word));
    name.scope = "row";
    const track = element("td", "", "track");
    const bar = element("i");
    bar.style.width = `${100 * share}%`;
    const whole = element("span");
    whole.append(bar);
    track.append(whole);
    row.append(name, track, element("td", percent(share), "count"));
    table.append(row);
  }
  return table;
}

function looking(part, file, factor, face) {
  const button = element("button", "Where does it look?", "look");
  button.type = "button";
  button.onclick = async () => {
    button.disabled = true;
    button.textContent = "looking ...";
    try {
      const asking = `explain?factor=${encodeURIComponent(factor)}&face=${face}`;
      const map = element("img", "", "map");
      map.src = URL.createObjectURL(await (await asked(asking, [file])).blob());
      map.onload = () => URL.revokeObjectURL(map.src);
      map.alt = `The face as the networks see it; bright orange is what speaks for the answer on ${factor}`;
      part.append(map, element("p", "Orange: what speaks for this answer (Grad-CAM, mean of the networks).", "note"));
      button.remove();
    } catch (error) {
      button.textContent = "Where does it look?";
      button.disabled = false;
      say(`No picture of that: ${error.message}`, true);
    }
  };
  return button;
}

async function cameraOn() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
    get("live").srcObject = stream;
    await get("live").play();
    get("booth").hidden = false;
    get("shoot").focus();
    say("");
  } catch (error) {
    say(`The camera cannot be used: ${error.message}`, true);
  }
}

function cameraOff() {
  const stream = get("live").srcObject;
  if (stream) for (const track of stream.getTracks()) track.stop();
  get("live").srcObject = null;
  get("booth").hidden = true;
  get("camera").focus();
}

function shoot() {
  const live = get("live");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [live.videoWidth, live.videoHeight];
  canvas.getContext("2d").drawImage(live, 0, 0);
  canvas.toBlob((photo) => predict([photo]), "image/jpeg", 0.95);
}

const drop = get("drop");
get("files").onchange = (event) => {
  predict(event.target.files);
  event.target.value = "";
};
get("camera").onclick = cameraOn;
get("shoot").onclick = shoot;
get("off").onclick = cameraOff;
document.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
document.ondragleave = (event) => event.relatedTarget || drop.classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  predict(event.dataTransfer.files);
};
document.onpaste = (event) => predict(event.clipboardData.files);
document.onkeydown = (event) => {
  if (event.key === "Escape" && !get("booth").hidden) cameraOff();
};
describe().catch(() => say("The service does not answer; is it running?", true));
