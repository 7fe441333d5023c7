"use strict";
// Each decision is saved before the next question is shown, so a kill loses nothing.
const at = (id) => document.getElementById(id);
const pictures = new Map();
let questions = [], decided = new Map(), place = 0, busy = true;
const history = [];

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

function photos(number) {
  if (!pictures.has(number)) {
    const coming = ask(`photos/${number}`);
    coming.catch(() => pictures.delete(number));
    pictures.set(number, coming);
  }
  return pictures.get(number);
}

function say(text, bad = false) {
  at("saved").textContent = text;
  at("saved").className = bad ? "bad" : "";
}

function labelled(button, key, text) {
  const kbd = document.createElement("kbd");
  kbd.textContent = key;
  button.replaceChildren(kbd, document.createTextNode(text));
}

function nextOpen(from) {
  for (let i = from; i < questions.length; i++) if (!decided.has(questions[i].number)) return i;
  for (let i = 0; i < from; i++) if (!decided.has(questions[i].number)) return i;
  return questions.length;
}

function showCount() {
  const changed = [...decided.values()].filter((said) => said !== "keep").length;
  at("bar").value = decided.size;
  at("count").textContent = `${decided.size} of ${questions.length} decided, ${changed} changed`;
  at("undo").disabled = !history.length;
}

async function show() {
  showCount();
  const over = place >= questions.length;
  at("question").hidden = over;
  at("end").hidden = !over;
  if (over) {
    const changed = [...decided.values()].filter((said) => said !== "keep").length;
    at("summary").textContent = questions.length
      ? `All ${questions.length} suggestions are decided; ${changed} changes are in corrections.csv. This page can be closed, and the command stopped with Ctrl-C.`
      : "The audit suggests nothing.";
    return;
  }
  const each = questions[place], swap = each.kind === "swap";
  const who = swap ? "these two photos" : each.person || (each.count > 1 ? `these ${each.count} photos` : "this photo");
  at("asked").textContent = swap
    ? `${each.factor}: are the labels of these two photos swapped?`
    : `${each.factor} of ${who}: ${each.given}, or ${each.value}?`;
  at("said").textContent = swap
    ? `Networks that never saw this person give each the other's label (${Math.round(100 * each.confidence)} %).`
    : `Labelled ${each.given}; networks that never saw this person say ${each.value} (${Math.round(100 * each.confidence)} %).`;
  labelled(at("keep"), "←", swap ? "keep as labelled" : `keep ${each.given}`);
  labelled(at("change"), "→", swap ? "swap them" : `change to ${each.value}`);
  at("more").replaceChildren(...each.other.map((value, i) => {
    const button = document.createElement("button");
    button.type = "button";
    labelled(button, i + 1, value === "unknown" ? "nobody can tell: unknown" : value);
    button.onclick = () => decide(value);
    return button;
  }));
  if (at("words")) at("words").hidden = each.factor !== "mask";
  const number = each.number, found = await photos(number);
  if (questions[place]?.number !== number) return;
  at("photos").className = ["", "one", "two"][found.length] ?? "";
  at("photos").replaceChildren(...found.map((photo) => {
    const figure = document.createElement("figure"), image = new Image(), caption = document.createElement("figcaption");
    image.src = photo.image;
    image.alt = `crop of ${photo.name}`;
    if (photo.note) caption.append(Object.assign(document.createElement("b"), { textContent: photo.note }));
    caption.append(photo.name.split("/").pop());
    caption.title = photo.name;
    figure.append(image, caption);
    return figure;
  }));
  for (const ahead of questions.slice(place + 1, place + 4)) photos(ahead.number);
  for (const past of questions.slice(0, Math.max(0, place - 20))) pictures.delete(past.number);
}

async function save(number, decision) {
  const body = JSON.stringify({ number, decision });
  await ask("decisions", { method: "POST", headers: { "Content-Type": "application/json", "X-Audit": "1" }, body });
}

async function guarded(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
    say("saved");
  } catch (error) {
    say(`Not saved, decide again: ${error.message}. Is the command still running?`, true);
    busy = false;
    return;
  }
  await show().catch((error) => say(`Saved, but the next photos did not come: ${error.message}`, true));
  busy = false;
}

function decide(decision) {
  if (place >= questions.length) return;
  guarded(async () => {
    const { number } = questions[place];
    await save(number, decision);
    decided.set(number, decision);
    history.push(place);
    place = nextOpen(place + 1);
  });
}

function undo() {
  if (!history.length) return;
  guarded(async () => {
    const before = history[history.length - 1];
    await save(questions[before].number, null);
    history.pop();
    decided.delete(questions[before].number);
    place = before;
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.key === "ArrowLeft") decide("keep");
  else if (event.key === "ArrowRight") decide("change");
  else if (event.key === "Backspace") undo();
  else if (/^[1-9]$/.test(event.key) && questions[place]?.other[event.key - 1]) decide(questions[place].other[event.key - 1]);
  else return;
  event.preventDefault();
});
at("keep").onclick = () => decide("keep");
at("change").onclick = () => decide("change");
at("undo").onclick = undo;

ask("state").then((state) => {
  questions = state.questions;
  decided = new Map(state.decisions);
  const places = new Map(questions.map((each, i) => [each.number, i]));
  history.push(...[...decided.keys()].map((number) => places.get(number)));
  at("next").replaceChildren(...state.next.map((line) => Object.assign(document.createElement("code"), { textContent: line })));
  place = nextOpen(0);
  busy = false;
  return show();
}).catch((error) => say(`Nothing to show: ${error.message}`, true));
